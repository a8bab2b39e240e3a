"""Read-only views over a pod as it came from JSON, with the shape of everything that is read checked once.

The API reference for core/v1 Pod says which members are lists and objects; `null` and absence are
the same there. Members that nothing here reads are not looked at: they pass through untouched.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeVar

from app.errors import DindWebhookError
from app.model.jsonpatch import JsonObject
from app.model.paths import clean_path

_Place: TypeAlias = tuple[str | int, ...]
_Item = TypeVar("_Item")
_LONGEST_REMEMBERED = 512


class MalformedPodError(DindWebhookError):
    """A pod whose JSON types are not those of the API reference; the text names the place."""

    def __init__(self, place: _Place, expected: str, found: Any) -> None:
        super().__init__(f"{_dotted(place)}: must be {expected}, found {_describe(found)}")
        self._facts = place, expected, found

    def within(self, *outer: str | int) -> "MalformedPodError":
        """Return the same error, seen from further outside."""
        place, expected, found = self._facts
        return MalformedPodError((*outer, *place), expected, found)


class Mount(NamedTuple):
    """One entry of `volumeMounts`; `path` is the clean form of `mount_path`, which is as it was written."""

    volume: str
    mount_path: str
    path: str
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False

    @classmethod
    def at(cls, mount_path: str, volume: str, sub_path: str = "", *, read_only: bool = False) -> "Mount":
        """Return a mount of a volume at a path."""
        return cls(volume, mount_path, clean_path(mount_path), sub_path, "", read_only)

    def to_json(self) -> JsonObject:
        """Return the entry; mountPropagation and subPathExpr are the first container's own and left out."""
        entry: JsonObject = {"name": self.volume, "mountPath": self.mount_path}
        if self.read_only:
            entry["readOnly"] = True
        if self.sub_path:
            entry["subPath"] = self.sub_path
        return entry


@dataclass
class Container:
    """One entry of `containers` or `initContainers`; `pointer` leads to it, `position` is its index there."""

    pointer: str
    position: int
    is_init: bool
    name: str
    env: Mapping[str, JsonObject]
    mounts: tuple[Mount, ...]
    raw: JsonObject

    @property
    def is_native_sidecar(self) -> bool:
        """KEP-753: an init container that is kept running."""
        return self.is_init and self.raw.get("restartPolicy") == "Always"


@dataclass
class Metadata:
    """The two maps of a pod's metadata; their values are as untyped as they came."""

    annotations: Mapping[str, Any]
    labels: Mapping[str, Any]


@dataclass
class Pod:
    """The parts of a pod's spec that injection reads, in the order they start: init containers first."""

    raw: JsonObject
    spec: JsonObject
    init_containers: tuple[Container, ...]
    containers: tuple[Container, ...]
    named: Mapping[str, Container]
    volumes: Mapping[str, JsonObject]
    supplemental_groups: tuple[int, ...]


def read_metadata(raw: Any) -> Metadata:
    """Return the annotations and labels of a pod; MalformedPodError where they are not maps."""
    if not isinstance(raw, dict):
        raise MalformedPodError((), "an object", raw)
    metadata = _object(raw, "metadata")
    try:
        return Metadata(_object(metadata, "annotations"), _object(metadata, "labels"))
    except MalformedPodError as error:
        raise error.within("metadata") from None


def read_pod(raw: JsonObject) -> Pod:
    """Return the view of a pod; MalformedPodError where its shape is not that of the API reference."""
    spec = _object(raw, "spec")
    try:
        init_containers = _each(spec, "initContainers", _container)
        containers = _some_containers(spec)
        return Pod(
            raw,
            spec,
            init_containers,
            containers,
            {container.name: container for container in (*init_containers, *containers)},
            dict(_each(spec, "volumes", _volume)),
            _groups(_object(spec, "securityContext")),
        )
    except MalformedPodError as error:
        raise error.within("spec") from None


def _some_containers(spec: JsonObject) -> tuple[Container, ...]:
    containers = _each(spec, "containers", _container)
    if not containers:
        raise MalformedPodError(("containers",), "a list of at least one container", spec.get("containers"))
    return containers


def _container(raw: JsonObject, key: str, index: int) -> Container:
    is_init = key == "initContainers"
    return Container(f"/spec/{key}/{index}", index, is_init, _string(raw, "name"), _env(raw), _mounts(raw), raw)


