"""What a mode wants a pod to have: one value, the same for both modes."""

from dataclasses import dataclass

from app.model import Container, JsonObject, Mount


@dataclass
class Additions:
    """Everything a mode adds, in the terms of the pod spec; nothing here says what the pod has already.

    `container`, with `container_mounts`, goes first among the init containers, or last among the
    containers where `as_container`. `clients` each get `client_env` and `client_mounts`. `evictable` are the names of
    the emptyDirs that need not keep a node from being drained.
    """

    volumes: tuple[JsonObject, ...]
    container: JsonObject | None
    container_mounts: tuple[Mount, ...]
    as_container: bool
    clients: tuple[Container, ...]
    client_env: JsonObject
    client_mounts: tuple[Mount, ...]
    supplemental_group: int | None
    evictable: tuple[str, ...]
    warnings: tuple[str, ...]
