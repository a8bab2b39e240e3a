"""The operator's settings, read once from a file, the environment and flags; flags win, then the environment."""

from dind_webhook.settings.config_map import CHECKSUM, SETTINGS_KEY, ConfigMapSettings, find_config_map
from dind_webhook.settings.duration import parse_duration
from dind_webhook.settings.effective import Setting, list_namespace_settings, list_settings
from dind_webhook.settings.loader import (
    LoadedSettings,
    load_policy,
    load_settings,
    parse_settings,
    read_settings_file,
)
from dind_webhook.settings.schema import (
    CertsSettings,
    InjectionSettings,
    LogSettings,
    NamespaceSettings,
    ServerSettings,
    Settings,
    make_policy,
)

__all__ = [
    "CHECKSUM",
    "SETTINGS_KEY",
    "CertsSettings",
    "ConfigMapSettings",
    "InjectionSettings",
    "LoadedSettings",
    "LogSettings",
    "NamespaceSettings",
    "ServerSettings",
    "Setting",
    "Settings",
    "find_config_map",
    "list_namespace_settings",
    "list_settings",
    "load_policy",
    "load_settings",
    "make_policy",
    "parse_duration",
    "parse_settings",
    "read_settings_file",
]
