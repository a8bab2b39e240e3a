"""Everything that a mode adds to a pod, in one type for both modes."""

from collections.abc import Mapping
from typing import NamedTuple

from dind_webhook.injection.decision import Mode
from dind_webhook.injection.options import ClientConfig, TcpAddress
from dind_webhook.model import Container, JsonObject, Mount


class ConfigDirectories(NamedTuple):
    """The directories at `/.docker`: their mounts, by client, and the clients whose buildx keeps its state there."""

    mounts: Mapping[str, Mount]
    buildx_clients: frozenset[str]


NO_DIRECTORIES = ConfigDirectories({}, frozenset())


class Additions:
    """The members of the pod spec that `mode` adds, whether or not the pod already has them.

    `container`, with `container_mounts`, becomes the first init container, or the last container if `as_container`.
    Each of `clients` gets `client_env` and `client_mounts`, and the spec itself gets `pod_members`. The daemon listens
    on `tcp` too. `evictable` names the emptyDirs that the cluster autoscaler may delete when it drains a node.
    Each client gets those of `proxy_variables` and of `client_config` that it does not set itself, and its mount in
    `config_directories`.
    `node_selector`, `tolerations` and `image_pull_secrets` (names) are merged into those of the pod.
    """

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(  # noqa: PLR0913  # one parameter for each member
        self,
        *,
        mode: Mode,
        volumes: tuple[JsonObject, ...],
        container: JsonObject | None,
        container_mounts: tuple[Mount, ...],
        as_container: bool,
        clients: tuple[Container, ...],
        client_env: JsonObject,
        client_mounts: tuple[Mount, ...],
        client_config: ClientConfig | None,
        config_directories: ConfigDirectories,
        proxy_variables: tuple[JsonObject, ...],
        pod_members: JsonObject,
        tcp: TcpAddress | None,
        supplemental_group: int | None,
        evictable: tuple[str, ...],
        node_selector: Mapping[str, str],
        tolerations: tuple[JsonObject, ...],
        image_pull_secrets: tuple[str, ...],
        warnings: tuple[str, ...],
    ) -> None:
        self.mode = mode
        self.volumes = volumes
        self.container = container
        self.container_mounts = container_mounts
        self.as_container = as_container
        self.clients = clients
        self.client_env = client_env
        self.client_mounts = client_mounts
        self.client_config = client_config
        self.config_directories = config_directories
        self.proxy_variables = proxy_variables
        self.pod_members = pod_members
        self.tcp = tcp
        self.supplemental_group = supplemental_group
        self.evictable = evictable
        self.node_selector = node_selector
        self.tolerations = tolerations
        self.image_pull_secrets = image_pull_secrets
        self.warnings = warnings
