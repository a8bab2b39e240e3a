"""Read-only views over a pod as it came from JSON, with the shape of everything that is read checked once.

The API reference for core/v1 Pod says which members are lists and objects; `null` and absence are
the same there. Members that nothing here reads are not looked at: they pass through untouched.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from app.errors import DindWebhookError
from app.model.jsonpatch import JsonObject, pointer
from app.model.paths import clean_path

ContainerList = Literal["containers", "initContainers"]
_Place: TypeAlias = tuple[str | int, ...]
_Item = TypeVar("_Item")


class MalformedPodError(DindWebhookError):
    """A pod whose JSON types are not those of the API reference; the text names the place."""

    def __init__(self, place: _Place, expected: str, found: Any) -> None:
        super().__init__(f"{_dotted(place)}: must be {expected}, found {_describe(found)}")


class Mount(NamedTuple):
    """One entry of `volumeMounts`; `path` is the clean form of its `mountPath`."""

    volume: str
    path: str
    raw: JsonObject


class Container(NamedTuple):
    """One entry of `containers` or `initContainers`."""

    list_name: ContainerList
    index: int
    name: str
    env: Mapping[str, JsonObject]
    mounts: tuple[Mount, ...]
    raw: JsonObject

    @property
    def pointer(self) -> str:
        return pointer("spec", self.list_name, self.index)

    @property
    def is_init(self) -> bool:
        return self.list_name == "initContainers"

    @property
    def is_native_sidecar(self) -> bool:
        """KEP-753: an init container that is kept running."""
        return self.is_init and self.raw.get("restartPolicy") == "Always"


class Metadata(NamedTuple):
    """The two maps of a pod's metadata; their values are as untyped as they came."""

    annotations: Mapping[str, Any]
    labels: Mapping[str, Any]


class Pod(NamedTuple):
    """The parts of a pod's spec that injection reads, in the order they start: init containers first."""

    raw: JsonObject
    spec: JsonObject
    init_containers: tuple[Container, ...]
    containers: tuple[Container, ...]
    volumes: Mapping[str, JsonObject]
    supplemental_groups: tuple[int, ...]

    def container(self, name: str) -> Container | None:
        """Return the container or init container of that name."""
        for container in (*self.init_containers, *self.containers):
            if container.name == name:
                return container
        return None


def read_metadata(raw: Any) -> Metadata:
    """Return the annotations and labels of a pod; MalformedPodError where they are not maps."""
    if not isinstance(raw, dict):
        raise MalformedPodError((), "an object", raw)
    metadata = _object(raw, "metadata")
    place = ("metadata",)
    return Metadata(_object(metadata, "annotations", place), _object(metadata, "labels", place))


def read_pod(raw: JsonObject) -> Pod:
    """Return the view of a pod; MalformedPodError where its shape is not that of the API reference."""
    spec = _object(raw, "spec")
    containers = _containers(spec, "containers")
    if not containers:
        raise MalformedPodError(("spec", "containers"), "a list of at least one container", spec.get("containers"))
    security = _object(spec, "securityContext", ("spec",))
    return Pod(
        raw,
        spec,
        _containers(spec, "initContainers"),
        containers,
        dict(_each(spec, "volumes", ("spec",), _volume)),
        _numbers(security, "supplementalGroups", ("spec", "securityContext")),
    )


def _containers(spec: JsonObject, key: ContainerList) -> tuple[Container, ...]:
    def read(raw: JsonObject, place: _Place) -> Container:
        env = dict(_each(raw, "env", place, _variable))
        mounts = _each(raw, "volumeMounts", place, _mount)
        return Container(key, int(place[-1]), _string(raw, "name", place), env, mounts, raw)

    return _each(spec, key, ("spec",), read)


def _variable(raw: JsonObject, place: _Place) -> tuple[str, JsonObject]:
    return _string(raw, "name", place), raw


def _mount(raw: JsonObject, place: _Place) -> Mount:
    return Mount(_string(raw, "name", place), clean_path(_string(raw, "mountPath", place)), raw)


def _volume(raw: JsonObject, place: _Place) -> tuple[str, JsonObject]:
    if raw.get("hostPath") is not None:
        _string(_object(raw, "hostPath", place), "path", (*place, "hostPath"))
    return _string(raw, "name", place), raw


def _each(
    parent: JsonObject, key: str, place: _Place, read: Callable[[JsonObject, _Place], _Item]
) -> tuple[_Item, ...]:
    found = []
    for index, item in enumerate(_list(parent, key, place)):
        if not isinstance(item, dict):
            raise MalformedPodError((*place, key, index), "an object", item)
        found.append(read(item, (*place, key, index)))
    return tuple(found)


def _numbers(parent: JsonObject, key: str, place: _Place) -> tuple[int, ...]:
    items = _list(parent, key, place)
    for index, item in enumerate(items):
        if not isinstance(item, int) or isinstance(item, bool):
            raise MalformedPodError((*place, key, index), "a whole number", item)
    return tuple(items)


def _list(parent: JsonObject, key: str, place: _Place) -> list[Any]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedPodError((*place, key), "a list", value)
    return value


def _object(parent: JsonObject, key: str, place: _Place = ()) -> JsonObject:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedPodError((*place, key), "an object", value)
    return value


def _string(parent: JsonObject, key: str, place: _Place) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedPodError((*place, key), "a string that is not empty", value)
    return value


def _dotted(place: _Place) -> str:
    text = "".join(f"[{token}]" if isinstance(token, int) else f".{token}" for token in place)
    return text.removeprefix(".") or "pod"


def _describe(found: Any) -> str:
    if found is None:
        return "nothing"
    if found in ("", [], {}):
        return "an empty one"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names[next(kind for kind in names if isinstance(found, kind))]
