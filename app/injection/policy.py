"""The operator's decisions. Frozen values, no rules."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.injection.decision import Mode
from app.injection.options import Isolation, NodeSocketTreatment, Options


@dataclass(frozen=True, eq=False)
class Policy:
    """The operator's decisions: defaults of the options, options that pods may set, names, and features.

    `max` has upper bounds of options, each a quantity: see `bounds`. `version` goes into the status annotation.
    `host_path` and `host_path_type` describe the socket directory of the DaemonSet on the node.
    """

    version: str
    defaults: Options
    modes: frozenset[Mode]
    allowed_options: frozenset[str]
    allowed_images: tuple[str, ...]
    allowed_isolations: frozenset[Isolation]
    max: Mapping[str, str]
    runtime_classes: Mapping[Isolation, str]
    container_name: str
    wait_container_name: str
    run_volume: str
    storage_volume: str
    replace_docker_variables: bool
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

    @property
    def replaces_node_socket(self) -> bool:
        """Return whether the operator lets pods and namespaces have the node's Docker socket replaced."""
        return "node-socket" in self.allowed_options or self.defaults.node_socket is NodeSocketTreatment.REPLACE
