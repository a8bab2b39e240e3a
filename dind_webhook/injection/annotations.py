"""Reads the options that a pod sets by `dind.io/*` annotations, and the defaults that the operator sets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from dind_webhook.injection import parsers
from dind_webhook.injection.bounds import find_exceeded_bounds
from dind_webhook.injection.constants import INJECT, INJECTED, ISOLATION, PREFIX, STATUS
from dind_webhook.injection.contradictions import find_contradictions
from dind_webhook.injection.decision import Denial, Mode, Reason
from dind_webhook.injection.image_policy import is_allowed_image
from dind_webhook.injection.isolation import describe_forbidden
from dind_webhook.injection.message_parts import join_first, quote, warn_of_names
from dind_webhook.injection.option_table import OPTIONS, OPTIONS_BY_KEY, describe_unknown_option
from dind_webhook.injection.options import Options, StorageMedium
from dind_webhook.injection.policy import Policy
from dind_webhook.model import Metadata, nearest_word

# The texts of the options that a pod sets, by annotation key
OptionTexts: TypeAlias = Mapping[str, str]
_KNOWN_NAMES = tuple(key.removeprefix(PREFIX) for key in (INJECT, *OPTIONS_BY_KEY))


def apply_defaults(base: Options, texts: Mapping[str, str]) -> tuple[Options, list[str]]:
    """Return `base` with the operator's defaults, and a sentence for each default that cannot be used.

    `texts` maps the name of an option to the text of its annotation.
    """
    changes: dict[str, Any] = {}
    problems = []
    for name, text in texts.items():
        option = OPTIONS_BY_KEY.get(PREFIX + name)
        if option is None:
            problems.append(describe_unknown_option(name))
            continue
        if not text and option.required:
            problems.append(f"{name}: cannot be empty")
            continue
        try:
            changes[option.field] = option.read(text)
        except ValueError as error:
            problems.append(f"{name}: {quote(text)} {error}")
    options = replace(base, **changes)
    return options, problems or find_contradictions(options)


def find_option_texts(annotations: Mapping[str, str | None]) -> OptionTexts | Denial:
    """Return the texts of the options that a pod sets, or a denial if one of them does not exist."""
    ours = [key for key in annotations if key.startswith(PREFIX) and key not in (INJECT, STATUS)]
    if unknown := [key for key in ours if key not in OPTIONS_BY_KEY]:
        return Denial(Reason.UNKNOWN_ANNOTATION, _describe_unknown_annotations(unknown))
    return {key: annotations[key] or "" for key in ours}


def deny_forbidden_options(texts: OptionTexts, policy: Policy) -> Denial | None:
    """Return a denial if the operator does not let pods set one of these options or values, or None.

    `parse_options` denies a text that is not a value of its option.
    """
    if forbidden_keys := sorted(key for key in texts if OPTIONS_BY_KEY[key].name not in policy.allowed_options):
        allowed = ", ".join(option.name for option in OPTIONS if option.name in policy.allowed_options) or "none"
        noun, pronoun = ("annotations", "them") if len(forbidden_keys) > 1 else ("annotation", "it")
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f"{noun} {join_first(forbidden_keys, str, ', ')} may not be set in this {policy.scope}; remove {pronoun} "
            f"(options that its operator allows: {allowed})",
        )
    return _deny_forbidden_values(texts, policy)


def _deny_forbidden_values(texts: OptionTexts, policy: Policy) -> Denial | None:
    """Return a denial of a value that can be read, but is not allowed, or None."""
    image, isolation = (_read_option(texts, name) for name in ("image", "isolation"))
    if image and image != policy.defaults.image and not is_allowed_image(image, policy.allowed_images):
        allowed = join_first((policy.defaults.image, *policy.allowed_images), str, ", ")
        return Denial(
            Reason.IMAGE_NOT_ALLOWED,
            f"annotation {PREFIX}image: {quote(image)} is not an image that this {policy.scope}'s "
            f"operator allows; allowed are {allowed}",
        )
    if isolation and (problem := describe_forbidden(isolation, policy)):
        return Denial(Reason.OPTION_NOT_ALLOWED, f"annotation {ISOLATION}: {isolation} {problem}")
    if exceeded := list(find_exceeded_bounds(texts, policy.max, policy.scope)):
        return Denial(Reason.OPTION_NOT_ALLOWED, join_first(exceeded, str))
    return None if policy.allow_public_tcp else _deny_public_addresses(texts, policy)


def _deny_public_addresses(texts: OptionTexts, policy: Policy) -> Denial | None:
    tcp = _read_option(texts, "tcp")
    if tcp and not tcp.is_loopback and tcp != policy.defaults.tcp:
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f'annotation {PREFIX}tcp: "{tcp}" is not loopback, which this cluster\'s operator does not allow; '
            "use an address such as 127.0.0.1:2375",
        )
    metrics_port = _read_option(texts, "metrics-port")
    if metrics_port and metrics_port != policy.defaults.metrics_port:
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f"annotation {PREFIX}metrics-port: {metrics_port} listens on other than loopback, which this cluster's "
            "operator does not allow; remove it",
        )
    if public_flags := _public_flags(texts, policy):
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f"annotation {PREFIX}dockerd-args: {quote(public_flags[0])} listens on other than loopback, which this "
            "cluster's operator does not allow; use an address such as 127.0.0.1:9323",
        )
    return None


def _read_option(texts: OptionTexts, name: str) -> Any:
    """Return the value of an option that a pod sets, or None if the option is absent or its text is not accepted."""
    text = texts.get(PREFIX + name)
    if not text:
        return None
    try:
        return OPTIONS_BY_KEY[PREFIX + name].read(text)
    except ValueError:
        return None


def _public_flags(texts: OptionTexts, policy: Policy) -> list[str]:
    """Return the pod's own flags that make dockerd listen on an address that is not loopback.

    Permission is judged before values, so flags count even if others beside them are not accepted.
    """
    text = texts.get(f"{PREFIX}dockerd-args", "")
    if len(text) > OPTIONS_BY_KEY[f"{PREFIX}dockerd-args"].max_length:
        return []
    operators = set(policy.defaults.dockerd_args)
    return [
        argument
        for argument in parsers.find_strings(text)
        if argument not in operators and parsers.listens_publicly(argument)
    ]


def parse_options(texts: OptionTexts, policy: Policy) -> Options | Denial:
    """Return the options of a pod that sets these texts, or a denial that names every mistake."""
    if not texts:
        return policy.defaults
    changes: dict[str, Any] = {}
    problems = []
    for key, text in texts.items():
        option = OPTIONS_BY_KEY[key]
        try:
            changes[option.field] = option.read_annotation(text)
        except ValueError as error:
            problems.append(f"annotation {key}: {quote(text)} {error}")
    options = replace(policy.defaults, **_replace_storage_defaults(changes))
    if problems := problems or find_contradictions(options) or _find_storage_without_volume(options, policy):
        return Denial(Reason.INVALID_OPTION, join_first(problems, str))
    return options


def _find_storage_without_volume(options: Options, policy: Policy) -> list[str]:
    if policy.storage or not options.storage_data_source:
        return []
    operator = f"this {policy.scope}'s operator"
    return [
        f"{PREFIX}storage-data-source needs a volume at /var/lib/docker, which {operator} has turned off; remove it"
    ]


def warn_of_options_without_effect(metadata: Metadata, mode: Mode | None) -> list[str]:
    """Return warnings about options of the other mode and about labels that look like options."""
    options = [key for key in metadata.annotations if (option := OPTIONS_BY_KEY.get(key)) and mode not in option.modes]
    labels = [key for key in metadata.labels if key.startswith(PREFIX) and key not in (INJECT, INJECTED)]
    warnings = []
    if options:
        warnings.append(warn_of_names(f"without effect in {mode} mode", options))
    if labels:
        warnings.append(warn_of_names("options are annotations, these labels have no effect", labels))
    return warnings


def _replace_storage_defaults(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes, and unset the default medium, class or data source that contradicts what the pod sets."""
    if "storage_medium" in changes and changes["storage_medium"] is not StorageMedium.VOLUME:
        return {"storage_class": None, "storage_data_source": None, **changes}
    if "storage_class" in changes or "storage_data_source" in changes:
        return {"storage_medium": StorageMedium.VOLUME, **changes}
    return changes


def _describe_unknown_annotations(keys: Sequence[str]) -> str:
    # The prefix would make any two annotations look alike, so words are compared without it.
    guesses: dict[str, str | None] = {}

    def describe(key: str) -> str:
        short_key = key[:64]
        guess = guesses[key] = nearest_word(short_key.removeprefix(PREFIX), _KNOWN_NAMES)
        return f"annotation {short_key} does not exist" + (f"; did you mean {PREFIX}{guess}?" if guess else "")

    described = join_first(keys, describe)
    if all(guesses.values()):
        return described
    # The list of known names comes once and last: the misspelt name must stay in sight.
    return f"{described}; names that exist after {PREFIX} are {', '.join(_KNOWN_NAMES)}"
