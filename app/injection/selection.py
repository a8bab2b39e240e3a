"""Which containers get Docker."""

from dataclasses import dataclass

from app.injection.decision import Denial, Reason
from app.injection.messages import first_few, quote
from app.injection.names import PREFIX
from app.model import Container, Pod, nearest


@dataclass
class Selection:
    """The containers that get Docker, in the order they start, and those that were meant to but cannot."""

    clients: tuple[Container, ...]
    too_early: tuple[Container, ...]


def select(pod: Pod, names: tuple[str, ...], own: frozenset[str], first_init: int | None) -> Selection | Denial:
    """Return the containers that `dind.io/containers` selects, all where `names` is empty.

    `own` are the names of the containers we add. Init containers can have Docker from index
    `first_init` on, none at all where that is None: the daemon does not run before. Native sidecars
    of other injectors are selected by name only.
    """
    candidates = [container for container in (*pod.init_containers, *pod.containers) if container.name not in own]
    if names:
        known = {container.name for container in candidates}
        if missing := [name for name in names if name not in known]:
            ordered = [container.name for container in candidates]
            return Denial(Reason.UNKNOWN_CONTAINER, first_few(missing, lambda name: _missing(name, ordered)))
        wanted = frozenset(names)
        chosen = [container for container in candidates if container.name in wanted]
    else:
        chosen = [container for container in candidates if not container.is_native_sidecar]
    clients: list[Container] = []
    too_early: list[Container] = []
    for container in chosen:
        in_time = not container.is_init or (first_init is not None and container.position >= first_init)
        (clients if in_time else too_early).append(container)
    if too_early and not clients:
        early = first_few([container.name for container in too_early], str, ", ")
        return Denial(
            Reason.INVALID_OPTION,
            f"annotation {PREFIX}containers: {early} can have no Docker, they run before the daemon; "
            "name other containers",
        )
    return Selection(tuple(clients), tuple(too_early))


def _missing(name: str, known: list[str]) -> str:
    guess = nearest(name, known)
    hint = f' (did you mean "{guess}"?)' if guess else ""
    names = first_few(known, str, ", ")
    return f"annotation {PREFIX}containers: the pod has no container {quote(name)}{hint}; it has {names}"
