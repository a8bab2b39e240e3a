"""All facts that the chart's templates need, as one JSON object."""

import re

from dind_webhook.injection import (
    CA_DIRECTORY,
    CA_SEARCH_PATH,
    CA_VARIABLE,
    CLIENT_CONFIG_VARIABLE,
    CLIENT_IMAGE_DIRECTORY,
    CLIENT_VOLUME_DIRECTORY,
    DAEMON_CONFIG_DIRECTORY,
    DATA_ROOT,
    ENDING_FLAGS,
    IN_USER_NAMESPACE,
    ISOLATION_VARIABLE,
    LISTENING_FLAGS,
    METRICS_PORT_NAME,
    OWNED_FLAGS,
    REFUSED_VARIABLES,
    RUNTIME_DIRECTORIES,
    SHAREABLE_KINDS,
    SYSTEM_DIRECTORIES,
    TOKEN_PATH,
    Isolation,
    Mode,
    metrics_flag,
)
from dind_webhook.model import JsonObject
from dind_webhook.settings import InjectionSettings
from dind_webhook.strict_policy.daemon import (
    DEFAULT_DIRS,
    ISOLATIONS,
    SEPARATE_MEMBERS,
    SETTINGS,
    UNCHECKED_MEMBERS,
    compared_members,
    daemon_expressions,
    status_annotation,
)
from dind_webhook.strict_policy.options import data_source_facts, mirror_facts, option_facts, proxy_facts, regex_quote

# Any version: pods keep the version of the webhook, or of the command line, that injected them.
_VERSION = "[0-9A-Za-z.+-]{1,64}"


def policy_facts() -> JsonObject:
    """Return the facts for `files/strict.json` of the chart.

    In the status of sidecar mode, `{isolation}` stands for the isolation.
    """
    return {
        "settings": _built_in_settings(),
        "options": option_facts(),
        "variants": list(SETTINGS),
        "user_namespace": [name for name in ISOLATIONS if name in IN_USER_NAMESPACE],
        "isolation_variable": ISOLATION_VARIABLE,
        "daemon": daemon_expressions(),
        "compared_members": compared_members(),
        "other_members": [*SEPARATE_MEMBERS, *UNCHECKED_MEMBERS],
        "default_dirs": list(DEFAULT_DIRS),
        "data_root": DATA_ROOT,
        "files_directory": DAEMON_CONFIG_DIRECTORY,
        "ca_directory": CA_DIRECTORY,
        "client_directory": CLIENT_VOLUME_DIRECTORY,
        "client_image_directory": CLIENT_IMAGE_DIRECTORY,
        "ca_variable": {"name": CA_VARIABLE, "value": CA_SEARCH_PATH},
        "client_config_variable": CLIENT_CONFIG_VARIABLE,
        "proxy": proxy_facts(),
        "mirrors": mirror_facts(),
        "data_sources": data_source_facts(),
        "runtime_directories": [*RUNTIME_DIRECTORIES, *(f"/var{directory}" for directory in RUNTIME_DIRECTORIES)],
        "system_directories": [*SYSTEM_DIRECTORIES, DATA_ROOT, "/run", "/var/run"],
        "shareable": sorted(SHAREABLE_KINDS),
        "token_path": TOKEN_PATH,
        "refused_variables": sorted(REFUSED_VARIABLES),
        "owned_flags": f"^--({'|'.join(sorted({*OWNED_FLAGS, *ENDING_FLAGS}))})(=|$)",
        "metrics_flag": metrics_flag(0).removesuffix("0"),
        "metrics_port_name": METRICS_PORT_NAME,
        "listening_flags": f"^({'|'.join(sorted(LISTENING_FLAGS))})(=|$)",
        "status": {str(mode): _status_pattern(mode) for mode in Mode},
    }


def _built_in_settings() -> JsonObject:
    settings: JsonObject = InjectionSettings().model_dump(mode="json", exclude={"defaults", "modes"})
    # Sets have no order.
    return {**settings, **{name: sorted(settings[name]) for name in ("allowed_options", "allowed_isolations")}}


def _status_pattern(mode: Mode) -> str:
    before, after = re.split('(?<="version":")[^"]*', status_annotation(mode))
    return f"^{regex_quote(before)}{_VERSION}{regex_quote(after)}$".replace(f'"{Isolation.NONE}"', '"{isolation}"')
