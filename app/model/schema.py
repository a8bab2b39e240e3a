"""msgspec structs for the members of a pod that we use; all others are skipped.

The types are those of the API reference for core/v1 Pod, where `null` and absence are the same. None is `Any`: what a
stranger sends is never expanded into values of no known size.
"""

import re
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from msgspec import DecodeError, Meta, Raw, Struct, ValidationError, convert, field
from msgspec.json import Decoder

from app.errors import DindWebhookError

_Shape = TypeVar("_Shape")
# Kubernetes states no bound; etcd's 1.5 MiB for an object hold no more that have what the API server adds to each.
MAX_CONTAINERS = 1000
# Of RFC 1123 subdomains, the longest names that Kubernetes has
MAX_NAME_LENGTH = 253
ObjectName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
# PATH_MAX of Linux
MAX_PATH_LENGTH = 4096
Path = Annotated[str, Meta(min_length=1, max_length=MAX_PATH_LENGTH)]
OptionalPath = Annotated[str, Meta(max_length=MAX_PATH_LENGTH)] | None
# YAML on the command line may have a number, the API server always has text.
Quantity: TypeAlias = str | int | float
# What msgspec says, and its names for the types of JSON
_MISSING_FIELD = re.compile(r"Object missing required field `(\w+)`")
_UNEXPECTED_TYPE = re.compile(r"Expected `([\w |]+)`( of length >= 1)?(?: of length <= (\d+))?(?:, got `(\w+)`)?")
_ANY_KEY = "[...]"
_PATH_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_ACCEPTED_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "an object",
    "str": "a string",
}
_PYTHON_TYPES = {
    "array": list,
    "bool": bool,
    "float": float,
    "int": int,
    "null": type(None),
    "object": dict,
    "str": str,
}
_FOUND_TYPES = {**_ACCEPTED_TYPES, "bool": "a boolean", "float": "a number", "int": "a number", "null": "nothing"}


class MalformedPodError(DindWebhookError):
    """A pod whose JSON types are not those of the API reference; the text names the place."""


class OwnerShape(Struct, gc=False):
    """One entry of `ownerReferences`."""

    kind: str | None = None
    name: str | None = None


class MetadataShape(Struct, gc=False, rename="camel"):
    """The `metadata` of a pod."""

    annotations: dict[str, str | None] | None = None
    labels: dict[str, str | None] | None = None
    name: str | None = None
    generate_name: str | None = None
    owner_references: list[OwnerShape] | None = None


class VariableShape(Struct, gc=False):
    """One entry of `env`."""

    name: Annotated[str, Meta(min_length=1)]
    value: str | None = None


class MountShape(Struct, gc=False, rename="camel"):
    """One entry of `volumeMounts`."""

    name: ObjectName
    mount_path: Path
    sub_path: OptionalPath = None
    sub_path_expr: OptionalPath = None
    read_only: bool | None = None
    mount_propagation: str | None = None
    recursive_read_only: str | None = None


class ResourcesShape(Struct, gc=False):
    """The `resources` of a container or a pod."""

    requests: dict[str, Quantity] | None = None
    limits: dict[str, Quantity] | None = None


class ContainerSecurityShape(Struct, gc=False):
    """The `securityContext` of a container."""

    privileged: bool | None = None


class ContainerShape(Struct, gc=False, rename="camel"):
    """One entry of `containers` or `initContainers`."""

    name: ObjectName
    env: list[VariableShape] | None = None
    volume_mounts: list[MountShape] | None = None
    resources: ResourcesShape | None = None
    restart_policy: str | None = None
    security_context: ContainerSecurityShape | None = None


class SourceShape(Struct, gc=False):
    """What a volume is made of: the members of a hostPath; those of other kinds are skipped."""

    path: str | None = None
    type: str | None = None


# The name, and one source under the name of its kind
VolumeShape: TypeAlias = dict[str, str | SourceShape | None]


class SecurityShape(Struct, gc=False, rename="camel"):
    """The `securityContext` of a pod."""

    supplemental_groups: list[int] | None = None


class OsShape(Struct, gc=False):
    """The `os` of a pod."""

    name: str | None = None


class SpecShape(Struct, gc=False, rename="camel"):
    """The `spec` of a pod."""

    containers: Annotated[list[ContainerShape], Meta(min_length=1, max_length=MAX_CONTAINERS)]
    init_containers: Annotated[list[ContainerShape], Meta(max_length=MAX_CONTAINERS)] | None = None
    volumes: list[VolumeShape] | None = None
    security_context: SecurityShape | None = None
    host_network: bool | None = None
    host_pid: bool | None = field(name="hostPID", default=None)
    host_ipc: bool | None = field(name="hostIPC", default=None)
    host_users: bool | None = None
    node_selector: dict[str, str] | None = None
    os: OsShape | None = None
    resources: ResourcesShape | None = None
    restart_policy: str | None = None


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


class SchemaReader(Generic[_Shape]):
    """Reads JSON into one shape."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._decode = Decoder(kind).decode

    def __call__(self, json: Any) -> _Shape:
        """Return what is said in JSON, text (`Raw`) or from a parser; MalformedPodError where it does not fit."""
        is_text = json.__class__ is Raw
        try:
            shape: _Shape = self._decode(json) if is_text else convert(json, self._kind)
        except ValidationError as error:
            raise MalformedPodError(describe_validation_error(error, "pod", None if is_text else json)) from None
        except UnicodeError:
            # Its own text quotes what it stumbled over.
            raise MalformedPodError("pod: has text that is not Unicode") from None
        except (DecodeError, RecursionError) as error:
            raise MalformedPodError(f"pod: {error}") from None
        return shape


def describe_validation_error(error: ValidationError, root: str, json: Any = None) -> str:
    """Return what does not fit in some JSON: where it is, what is accepted, what was found.

    `root` is what the whole is called. msgspec names types, and never quotes a value; nor does it name the key of a
    map, which is looked up in `json` where that is at hand.
    """
    text, _, path = str(error).partition(" - at `$")
    where = path.rstrip("`")
    if missing := _MISSING_FIELD.fullmatch(text):
        where, text = f"{where}.{missing[1]}", "is missing"
    elif expected := _UNEXPECTED_TYPE.fullmatch(text):
        accepted, shortest, longest, found = expected.groups()
        text = f"must be {_describe_types(accepted)}"
        if shortest:
            text += " that is not empty"
        if longest:
            text += f" of at most {longest} {'items' if accepted == 'array' else 'characters'}"
        if found:
            text += f", found {_FOUND_TYPES[found]}"
        if where.endswith(_ANY_KEY):
            where = _name_key(where, json, found)
            text += "; put quotes around it" if accepted == "str | null" and found in ("bool", "float", "int") else ""
    return f"{where.removeprefix('.') or root}: {text}"


def _describe_types(types: str) -> str:
    return " or ".join(
        _ACCEPTED_TYPES[kind] for kind in types.replace("int | float", "float").split(" | ") if kind != "null"
    )


def _name_key(where: str, json: Any, found: str | None) -> str:
    """Return a place in a map with the first key in it whose value has that type."""
    place = where.removesuffix(_ANY_KEY)
    for key, index in _PATH_STEP.findall(place) if json else ():
        json = json[int(index)] if index else json[key]
    items = json.items() if isinstance(json, dict) else ()
    wrong = next((key for key, value in items if value.__class__ is _PYTHON_TYPES.get(found or "")), None)
    return place if wrong is None else f"{place}[{wrong}]"
