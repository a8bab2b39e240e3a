"""The shape of what is read of a pod: msgspec makes values of it, and passes over all else.

The API reference for core/v1 Pod says which members are lists and objects; `null` and absence are the same there. A
member that only some pods need is `Any`: its shape is asked where it is used.
"""

import re
from typing import Annotated, Any, Generic, TypeVar

from msgspec import DecodeError, Meta, Raw, Struct, ValidationError, convert
from msgspec.json import Decoder

from app.errors import DindWebhookError
from app.model.jsonpatch import JsonObject

_Shape = TypeVar("_Shape")
Name = Annotated[str, Meta(min_length=1)]
# What msgspec says, and its names for the types of JSON
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_EXPECTED = re.compile(r"Expected `(\w+)(?: \| null)?`( of length >= 1)?(?:, got `(\w+)`)?")
_ACCEPTED = {
    "array": "a list",
    "bool": "true or false",
    "int": "a whole number",
    "object": "an object",
    "str": "a string",
}
_FOUND = {**_ACCEPTED, "bool": "a boolean", "float": "a number", "int": "a number", "null": "nothing"}


class MalformedPodError(DindWebhookError):
    """A pod whose JSON types are not those of the API reference; the text names the place."""


class MetadataShape(Struct, gc=False, rename="camel"):
    """The `metadata` of a pod. The values of its two maps are as untyped as they came."""

    annotations: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None
    name: Any = None
    generate_name: Any = None
    owner_references: Any = None


class VariableShape(Struct, gc=False):
    """One entry of `env`."""

    name: Name
    value: Any = None


class MountShape(Struct, gc=False, rename="camel"):
    """One entry of `volumeMounts`."""

    name: Name
    mount_path: Name
    sub_path: str | None = None
    sub_path_expr: str | None = None
    read_only: bool | None = None


class ContainerShape(Struct, gc=False, rename="camel"):
    """One entry of `containers` or `initContainers`."""

    name: Name
    env: list[VariableShape] | None = None
    volume_mounts: list[MountShape] | None = None
    resources: Any = None
    restart_policy: Any = None
    security_context: Any = None


class HostPathShape(Struct, gc=False):
    """The `hostPath` of a volume."""

    path: Name


class VolumeShape(Struct, gc=False, rename="camel"):
    """One entry of `volumes`."""

    name: Name
    host_path: HostPathShape | None = None


class Volumes(Struct, gc=False):
    """The volumes of a pod, as their names and paths are checked."""

    volumes: list[VolumeShape]


class SecurityShape(Struct, gc=False, rename="camel"):
    """The `securityContext` of a pod."""

    supplemental_groups: list[int] | None = None


class SpecShape(Struct, gc=False, rename="camel"):
    """The `spec` of a pod. A volume is kept whole, for it is compared with ours."""

    containers: Annotated[list[ContainerShape], Meta(min_length=1)]
    init_containers: list[ContainerShape] | None = None
    volumes: list[JsonObject] | None = None
    security_context: SecurityShape | None = None
    host_network: Any = None
    host_users: Any = None
    node_selector: Any = None
    os: Any = None
    resources: Any = None
    restart_policy: Any = None


class PodMetadata(Struct, gc=False):
    """A pod whose spec is not looked at."""

    metadata: MetadataShape | None = None


class PodSpec(Struct, gc=False):
    """A pod whose metadata are not looked at."""

    spec: SpecShape


class PodShape(Struct, gc=False):
    """A pod, read at once: twice as fast as one after the other, where nothing is wrong with it."""

    spec: SpecShape
    metadata: MetadataShape | None = None


class Reader(Generic[_Shape]):
    """Reads JSON into one shape; `place` is where in a pod it comes from, empty for all of it."""

    def __init__(self, kind: Any, place: str = "") -> None:
        self._kind = kind
        self._place = place
        self._decode = Decoder(kind).decode

    def __call__(self, json: Any) -> _Shape:
        """Return what is said in JSON, text (`Raw`) or from a parser; MalformedPodError where it does not fit."""
        try:
            shape: _Shape = self._decode(json) if json.__class__ is Raw else convert(json, self._kind)
        except ValidationError as error:
            raise MalformedPodError(misfit(error, self._place, "pod")) from None
        except UnicodeError:
            # Its own text quotes what it stumbled over.
            raise MalformedPodError("pod: has text that is not Unicode") from None
        except (DecodeError, RecursionError) as error:
            raise MalformedPodError(f"pod: {error}") from None
        return shape


def misfit(error: ValidationError, place: str, root: str) -> str:
    """Return what does not fit in JSON that was read from `place` on: where it is, what is accepted, what was found.

    `root` is what the whole is called. What msgspec says of it names types, and never quotes a value.
    """
    text, _, path = str(error).partition(" - at `$")
    where = place + path.rstrip("`")
    if missing := _MISSING.fullmatch(text):
        where, text = f"{where}.{missing[1]}", "is missing"
    elif expected := _EXPECTED.fullmatch(text):
        accepted, not_empty, found = expected.groups()
        text = f"must be {_ACCEPTED[accepted]}"
        if not_empty:
            text += " that is not empty"
        if found:
            text += f", found {_FOUND[found]}"
    return f"{where.removeprefix('.') or root}: {text}"
