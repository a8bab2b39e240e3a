"""The policies that the chart has for most settings, as helm runs no Python: a file with placeholders for some values.

For other settings, the chart takes what `dind-webhook policy` prints.
"""

from itertools import combinations
from typing import NamedTuple

from dind_webhook.injection import OPTIONS, Mode
from dind_webhook.model import JsonObject
from dind_webhook.mutating_policy.quantities import BYTES_PATTERN, CPU_PATTERN
from dind_webhook.mutating_policy.render import render_policies
from dind_webhook.mutating_policy.unsupported import list_unsupported_settings
from dind_webhook.settings import InjectionSettings, make_policy

# Replaced by the name of the chart's objects
NAME_PLACEHOLDER = "name-of-the-policies"
# Settings with another value than the built-in one, in all installations of the chart. Each Kubernetes that has such
# policies has image volumes.
FIXED_SETTINGS: JsonObject = {"image_pull_policy": "IfNotPresent", "image_volumes": True}
_DEFAULTS = {option.name: option.default for option in OPTIONS}


class Placeholder(NamedTuple):
    """A text of the file that stands for the value of a setting of `injection`.

    The chart replaces it if the value matches `pattern`.
    """

    path: tuple[str, ...]
    text: str
    pattern: str

    @property
    def default(self) -> str:
        """The value if the settings have none; empty for those that the chart always sets."""
        return _DEFAULTS.get(self.path[-1], "") if self.path[-1] != "image" else ""


# The patterns leave out what CEL or JSON would escape, and zero. Names are last: a number in them may be a placeholder.
PLACEHOLDERS = (
    # User namespaces have no larger groups.
    Placeholder(("defaults", "group"), "64123", "^([1-9][0-9]{0,3}|[1-5][0-9]{4})$"),
    Placeholder(("defaults", "cpu-request"), "13579u", CPU_PATTERN),
    Placeholder(("defaults", "cpu-limit"), "8642013", CPU_PATTERN),
    Placeholder(("defaults", "memory-request"), "24681Ki", BYTES_PATTERN),
    Placeholder(("defaults", "memory-limit"), "7531907Mi", BYTES_PATTERN),
    Placeholder(("defaults", "ephemeral-storage-request"), "35791Ki", BYTES_PATTERN),
    Placeholder(("defaults", "storage-size"), "9753107Gi", BYTES_PATTERN),
    Placeholder(("defaults", "image"), "placeholder.example/image:placeholder", "^[A-Za-z0-9._:/@-]+$"),
    Placeholder(("host_path",), "/placeholder/host/path", "^(/[A-Za-z0-9._-]+)+$"),
)


def chart_file() -> JsonObject:
    """Return the content of the chart's files/policies.json.

    `policies` has the keys of `objects` for each set of modes. Most objects are those of several sets. `built_in` has
    the values of settings that the policies have already, `unsupported` the reasons for which some values cannot become
    a policy.
    """
    objects: dict[str, JsonObject] = {}
    policies: dict[str, list[str]] = {}
    for modes in _sets_of_modes():
        keys = []
        for rendered in _render(modes):
            alike = (key for key, other in objects.items() if other == rendered)
            keys.append(next(alike, str(len(objects))))
            objects[keys[-1]] = rendered
        policies[",".join(modes)] = keys
    placeholders = [{**each._asdict(), "path": list(each.path), "default": each.default} for each in PLACEHOLDERS]
    return {
        "name": NAME_PLACEHOLDER,
        "placeholders": placeholders,
        "fixed": FIXED_SETTINGS,
        "built_in": {"defaults": _DEFAULTS, **_built_in_settings()},
        "unsupported": dict(list_unsupported_settings()),
        "policies": policies,
        "objects": objects,
    }


def _built_in_settings() -> JsonObject:
    """Return the built-in values of the other settings, which the policies of the file have."""
    found: JsonObject = InjectionSettings().model_dump(mode="json")
    # Sets have no order, and the chart sorts lists before it compares them.
    values = {name: sorted(value) if isinstance(value, list) else value for name, value in found.items()}
    return {name: value for name, value in values.items() if name not in {"modes", "defaults", *FIXED_SETTINGS}}


def _sets_of_modes() -> list[list[str]]:
    modes = sorted(map(str, Mode))
    return [list(each) for size in range(1, len(modes) + 1) for each in combinations(modes, size)]


def _render(modes: list[str]) -> list[JsonObject]:
    settings: JsonObject = {"modes": modes, "defaults": {}, **FIXED_SETTINGS}
    for placeholder in PLACEHOLDERS:
        *groups, last = placeholder.path
        (settings["defaults"] if groups else settings)[last] = placeholder.text
    return render_policies(make_policy(InjectionSettings.model_validate(settings)), NAME_PLACEHOLDER)
