"""The choices of a pod (`Options`) and of the operator (`Policy`). Frozen values, no rules."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from app.injection.decision import Mode
from app.model import is_loopback


class Placement(StrEnum):
    """The form of the sidecar: a native sidecar (KEP-753) or an ordinary container."""

    NATIVE = "native"
    CONTAINER = "container"


class StorageMedium(StrEnum):
    """The kind of volume at `/var/lib/docker`."""

    DISK = "Disk"
    MEMORY = "Memory"
    VOLUME = "Volume"


class TcpAddress(NamedTuple):
    """A TCP address that the daemon listens on. `host` is an IP address or `localhost`."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Options:
    """The values of the per-pod options, one member for each row of `annotations.OPTIONS`.

    Quantities stay text, as Kubernetes accepts them. None or an empty tuple means that the option is not set.
    """

    containers: tuple[str, ...]
    placement: Placement
    share_volumes: bool | tuple[str, ...]
    wait: bool
    cpu_request: str | None
    cpu_limit: str | None
    memory_request: str | None
    memory_limit: str | None
    storage_size: str | None
    storage_medium: StorageMedium
    storage_class: str | None
    group: int | None
    mtu: int | None
    registry_mirrors: tuple[str, ...]
    insecure_registries: tuple[str, ...]
    address_pools: tuple[str, ...]
    image: str
    socket_dir: str
    tcp: TcpAddress | None
    env: tuple[tuple[str, str], ...]
    dockerd_args: tuple[str, ...]

    def __hash__(self) -> int:
        # A few members distinguish most options. A hash of all members would cost as much as the cached work itself.
        return hash((self.image, self.memory_limit, self.storage_size))


@dataclass(frozen=True, eq=False)
class Policy:
    """The operator's decisions: defaults of the options, options that pods may set, names, and features.

    `version` goes into the status annotation. `host_path` and `host_path_type` describe the socket directory of the
    DaemonSet on the node.
    """

    version: str
    defaults: Options
    modes: frozenset[Mode]
    allowed_options: frozenset[str]
    allowed_images: tuple[str, ...]
    container_name: str
    wait_container_name: str
    run_volume: str
    storage_volume: str
    storage: bool
    startup_probe: bool
    tls_flag: bool
    docker_sock: bool
    allow_host_network: bool
    allow_host_pid: bool
    allow_host_ipc: bool
    allow_host_users: bool
    allow_public_tcp: bool
    host_path: str
    host_path_type: str
    host_path_read_only: bool
    wait_seconds: int
