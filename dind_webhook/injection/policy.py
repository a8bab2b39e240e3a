"""The operator's decisions. Frozen values, no rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from dind_webhook.injection.decision import Mode
from dind_webhook.injection.options import Isolation, NodeSocketTreatment, Options
from dind_webhook.model import JsonObject, matches_wildcards

# The longest name of a namespace, which is a DNS label
_MAX_NAMESPACE_LENGTH = 63


@dataclass(frozen=True, eq=False)
class Policy:
    """The operator's decisions: defaults of the options, options that pods may set, names, and features.

    `max` has upper bounds of options, each a quantity: see `bounds`. `tolerations` are as in a pod spec. `version` goes
    into the status annotation. `host_path` and `host_path_type` describe the socket directory of the DaemonSet on the
    node.
    """

    version: str
    defaults: Options
    modes: frozenset[Mode]
    allowed_options: frozenset[str]
    allowed_images: tuple[str, ...]
    allowed_isolations: frozenset[Isolation]
    max: Mapping[str, str]
    runtime_classes: Mapping[Isolation, str]
    node_selector: Mapping[str, str]
    tolerations: tuple[JsonObject, ...]
    image_pull_secrets: tuple[str, ...]
    image_pull_policy: str
    container_name: str
    wait_container_name: str
    run_volume: str
    storage_volume: str
    files_volume: str
    ca_volume: str
    registry_volume: str
    config_volume: str
    client_volume: str
    client_image_volume: str
    client_image: str
    image_volumes: bool
    replace_docker_variables: bool
    proxy_clients: bool
    share_by_name: frozenset[str]
    storage: bool
    start_script: bool
    startup_probe: bool
    tls_flag: bool
    docker_sock: bool
    allow_host_network: bool
    allow_host_pid: bool
    allow_host_ipc: bool
    allow_public_tcp: bool
    host_path: str
    host_path_type: str
    host_path_read_only: bool
    wait_seconds: int
    scope: str = "cluster"
    """Where the policy is in force, for messages: `cluster` or `namespace`."""
    namespaces: tuple["NamespacePolicy", ...] = ()
    """The policies of some namespaces, none of which has such policies itself. The first that matches is in force."""

    @property
    def variants(self) -> tuple["Policy", ...]:
        """This policy, and those of namespaces."""
        return (self, *(entry.policy for entry in self.namespaces))

    def for_namespace(self, name: str) -> "Policy":
        """Return the policy that is in force in a namespace: that of the first entry that matches its name, or this."""
        # Anybody who reaches the webhook can send a name of any length.
        return _find_policy(self, name) if self.namespaces and len(name) <= _MAX_NAMESPACE_LENGTH else self

    @property
    def replaces_node_socket(self) -> bool:
        """Return whether the operator lets pods and namespaces have the node's Docker socket replaced."""
        return "node-socket" in self.allowed_options or self.defaults.node_socket is NodeSocketTreatment.REPLACE


class NamespacePolicy(NamedTuple):
    """A policy, and the names of its namespaces, in which `*` stands for any text."""

    names: tuple[str, ...]
    policy: Policy


@lru_cache(maxsize=1024)
def _find_policy(policy: Policy, namespace: str) -> Policy:
    for names, entry in policy.namespaces:
        if any(matches_wildcards(name, namespace) for name in names):
            return entry
    return policy
