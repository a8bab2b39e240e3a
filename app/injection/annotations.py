"""The table of `dind.io/*` annotations. Parsing, messages, the reference page and its test all use this table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from app.injection import parsers
from app.injection.constants import INJECT, PREFIX, STATUS
from app.injection.decision import Denial, Mode, Reason
from app.injection.image_policy import is_allowed_image
from app.injection.messages import join_first, quote, warn_of_names
from app.injection.options import Options, Placement, Policy, StorageMedium
from app.model import Metadata, is_loopback, nearest_word, parse_quantity

# The texts of the options that a pod sets, by annotation key
OptionTexts: TypeAlias = Mapping[str, str]
_BOTH_MODES = frozenset(Mode)
_SIDECAR_ONLY = frozenset({Mode.SIDECAR})
_DAEMONSET_ONLY = frozenset({Mode.DAEMONSET})


class Option(NamedTuple):
    """One per-pod option: a row of the table.

    `parse` turns the text of the annotation into the member of `Options` with the same name. It raises ValueError with
    the rest of a sentence that begins with the value. `default` is such a text; if it is empty, the option has
    `unset_value`. A `required` option cannot be unset. The text has at most `max_length` characters, and a list or map
    in it at most `max_items` items. Pods may set an `allowed_by_default` option unless the operator changes that.
    """

    name: str
    parse: Callable[[str], Any]
    default: str
    accepts: str
    example: str
    help: str
    max_length: int
    max_items: int = 0
    modes: frozenset[Mode] = _SIDECAR_ONLY
    allowed_by_default: bool = False
    required: bool = False
    unset_value: Any = None

    @property
    def key(self) -> str:
        return PREFIX + self.name

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    @property
    def bounds(self) -> str:
        """The bounds of the text, as a phrase for the reference page."""
        characters = f"{self.max_length} characters"
        return f"{self.max_items} items, {characters}" if self.max_items else characters

    def read(self, text: str) -> Any:
        """Return the value of a text, or `unset_value` if it is empty. Raise ValueError if the text is not accepted."""
        if not text:
            return self.unset_value
        if len(text) > self.max_length:
            raise ValueError(f"has {len(text)} characters; at most {self.max_length} are accepted")
        value = self.parse(text)
        if isinstance(value, tuple) and len(value) > self.max_items > 0:
            raise ValueError(f"has {len(value)} items; at most {self.max_items} are accepted")
        return value

    def read_annotation(self, text: str) -> Any:
        """Return the value of an annotation's text. Raise ValueError if the text is empty or not accepted."""
        if not text:
            raise ValueError("is empty; remove it to use the default")
        return self.read(text)


