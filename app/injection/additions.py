"""What a mode wants a pod to have: one value, the same for both modes."""

from app.model import Container, JsonObject, Mount


class Additions:
    """Everything a mode adds, in the terms of the pod spec; nothing here says what the pod has already.

    `container`, with `container_mounts`, goes first among the init containers, or last among the
    containers where `as_container`. `clients` each get `client_env` and `client_mounts`. `evictable` are the names of
    the emptyDirs that need not keep a node from being drained.
    """

    # Written out, as mypyc leaves that of a dataclass to Python (docs/decisions/0018).
    def __init__(  # noqa: PLR0913, PLR0917  # one for each member
        self,
        volumes: tuple[JsonObject, ...],
        container: JsonObject | None,
        container_mounts: tuple[Mount, ...],
        as_container: bool,
        clients: tuple[Container, ...],
        client_env: JsonObject,
        client_mounts: tuple[Mount, ...],
        supplemental_group: int | None,
        evictable: tuple[str, ...],
        warnings: tuple[str, ...],
    ) -> None:
        self.volumes = volumes
        self.container = container
        self.container_mounts = container_mounts
        self.as_container = as_container
        self.clients = clients
        self.client_env = client_env
        self.client_mounts = client_mounts
        self.supplemental_group = supplemental_group
        self.evictable = evictable
        self.warnings = warnings
