"""The values of the per-pod options. Frozen, no rules."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from dind_webhook.injection.hosts import host_of
from dind_webhook.model import is_loopback


class Placement(StrEnum):
    """The form of the sidecar: a native sidecar (KEP-753) or an ordinary container."""

    NATIVE = "native"
    CONTAINER = "container"


class StorageMedium(StrEnum):
    """The kind of volume at `/var/lib/docker`."""

    DISK = "Disk"
    MEMORY = "Memory"
    VOLUME = "Volume"


class Isolation(StrEnum):
    """What is between the daemon and the node."""

    NONE = "none"
    USERNS = "userns"
    AUTO = "auto"
    SYSBOX = "sysbox"
    KATA = "kata"
    GVISOR = "gvisor"


class NodeSocketTreatment(StrEnum):
    """What happens to a pod that mounts the node's Docker socket."""

    DENY = "deny"
    REPLACE = "replace"


class TcpAddress(NamedTuple):
    """A TCP address that the daemon listens on. `host` is an IP address or `localhost`."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class DaemonFile(NamedTuple):
    """A file below /etc/docker of the daemon, from a key of a ConfigMap or Secret.

    `kind` is the name of the source in a volume: `configMap` or `secret`.
    """

    path: str
    kind: str
    name: str
    key: str


class DataSource(NamedTuple):
    """The object in the pod's namespace of which a volume begins as a copy.

    `kind` is PersistentVolumeClaim or VolumeSnapshot.
    """

    kind: str
    name: str


class Mirror(NamedTuple):
    """The mirror of a registry, which images name so; `*` stands for all registries that no other mirror is for.

    `url` is empty if the registry has no mirror, not even that of `*`. The host `node` in it is the pod's node.
    """

    registry: str
    url: str

    @property
    def is_on_node(self) -> bool:
        return host_of(self.url.partition("://")[2].partition("/")[0]) == "node"

    def __str__(self) -> str:
        return f"{self.registry}={self.url}"


class ClientConfig(NamedTuple):
    """The directory with the configuration of the Docker client in the containers, which can write in `socket_dir`.

    It has either the proxy or the credentials of a Secret.
    """

    directory: str
    socket_dir: str
    has_proxy: bool


@dataclass(frozen=True)
class Options:
    """The values of the per-pod options, one member for each row of `option_table.OPTIONS`.

    Quantities stay text, as Kubernetes accepts them. None or an empty tuple means that the option is not set.
    """

    containers: tuple[str, ...]
    placement: Placement
    isolation: Isolation
    share_volumes: bool | tuple[str, ...]
    wait: bool
    node_socket: NodeSocketTreatment
    client: str | None
    cpu_request: str | None
    cpu_limit: str | None
    memory_request: str | None
    memory_limit: str | None
    ephemeral_storage_request: str | None
    ephemeral_storage_limit: str | None
    storage_size: str | None
    storage_medium: StorageMedium
    storage_class: str | None
    storage_data_source: DataSource | None
    group: int | None
    mtu: int | None
    registry_mirrors: tuple[Mirror, ...]
    insecure_registries: tuple[str, ...]
    address_pools: tuple[str, ...]
    ca: str | None
    daemon_files: tuple[DaemonFile, ...]
    registry_secret: str | None
    proxy: str | None
    no_proxy: tuple[str, ...]
    image: str
    socket_dir: str
    tcp: TcpAddress | None
    metrics_port: int | None
    env: tuple[tuple[str, str], ...]
    dockerd_args: tuple[str, ...]

    @property
    def has_storage_claim(self) -> bool:
        """Return whether the daemon's storage is a generic ephemeral volume."""
        is_volume = self.storage_medium is StorageMedium.VOLUME
        return is_volume or self.storage_class is not None or self.storage_data_source is not None

    def __hash__(self) -> int:
        # A few members distinguish most options. A hash of all members would cost as much as the cached work itself.
        return hash((self.image, self.memory_limit, self.storage_size))