OPTIONS: tuple[Option, ...] = (
    Option(
        name="containers",
        parse=parsers.parse_names,
        default="",
        accepts="names of containers, comma-separated",
        max_length=4096,
        max_items=64,
        example="build,test",
        help="Containers that get Docker. Unset: all, except native sidecars of other injectors.",
        modes=_BOTH_MODES,
        allowed_by_default=True,
        unset_value=(),
    ),
    Option(
        name="placement",
        parse=parsers.choice_parser(Placement),
        default="native",
        accepts="`native` or `container`",
        max_length=64,
        example="container",
        help=(
            "A native sidecar starts before init containers and lets a Job complete; an ordinary container does "
            "neither."
        ),
        allowed_by_default=True,
        required=True,
    ),
    Option(
        name="share-volumes",
        parse=parsers.parse_shared_volumes,
        default="true",
        accepts="`true`, `false` or names of volumes, comma-separated",
        max_length=4096,
        max_items=64,
        example="workspace",
        help=(
            "Mount the containers' emptyDir, PVC and ephemeral volumes in the daemon too, so that "
            "`docker run -v $PWD:/w` sees their files."
        ),
        allowed_by_default=True,
        required=True,
    ),
    Option(
        name="wait",
        parse=parsers.parse_boolean,
        default="true",
        accepts="`true` or `false`",
        max_length=64,
        example="false",
        help="Delay the start of the pod until the node's daemon answers, for a bounded time.",
        modes=_DAEMONSET_ONLY,
        allowed_by_default=True,
        required=True,
    ),
    Option(
        name="cpu-request",
        parse=parsers.parse_cpu,
        default="250m",
        accepts="a quantity",
        max_length=64,
        example="500m",
        help="CPU request of the daemon.",
        allowed_by_default=True,
    ),
    Option(
        name="cpu-limit",
        parse=parsers.parse_cpu,
        default="2",
        accepts="a quantity",
        max_length=64,
        example="4",
        help="CPU limit of the daemon; on nodes with cgroup v1 also of all containers that it runs.",
        allowed_by_default=True,
    ),
    Option(
        name="memory-request",
        parse=parsers.parse_byte_size,
        default="512Mi",
        accepts="a quantity",
        max_length=64,
        example="1Gi",
        help="Memory request of the daemon.",
        allowed_by_default=True,
    ),
    Option(
        name="memory-limit",
        parse=parsers.parse_byte_size,
        default="4Gi",
        accepts="a quantity",
        max_length=64,
        example="8Gi",
        help="Memory limit of the daemon; on nodes with cgroup v1 also of all containers that it runs.",
        allowed_by_default=True,
    ),
    Option(
        name="storage-size",
        parse=parsers.parse_byte_size,
        default="20Gi",
        accepts="a quantity",
        max_length=64,
        example="50Gi",
        help="Size of the storage for the daemon's images, layers and containers.",
        allowed_by_default=True,
    ),
    Option(
        name="storage-medium",
        parse=parsers.choice_parser(StorageMedium),
        default="Disk",
        accepts="`Disk`, `Memory` or `Volume`",
        max_length=64,
        example="Memory",
        help="Kind of that storage: an emptyDir on the node's disk or in memory, or a generic ephemeral volume.",
        required=True,
    ),
    Option(
        name="storage-class",
        parse=parsers.parse_storage_class,
        default="",
        accepts="a StorageClass",
        max_length=253,
        example="fast-ssd",
        help="StorageClass of the generic ephemeral volume; implies the medium `Volume`.",
    ),
    Option(
        name="group",
        parse=parsers.whole_number_parser(0, 2**31 - 1),
        default="2375",
        accepts="a numeric group ID",
        max_length=64,
        example="1001",
        help="Group that owns the socket, added to the pod's supplementalGroups so that non-root users reach it.",
        allowed_by_default=True,
    ),
    Option(
        name="mtu",
        parse=parsers.whole_number_parser(68, 65535),
        default="",
        accepts="a number from 68 to 65535",
        max_length=64,
        example="1450",
        help="MTU of the daemon's default bridge and of the networks created in it.",
        allowed_by_default=True,
    ),
    Option(
        name="registry-mirrors",
        parse=parsers.parse_registry_mirrors,
        default="",
        accepts="URLs, comma-separated",
        max_length=4096,
        max_items=16,
        example="https://mirror.example",
        help=(
            "Mirrors that the daemon asks first for images of Docker Hub, by https or plain http. None may be an "
            "insecure registry: dockerd would no longer check the certificate of Docker Hub itself."
        ),
        allowed_by_default=True,
        unset_value=(),
    ),
    Option(
        name="insecure-registries",
        parse=parsers.parse_insecure_registries,
        default="",
        accepts="HOST[:PORT] or CIDRs, comma-separated",
        max_length=4096,
        max_items=64,
        example="registry.ci:5000,10.0.0.0/8",
        help="Registries that the daemon may talk to without TLS, or whose certificate it does not check.",
        unset_value=(),
    ),
    Option(
        name="address-pools",
        parse=parsers.parse_address_pools,
        default="",
        accepts="CIDR:SIZE, comma-separated",
        max_length=1024,
        max_items=16,
        example="10.200.0.0/16:24",
        help="Address pools from which the daemon takes the subnets of its networks.",
        unset_value=(),
    ),
    Option(
        name="image",
        parse=parsers.parse_daemon_image,
        default="docker:29.7.2-dind",
        accepts="an image reference",
        max_length=512,
        example="docker:29-dind",
        help="Image of the daemon.",
        required=True,
    ),
    Option(
        name="socket-dir",
        parse=parsers.parse_socket_dir,
        default="/run/dind",
        accepts="an absolute path",
        max_length=128,
        example="/var/run",
        help="Directory of `docker.sock` in the containers.",
        modes=_BOTH_MODES,
        required=True,
    ),
    Option(
        name="tcp",
        parse=parsers.parse_tcp_address,
        default="",
        accepts="ADDRESS:PORT",
        max_length=64,
        example="127.0.0.1:2375",
        help="Listen on TCP as well, without TLS. An address that is not loopback needs the operator's consent.",
    ),
    Option(
        name="env",
        parse=parsers.parse_environment,
        default="",
        accepts="a JSON object of strings",
        max_length=16384,
        max_items=64,
        example='{"HTTPS_PROXY": "http://proxy:3128"}',
        help="Environment variables of the daemon.",
        unset_value=(),
    ),
    Option(
        name="dockerd-args",
        parse=parsers.parse_dockerd_args,
        default="",
        accepts="a JSON array of strings",
        max_length=8192,
        max_items=64,
        example='["--log-level=debug"]',
        help="More flags for dockerd, each as `--flag` or `--flag=value`, except flags reserved for injection.",
        unset_value=(),
    ),
)