def _env(raw: JsonObject) -> Mapping[str, JsonObject]:
    variables = _list(raw, "env")
    if not variables:
        return {}
    try:
        env = {variable["name"]: variable for variable in variables}
        "".join(env)  # TypeError where a name is no string
        well_formed = "" not in env
    except (TypeError, KeyError):
        well_formed = False
    # The slow way finds what is wrong, and where; pods have too many variables to go it for each.
    return env if well_formed else dict(_each(raw, "env", _variable))


def _variable(raw: JsonObject, _key: str, _index: int) -> tuple[str, JsonObject]:
    return _string(raw, "name"), raw


def _mounts(raw: JsonObject) -> tuple[Mount, ...]:
    items = _list(raw, "volumeMounts")
    try:
        return tuple(
            [
                _usual_mount(
                    item["name"],
                    item["mountPath"],
                    item.get("subPath", ""),
                    item.get("subPathExpr", ""),
                    item.get("readOnly", False),
                )
                for item in items
            ]
        )
    except (AttributeError, KeyError, TypeError):
        # As with variables: what is unusual is looked at more closely.
        return _each(raw, "volumeMounts", _mount)


@lru_cache(maxsize=1024, typed=True)
def _usual_mount(volume: Any, mount_path: Any, sub_path: Any, sub_path_expr: Any, read_only: Any) -> Mount:
    """Return a mount; TypeError where its parts are of other types, or too long to be remembered."""
    length = 0
    for part in (volume, mount_path, sub_path, sub_path_expr):
        if part.__class__ is not str:
            raise TypeError
        length += len(part)
    if read_only.__class__ is not bool or not volume or not mount_path or length > _LONGEST_REMEMBERED:
        raise TypeError
    return Mount(volume, mount_path, clean_path(mount_path), sub_path, sub_path_expr, read_only)


def _mount(raw: JsonObject, _key: str, _index: int) -> Mount:
    mount_path = _string(raw, "mountPath")
    sub_path = _text(raw, "subPath") if "subPath" in raw else ""
    sub_path_expr = _text(raw, "subPathExpr") if "subPathExpr" in raw else ""
    read_only = raw.get("readOnly", False)
    if read_only.__class__ is not bool and read_only is not None:
        raise MalformedPodError(("readOnly",), "true or false", read_only)
    return Mount(_string(raw, "name"), mount_path, clean_path(mount_path), sub_path, sub_path_expr, bool(read_only))


def _volume(raw: JsonObject, _key: str, _index: int) -> tuple[str, JsonObject]:
    host_path = _object(raw, "hostPath")
    if raw.get("hostPath") is not None:
        try:
            _string(host_path, "path")
        except MalformedPodError as error:
            raise error.within("hostPath") from None
    return _string(raw, "name"), raw


def _groups(security: JsonObject) -> tuple[int, ...]:
    try:
        groups = _list(security, "supplementalGroups")
    except MalformedPodError as error:
        raise error.within("securityContext") from None
    for index, group in enumerate(groups):
        if not isinstance(group, int) or isinstance(group, bool):
            raise MalformedPodError(("securityContext", "supplementalGroups", index), "a whole number", group)
    return tuple(groups)


def _each(parent: JsonObject, key: str, read: Callable[[JsonObject, str, int], _Item]) -> tuple[_Item, ...]:
    found = []
    for index, item in enumerate(_list(parent, key) if key in parent else ()):
        if not isinstance(item, dict):
            raise MalformedPodError((key, index), "an object", item)
        try:
            found.append(read(item, key, index))
        except MalformedPodError as error:
            # Only now: the place of each element, known beforehand, would cost more than reading it.
            raise error.within(key, index) from None
    return tuple(found)


def _list(parent: JsonObject, key: str) -> list[Any]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedPodError((key,), "a list", value)
    return value


def _object(parent: JsonObject, key: str) -> JsonObject:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedPodError((key,), "an object", value)
    return value


def _string(parent: JsonObject, key: str) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedPodError((key,), "a string that is not empty", value)
    return value


def _text(parent: JsonObject, key: str) -> str:
    value = parent.get(key)
    if value is not None and not isinstance(value, str):
        raise MalformedPodError((key,), "a string", value)
    return value or ""


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
