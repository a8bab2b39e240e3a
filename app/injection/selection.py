"""Which containers get Docker."""

from dataclasses import dataclass

from app.injection.constants import PREFIX
from app.injection.decision import Denial, Reason
from app.injection.messages import first_few, quote
from app.model import Container, Pod, nearest_word


@dataclass
class Selection:
    """The containers that get Docker, in the order they start, and those that were meant to but cannot."""

    clients: tuple[Container, ...]
    too_early: tuple[Container, ...]


def select(pod: Pod, names: tuple[str, ...], own: str | None, *, before_init_containers: bool) -> Selection | Denial:
    """Return the containers that `dind.io/containers` selects, all where `names` is empty.

    `own` is the name of the container we add. With `before_init_containers`, the init containers that start after it
    can have Docker, else none can. Native sidecars of other injectors are selected by name only.
    """
    existing = pod.containers_by_name.get(own) if own else None
    start = existing.position if existing and existing.is_init else 0
    first_init = start if before_init_containers else None
    candidates = [container for container in (*pod.init_containers, *pod.containers) if container.name != own]
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
    guess = nearest_word(name, known)
    hint = f' (did you mean "{guess}"?)' if guess else ""
    names = first_few(known, str, ", ")
    return f"annotation {PREFIX}containers: the pod has no container {quote(name)}{hint}; it has {names}"