OPTIONS_BY_KEY: Mapping[str, Option] = {option.key: option for option in OPTIONS}
_KNOWN_NAMES = tuple(key.removeprefix(PREFIX) for key in (INJECT, *OPTIONS_BY_KEY))


def built_in_options() -> Options:
    """Return the options of a pod that sets none, if the operator changed no default."""
    return Options(**{option.field: option.read(option.default) for option in OPTIONS})


def apply_defaults(base: Options, texts: Mapping[str, str]) -> tuple[Options, list[str]]:
    """Return `base` with the operator's defaults, and a sentence for each default that cannot be used.

    `texts` maps the name of an option to the text of its annotation.
    """
    changes: dict[str, Any] = {}
    problems = []
    for name, text in texts.items():
        option = OPTIONS_BY_KEY.get(PREFIX + name)
        if option is None:
            guess = nearest_word(name, (known.name for known in OPTIONS))
            problems.append(f"{name}: is not an option" + (f"; did you mean {guess}?" if guess else ""))
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
            f"{noun} {join_first(forbidden_keys, str, ', ')} may not be set in this cluster; remove {pronoun} "
            f"(options that its operator allows: {allowed})",
        )
    image, tcp = (_read_option(texts, name) for name in ("image", "tcp"))
    if image and image != policy.defaults.image and not is_allowed_image(image, policy.allowed_images):
        allowed = join_first((policy.defaults.image, *policy.allowed_images), str, ", ")
        return Denial(
            Reason.IMAGE_NOT_ALLOWED,
            f"annotation {PREFIX}image: {quote(image)} is not an image that this cluster's "
            f"operator allows; allowed are {allowed}",
        )
    if policy.allow_public_tcp:
        return None
    if tcp and not tcp.is_loopback and tcp != policy.defaults.tcp:
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f'annotation {PREFIX}tcp: "{tcp}" is not loopback, which this cluster\'s operator does not allow; '
            "use an address such as 127.0.0.1:2375",
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
    if problems := problems or find_contradictions(options):
        return Denial(Reason.INVALID_OPTION, join_first(problems, str))
    return options


