"""Selects the containers that get Docker."""

from dind_webhook.injection.constants import PREFIX
from dind_webhook.injection.decision import Denial, Reason
from dind_webhook.injection.message_parts import join_first, quote
from dind_webhook.model import Container, Pod, nearest_word


class Selection:
    """The containers that get Docker, in the order in which they start.

    `early_containers` are selected too, but start before the daemon and so cannot have Docker.
    """

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(self, clients: tuple[Container, ...], early_containers: tuple[Container, ...]) -> None:
        self.clients = clients
        self.early_containers = early_containers


def select_clients(pod: Pod, names: tuple[str, ...], own: str | None, *, starts_first: bool) -> Selection | Denial:
    """Return the containers that `dind.io/containers` selects, or a denial if it names one that does not exist.

    An empty `names` selects all containers except native sidecars of other injectors. `own` is the name of the
    container that injection adds. With `starts_first`, that container starts first and the init containers after it
    can have Docker; without it, no init container can.
    """
    existing = pod.containers_by_name.get(own) if own else None
    daemon_position = existing.position if existing and existing.is_init else 0
    first_init_position = daemon_position if starts_first else None
    candidates = [container for container in pod.all_containers if container.name != own]
    if names:
        existing_names = {container.name for container in candidates}
        if unknown := [name for name in names if name not in existing_names]:
            ordered = [container.name for container in candidates]
            return Denial(
                Reason.UNKNOWN_CONTAINER, join_first(unknown, lambda name: _describe_unknown_container(name, ordered))
            )
        requested = frozenset(names)
        selected = [container for container in candidates if container.name in requested]
    else:
        selected = [container for container in candidates if not container.is_native_sidecar]
    clients: list[Container] = []
    early_containers: list[Container] = []
    for container in selected:
        starts_in_time = not container.is_init or (
            first_init_position is not None and container.position >= first_init_position
        )
        (clients if starts_in_time else early_containers).append(container)
    if early_containers and not clients:
        early_names = join_first([container.name for container in early_containers], str, ", ")
        return Denial(
            Reason.INVALID_OPTION,
            f"annotation {PREFIX}containers: {early_names} cannot have Docker: the daemon starts later; "
            "name other containers",
        )
    return Selection(tuple(clients), tuple(early_containers))


def clients_of_volume(pod: Pod, volume: str, own: str | None) -> tuple[str, ...]:
    """Return the names of the containers that mount a volume, except `own`, the container that injection adds."""
    return tuple(
        container.name
        for container in pod.all_containers
        if container.name != own and any(mount.volume == volume for mount in container.mounts)
    )


def _describe_unknown_container(name: str, existing_names: list[str]) -> str:
    suggestion = nearest_word(name, existing_names)
    hint = f' (did you mean "{suggestion}"?)' if suggestion else ""
    names = join_first(existing_names, str, ", ")
    return f"annotation {PREFIX}containers: the pod has no container {quote(name)}{hint}; it has {names}"
