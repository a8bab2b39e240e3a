"""msgspec structs for the members of a pod that we use; msgspec skips all others.

The types are those of the API reference for core/v1 Pod, where `null` and absence are the same. No type is `Any`:
untrusted JSON must not expand into values of unbounded size.
"""

import re
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from msgspec import DecodeError, Meta, Raw, Struct, ValidationError, convert, field
from msgspec.json import Decoder

from dind_webhook.errors import DindWebhookError
from dind_webhook.model.dns_names import MAX_NAME_LENGTH

_Shape = TypeVar("_Shape")
# Kubernetes states no bound. etcd's limit of 1.5 MiB holds no more containers with the API server's defaults.
MAX_CONTAINERS = 1000
ObjectName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
# PATH_MAX of Linux
MAX_PATH_LENGTH = 4096
NonEmptyPath = Annotated[str, Meta(min_length=1, max_length=MAX_PATH_LENGTH)]
OptionalPath = Annotated[str, Meta(max_length=MAX_PATH_LENGTH)] | None
# A manifest on the command line may have a number; the API server always sends text.
Quantity: TypeAlias = str | int | float
# Patterns of the messages of msgspec, and its names for the types of JSON
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
    """A member of a pod has another JSON type than in the API reference. The text names the place."""


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


class ReferenceShape(Struct, gc=False):
    """The `valueFrom` of a variable, of which only the presence is read."""


class VariableShape(Struct, gc=False, rename="camel"):
    """One entry of `env`."""

    name: Annotated[str, Meta(min_length=1)]
    value: str | None = None
    value_from: ReferenceShape | None = None


class MountShape(Struct, gc=False, rename="camel"):
    """One entry of `volumeMounts`."""

    name: ObjectName
    mount_path: NonEmptyPath
    sub_path: OptionalPath = None
    sub_path_expr: OptionalPath = None
    read_only: bool | None = None
    mount_propagation: str | None = None
    recursive_read_only: str | None = None


class ResourcesShape(Struct, gc=False):
    """The `resources` of a container or a pod."""

    requests: dict[str, Quantity] | None = None
    limits: dict[str, Quantity] | None = None


class CapabilitiesShape(Struct, gc=False, omit_defaults=True):
    """The `capabilities` of a container."""

    add: list[str] | None = None
    drop: list[str] | None = None


class ProfileShape(Struct, gc=False):
    """The `seccompProfile` of a container."""

    type: str | None = None


class ContainerSecurityShape(Struct, gc=False, rename="camel", omit_defaults=True):
    """The `securityContext` of a container."""

    privileged: bool | None = None
    allow_privilege_escalation: bool | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    capabilities: CapabilitiesShape | None = None
    proc_mount: str | None = None
    seccomp_profile: ProfileShape | None = None
    app_armor_profile: ProfileShape | None = None


class DeviceShape(Struct, gc=False, rename="camel"):
    """One entry of `volumeDevices`."""

    name: str


class ContainerShape(Struct, gc=False, rename="camel"):
    """One entry of `containers` or `initContainers`."""

    name: ObjectName
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    env: list[VariableShape] | None = None
    volume_mounts: list[MountShape] | None = None
    volume_devices: list[DeviceShape] | None = None
    resources: ResourcesShape | None = None
    restart_policy: str | None = None
    security_context: ContainerSecurityShape | None = None


class SourceShape(Struct, gc=False):
    """The source of a volume. Both members belong to a hostPath; members of other kinds are skipped."""

    path: str | None = None
    type: str | None = None


# `name`, and one source under the name of its kind
VolumeShape: TypeAlias = dict[str, str | SourceShape | None]


class SecurityShape(Struct, gc=False, rename="camel"):
    """The `securityContext` of a pod."""

    supplemental_groups: list[int] | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None


class TolerationShape(Struct, gc=False, rename="camel"):
    """One entry of `tolerations`."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class ObjectReferenceShape(Struct, gc=False):
    """One entry of `imagePullSecrets`."""

    name: str | None = None


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
    image_pull_secrets: list[ObjectReferenceShape] | None = None
    node_selector: dict[str, str] | None = None
    os: OsShape | None = None
    resources: ResourcesShape | None = None
    restart_policy: str | None = None
    runtime_class_name: str | None = None
    tolerations: list[TolerationShape] | None = None


class PodMetadata(Struct, gc=False):
    """A pod whose spec is skipped."""

    metadata: MetadataShape | None = None


class PodSpec(Struct, gc=False):
    """A pod whose metadata is skipped."""

    spec: SpecShape


class PodShape(Struct, gc=False):
    """A pod, read in one pass, which takes half the time of two.

    If one part is malformed, none is read: `PodMetadata` and `PodSpec` tell which.
    """

    spec: SpecShape
    metadata: MetadataShape | None = None


class SchemaReader(Generic[_Shape]):
    """Reads JSON into one struct type."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._decode = Decoder(kind).decode

    def __call__(self, json: Any) -> _Shape:
        """Return the struct for JSON text (`Raw`) or for the output of a JSON parser.

        Raise MalformedPodError if the JSON does not have the types of the struct.
        """
        is_text = json.__class__ is Raw
        try:
            shape: _Shape = self._decode(json) if is_text else convert(json, self._kind)
        except ValidationError as error:
            raise MalformedPodError(describe_validation_error(error, "pod", None if is_text else json)) from None
        except UnicodeError:
            # The text of a UnicodeError quotes the input.
            raise MalformedPodError("pod: has text that is not Unicode") from None
        except (DecodeError, RecursionError) as error:
            raise MalformedPodError(f"pod: {error}") from None
        return shape


def describe_validation_error(error: ValidationError, root: str, json: Any = None) -> str:
    """Return a sentence about JSON with a wrong type: the place, the accepted types and the type found.

    `root` is the name of the whole document. msgspec never quotes a value and does not name the key of a map; the key
    is looked up in `json`, if given.
    """
    text, _, path = str(error).partition(" - at `$")
    location = path.rstrip("`")
    if missing := _MISSING_FIELD.fullmatch(text):
        location, text = f"{location}.{missing[1]}", "is missing"
    elif expected := _UNEXPECTED_TYPE.fullmatch(text):
        accepted, shortest, longest, found = expected.groups()
        text = f"must be {_describe_types(accepted)}"
        if shortest:
            text += " that is not empty"
        if longest:
            text += f" of at most {longest} {'items' if accepted == 'array' else 'characters'}"
        if found:
            text += f", found {_FOUND_TYPES[found]}"
        if location.endswith(_ANY_KEY):
            location = _name_key(location, json, found)
            text += "; put quotes around it" if accepted == "str | null" and found in ("bool", "float", "int") else ""
    return f"{location.removeprefix('.') or root}: {text}"


def _describe_types(types: str) -> str:
    return " or ".join(
        _ACCEPTED_TYPES[kind] for kind in types.replace("int | float", "float").split(" | ") if kind != "null"
    )


def _name_key(location: str, json: Any, found: str | None) -> str:
    """Return the path of a map with its first key whose value has the type `found`."""
    place = location.removesuffix(_ANY_KEY)
    for key, index in _PATH_STEP.findall(place) if json else ():
        json = json[int(index)] if index else json[key]
    items = json.items() if isinstance(json, dict) else ()
    wrong_key = next((key for key, value in items if value.__class__ is _PYTHON_TYPES.get(found or "")), None)
    return place if wrong_key is None else f"{place}[{wrong_key}]"