def warn_of_options_without_effect(metadata: Metadata, mode: Mode | None) -> list[str]:
    """Return warnings about options of the other mode and about labels that look like options."""
    options = [key for key in metadata.annotations if (option := OPTIONS_BY_KEY.get(key)) and mode not in option.modes]
    labels = [key for key in metadata.labels if key.startswith(PREFIX) and key != INJECT]
    warnings = []
    if options:
        warnings.append(warn_of_names(f"without effect in {mode} mode", options))
    if labels:
        warnings.append(warn_of_names("options are annotations, these labels have no effect", labels))
    return warnings


def _replace_storage_defaults(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes, and unset the default medium or class that contradicts the one that the pod sets."""
    if "storage_medium" in changes and changes["storage_medium"] is not StorageMedium.VOLUME:
        return {"storage_class": None, **changes}
    if "storage_class" in changes:
        return {"storage_medium": StorageMedium.VOLUME, **changes}
    return changes


def find_contradictions(options: Options) -> list[str]:
    """Return a sentence for each pair of options that contradict each other."""
    problems = []
    for resource, request, limit in (
        ("cpu", options.cpu_request, options.cpu_limit),
        ("memory", options.memory_request, options.memory_limit),
    ):
        if request and limit and parse_quantity(request) > parse_quantity(limit):
            problems.append(
                f"{PREFIX}{resource}-request is {request}, more than {PREFIX}{resource}-limit, which is {limit}; "
                f"lower the request or set a limit of {request} or more"
            )
    if options.storage_class and options.storage_medium is StorageMedium.MEMORY:
        problems.append(f"{PREFIX}storage-class cannot be combined with {PREFIX}storage-medium Memory; remove one")
    problems += _find_mirrors_without_tls(options)
    if (options.storage_class or options.storage_medium is StorageMedium.VOLUME) and not options.storage_size:
        problems.append(f"{PREFIX}storage-size is needed for a volume; set it")
    return problems


def _find_mirrors_without_tls(options: Options) -> list[str]:
    """Return a sentence for each mirror that makes dockerd trust any certificate for Docker Hub itself.

    Since version 28, dockerd uses one TLS client for Docker Hub and its mirrors. The client trusts any certificate if
    one of the mirrors is an insecure registry (`mergeLegacyConfig` in moby's daemon/hosts.go). Loopback always is one.
    """
    insecure = {registry.lower() for registry in options.insecure_registries}
    networks = [parsers.parse_network(registry) for registry in insecure if "/" in registry]
    problems = []
    for url in options.registry_mirrors:
        host = url.partition("://")[2].partition("/")[0].lower()
        name = parsers.host_of(host)
        address = parsers.find_ip_address(name)
        problem = None
        if is_loopback(name) or name.endswith(".localhost"):
            problem = "is on loopback, which dockerd trusts without a certificate; give the mirror another address"
        elif host in insecure or (address and any(address in network for network in networks)):
            problem = f"is in {PREFIX}insecure-registries too; remove it there, a mirror of plain HTTP needs no entry"
        if problem:
            problems.append(
                f"{PREFIX}registry-mirrors: {quote(url)} {problem} (dockerd would no longer check the certificate of "
                "Docker Hub itself)"
            )
    return problems


def _describe_unknown_annotations(keys: Sequence[str]) -> str:
    # The prefix would make any two annotations look alike, so words are compared without it.
    guesses: dict[str, str | None] = {}

    def describe(key: str) -> str:
        short_key = key[:80]
        guess = guesses[key] = nearest_word(short_key.removeprefix(PREFIX), _KNOWN_NAMES)
        return f"annotation {short_key} does not exist" + (f"; did you mean {PREFIX}{guess}?" if guess else "")

    described = join_first(keys, describe)
    if all(guesses.values()):
        return described
    # The list of known names comes once and last: the misspelt name must stay in sight.
    return f"{described}; names that exist after {PREFIX} are {', '.join(_KNOWN_NAMES)}"
