"""Decides whether a pod gets Docker, and builds the patch. Pure: no I/O, no clock, no logger, no environment.

The steps are separate: decide (`eligibility`, `annotations`, `selection`), build (`sidecar`, `daemonset`), compare with
the pod (`conflicts`), and render what the pod lacks (`patch`). `rules` runs them in order.
"""

from dind_webhook.injection.annotations import apply_defaults
from dind_webhook.injection.bounds import find_bad_bounds, find_unbounded_defaults
from dind_webhook.injection.conflicts import STALE_STATUS
from dind_webhook.injection.constants import INJECT, INJECTED, NODE_SOCKET, PREFIX, STATUS
from dind_webhook.injection.daemon_files import (
    CA_DIRECTORY,
    CA_SEARCH_PATH,
    CA_VARIABLE,
    DAEMON_CONFIG_DIRECTORY,
    DAEMON_JSON,
    find_conflicting_directives,
)
from dind_webhook.injection.decision import Decision, Mode, Outcome, Reason
from dind_webhook.injection.docker_client import CLIENT_IMAGE_DIRECTORY, CLIENT_VOLUME_DIRECTORY
from dind_webhook.injection.docker_config import (
    DOCKER_CONFIG_DIRECTORY,
    HOMES,
    REGISTRY_SECRET_KEY,
    ROOT_CONFIG_DIRECTORY,
)
from dind_webhook.injection.docker_paths import (
    DATA_ROOT,
    DEFAULT_CLIENT_DIRECTORY,
    DEFAULT_SOCKET,
    RUNTIME_DIRECTORIES,
    SOCKET_LINK_NAME,
    SOCKET_NAME,
    SYSTEM_DIRECTORIES,
    UNIX_SCHEME,
)
from dind_webhook.injection.docker_variables import TLS_VARIABLES
from dind_webhook.injection.eligibility import (
    DISABLED,
    EXEMPT_NAMESPACES,
    NAMESPACE_VALUES,
    POD_VALUES,
    is_mirror_pod,
    mode_of_label,
)
from dind_webhook.injection.inject import decide_for_namespace, decide_request, inject
from dind_webhook.injection.isolation import (
    IN_USER_NAMESPACE,
    LARGEST_ID,
    NEED_RUNTIME_CLASS,
    NOT_IDMAPPABLE,
    metrics_flag,
)
from dind_webhook.injection.message_parts import MAX_QUOTE_LENGTH, abbreviate, join_first, quote, truncate
from dind_webhook.injection.mirrors import DOCKER_HUB
from dind_webhook.injection.misplaced import MisplacedKey, misplaced_keys
from dind_webhook.injection.node_sockets import PROC_PATHS, NodeSocket, find_node_socket
from dind_webhook.injection.option_table import OPTIONS, Option, built_in_options
from dind_webhook.injection.options import (
    DaemonFile,
    DataSource,
    Isolation,
    Mirror,
    Options,
    Placement,
    StorageMedium,
    TcpAddress,
)
from dind_webhook.injection.own_daemon import (
    DAEMON_PROGRAMS,
    DAEMON_VARIABLES,
    MAX_SCRIPT_LENGTH,
    MAY_BE_DAEMON_IMAGE,
    MAY_BE_UNPRIVILEGED_DAEMON_IMAGE,
    MAY_START_DAEMON,
    OwnDaemon,
    find_own_daemon,
)
from dind_webhook.injection.parsers import (
    DATA_SOURCE_KINDS,
    ENDING_FLAGS,
    LISTENING_FLAGS,
    OWNED_FLAGS,
    REFUSED_VARIABLES,
)
from dind_webhook.injection.patch import DEFAULT_CONTAINER
from dind_webhook.injection.policy import NamespacePolicy, Policy
from dind_webhook.injection.proxy import DIRECT_HOSTS
from dind_webhook.injection.rules import NAMESPACE_RULES, RULES, Rule, RuleState, trace_rules
from dind_webhook.injection.service_account_token import TOKEN_PATH, TOKEN_VOLUME_PREFIX
from dind_webhook.injection.shared_volumes import SHAREABLE_KINDS, own_volume_names
from dind_webhook.injection.sidecar import METRICS_PORT_NAME, SNAPSHOT_GROUP
from dind_webhook.injection.start_script import (
    CLIENT_CONFIG_VARIABLE,
    ISOLATION_VARIABLE,
    MIRRORS_VARIABLE,
    NODE_VARIABLE,
)

