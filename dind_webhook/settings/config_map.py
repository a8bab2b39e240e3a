"""The ConfigMap of the chart, in which the settings file is a text."""

from typing import NamedTuple

from dind_webhook.errors import SettingsError
from dind_webhook.settings.loader import parse_yaml

# The key of the file, and the annotation with a checksum of its `injection` that the chart writes
SETTINGS_KEY = "settings.yaml"
CHECKSUM = "checksum/settings"


class ConfigMapSettings(NamedTuple):
    """The settings file in a ConfigMap, the name of the ConfigMap, and the chart's checksum, empty if there is none."""

    text: str
    name: str
    checksum: str


def find_config_map(text: str, place: str) -> ConfigMapSettings | None:
    """Return the settings in a manifest of a ConfigMap, or None if the text is a settings file itself.

    `place` is the name of the text in messages. Raise SettingsError if the text is not YAML, or the
    ConfigMap has no settings file.
    """
    tree = parse_yaml(text, place)
    if tree.get("kind") != "ConfigMap":
        return None
    metadata, data = tree.get("metadata") or {}, tree.get("data") or {}
    name = str(metadata.get("name", ""))
    if SETTINGS_KEY not in data:
        raise SettingsError([f"{place}: ConfigMap {name} has no key {SETTINGS_KEY}"])
    checksum = (metadata.get("annotations") or {}).get(CHECKSUM, "")
    return ConfigMapSettings(str(data[SETTINGS_KEY]), name, str(checksum))
