"""A plan of what a rewrite removes from a pod template, and what is in its way."""

from typing import Any, NamedTuple

from dind_webhook.injection import DEFAULT_SOCKET
from dind_webhook.model import Container, JsonObject, as_object, clean_path

# The path at which tools look for the socket without DOCKER_HOST
CLEAN_DEFAULT_SOCKET = clean_path(DEFAULT_SOCKET)


class Removal(NamedTuple):
    """JSON pointers of list items of a pod template to remove.

    `clients` are the names of the containers that need Docker instead; none are named if all may. `annotations` are
    the options that keep the settings of what is removed. `problems` are sentences: if there is one, a person must
    rewrite the template.
    """

    pointers: frozenset[str] = frozenset()
    clients: tuple[str, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()

    def join(self, other: "Removal") -> "Removal":
        """Return the union of two plans: it removes what either removes."""
        clients = dict.fromkeys((*self.clients, *other.clients))
        return Removal(
            self.pointers | other.pointers,
            tuple(clients),
            self.annotations + other.annotations,
            self.problems + other.problems,
        )


def json_of(template: JsonObject, container: Container) -> JsonObject:
    """Return the JSON of a container of a pod template."""
    member = "initContainers" if container.is_init else "containers"
    return as_object(template["spec"][member][container.position])


def as_list(value: Any) -> list[Any]:
    """Return a value that is a list, or an empty list for any other value."""
    return value if isinstance(value, list) else []


def variable_pointers(container: Container, name: str) -> frozenset[str]:
    """Return the JSON pointers of the variables of a container that have this name."""
    return frozenset(
        f"{container.pointer}/env/{index}"
        for index, variable in enumerate(container.raw.env or ())
        if variable.name == name
    )