__all__ = [
    "CA_DIRECTORY",
    "CA_SEARCH_PATH",
    "CA_VARIABLE",
    "CLIENT_CONFIG_VARIABLE",
    "CLIENT_IMAGE_DIRECTORY",
    "CLIENT_VOLUME_DIRECTORY",
    "DAEMON_CONFIG_DIRECTORY",
    "DAEMON_JSON",
    "DAEMON_PROGRAMS",
    "DAEMON_VARIABLES",
    "DATA_ROOT",
    "DATA_SOURCE_KINDS",
    "DEFAULT_CLIENT_DIRECTORY",
    "DEFAULT_CONTAINER",
    "DEFAULT_SOCKET",
    "DIRECT_HOSTS",
    "DISABLED",
    "DOCKER_CONFIG_DIRECTORY",
    "DOCKER_HUB",
    "ENDING_FLAGS",
    "EXEMPT_NAMESPACES",
    "HOMES",
    "INJECT",
    "INJECTED",
    "IN_USER_NAMESPACE",
    "ISOLATION_VARIABLE",
    "LARGEST_ID",
    "LISTENING_FLAGS",
    "MAX_QUOTE_LENGTH",
    "MAX_SCRIPT_LENGTH",
    "MAY_BE_DAEMON_IMAGE",
    "MAY_BE_UNPRIVILEGED_DAEMON_IMAGE",
    "MAY_START_DAEMON",
    "METRICS_PORT_NAME",
    "MIRRORS_VARIABLE",
    "NAMESPACE_RULES",
    "NAMESPACE_VALUES",
    "NEED_RUNTIME_CLASS",
    "NODE_SOCKET",
    "NODE_VARIABLE",
    "NOT_IDMAPPABLE",
    "OPTIONS",
    "OWNED_FLAGS",
    "POD_VALUES",
    "PREFIX",
    "PROC_PATHS",
    "REFUSED_VARIABLES",
    "REGISTRY_SECRET_KEY",
    "ROOT_CONFIG_DIRECTORY",
    "RULES",
    "RUNTIME_DIRECTORIES",
    "SHAREABLE_KINDS",
    "SNAPSHOT_GROUP",
    "SOCKET_LINK_NAME",
    "SOCKET_NAME",
    "STALE_STATUS",
    "STATUS",
    "SYSTEM_DIRECTORIES",
    "TLS_VARIABLES",
    "TOKEN_PATH",
    "TOKEN_VOLUME_PREFIX",
    "UNIX_SCHEME",
    "DaemonFile",
    "DataSource",
    "Decision",
    "Isolation",
    "Mirror",
    "MisplacedKey",
    "Mode",
    "NamespacePolicy",
    "NodeSocket",
    "Option",
    "Options",
    "Outcome",
    "OwnDaemon",
    "Placement",
    "Policy",
    "Reason",
    "Rule",
    "RuleState",
    "StorageMedium",
    "TcpAddress",
    "abbreviate",
    "apply_defaults",
    "built_in_options",
    "decide_for_namespace",
    "decide_request",
    "find_bad_bounds",
    "find_conflicting_directives",
    "find_node_socket",
    "find_own_daemon",
    "find_unbounded_defaults",
    "inject",
    "is_mirror_pod",
    "join_first",
    "metrics_flag",
    "misplaced_keys",
    "mode_of_label",
    "own_volume_names",
    "quote",
    "trace_rules",
    "truncate",
]
