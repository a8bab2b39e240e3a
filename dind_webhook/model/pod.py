"""Read-only views of a pod. The type of each member that is read is checked once.

Members that nothing reads are not checked.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from msgspec import to_builtins

from dind_webhook.model.dns_names import MAX_NAME_LENGTH
from dind_webhook.model.jsonpatch import JsonObject
from dind_webhook.model.paths import clean_path
from dind_webhook.model.schema import (
    MAX_PATH_LENGTH,
    ContainerShape,
    MalformedPodError,
    MetadataShape,
    MountShape,
    PodMetadata,
    PodShape,
    PodSpec,
    SchemaReader,
    SourceShape,
    SpecShape,
    VariableShape,
    VolumeShape,
)

_read_metadata: SchemaReader[PodMetadata] = SchemaReader(PodMetadata)
_read_spec: SchemaReader[PodSpec] = SchemaReader(PodSpec)

# kubelet mounts volumes of these kinds read-only, whatever `readOnly` says.
READ_ONLY_SOURCES = frozenset({"configMap", "secret", "projected", "downwardAPI", "image"})


class Mount(NamedTuple):
    """One entry of `volumeMounts`. `mount_path` is as the author wrote it, `path` is its clean form.

    `propagation` and `recursive_read_only` are empty if they have the default value.
    """

    volume: str
    mount_path: str
    path: str
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False
    propagation: str = ""
    recursive_read_only: str = ""

    @classmethod
    def at(cls, mount_path: str, volume: str, sub_path: str = "", *, read_only: bool = False) -> "Mount":
        """Return a mount of a volume at a path."""
        return cls(volume, mount_path, clean_path(mount_path), sub_path, "", read_only)

    def is_same_as(self, other: "Mount") -> bool:
        """Return whether both mount the same volume at the same place, however the author wrote the place."""
        return self.volume == other.volume and self[2:] == other[2:]

    def without_propagation(self) -> "Mount":
        """Return the mount without mountPropagation and recursiveReadOnly, as another container needs it."""
        if not self.propagation and not self.recursive_read_only:
            return self
        return self._replace(propagation="", recursive_read_only="")

    def to_json(self) -> JsonObject:
        """Return the entry of `volumeMounts`, without mountPropagation, recursiveReadOnly and subPathExpr.

        These three belong to the container that set them.
        """
        entry: JsonObject = {"name": self.volume, "mountPath": self.mount_path}
        if self.read_only:
            entry["readOnly"] = True
        if self.sub_path:
            entry["subPath"] = self.sub_path
        return entry


class Volume(NamedTuple):
    """One entry of `volumes`: its kind, such as `emptyDir`. A `hostPath` also has its path and type."""

    name: str
    kind: str
    path: str = ""
    type: str = ""


class Container:
    """One entry of `containers` or `initContainers`.

    `pointer` is its JSON pointer in the pod, `position` its index in the list.
    """

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(  # noqa: PLR0913  # one parameter for each member
        self,
        pointer: str,
        position: int,
        *,
        is_init: bool,
        name: str,
        env: Mapping[str, VariableShape],
        mounts: tuple[Mount, ...],
        raw: ContainerShape,
    ) -> None:
        self.pointer = pointer
        self.position = position
        self.is_init = is_init
        self.name = name
        self.env = env
        self.mounts = mounts
        self.raw = raw

    @property
    def is_native_sidecar(self) -> bool:
        """True for an init container that keeps running (KEP-753)."""
        return self.is_init and self.raw.restart_policy == "Always"

    @property
    def is_privileged(self) -> bool:
        """True if the container's own securityContext says so; the pod's has no such member."""
        security = self.raw.security_context
        return security is not None and security.privileged is True

    def with_mounts(self, mounts: tuple[Mount, ...]) -> "Container":
        """Return the container with other mounts."""
        return Container(
            self.pointer,
            self.position,
            is_init=self.is_init,
            name=self.name,
            env=self.env,
            mounts=mounts,
            raw=self.raw,
        )

    def security_context(self) -> JsonObject:
        """Return the members of the container's securityContext that are read, as JSON."""
        raw = self.raw.security_context
        return {} if raw is None else cast(JsonObject, to_builtins(raw))


class Metadata:
    """The annotations and labels of a pod, empty if the pod has none. A value may be null."""

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(
        self, annotations: Mapping[str, str | None], labels: Mapping[str, str | None], raw: MetadataShape | None
    ) -> None:
        self.annotations = annotations
        self.labels = labels
        self.raw = raw


class Pod:
    """The members of a pod's spec that injection reads."""

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(  # noqa: PLR0913, PLR0917  # one parameter for each member
        self,
        spec: SpecShape,
        init_containers: tuple[Container, ...],
        containers: tuple[Container, ...],
        containers_by_name: Mapping[str, Container],
        volumes: Mapping[str, Volume],
        supplemental_groups: tuple[int, ...],
    ) -> None:
        self.spec = spec
        self.init_containers = init_containers
        self.containers = containers
        self.containers_by_name = containers_by_name
        self.volumes = volumes
        self.supplemental_groups = supplemental_groups

    @property
    def all_containers(self) -> tuple[Container, ...]:
        """The init containers and the containers, in the order in which they start."""
        return (*self.init_containers, *self.containers)

    def states_non_root(self, container: Container) -> bool:
        """Return whether the securityContext of a container, or else that of the pod, says that it is not root.

        If neither states a user, the image does, which is not known here.
        """
        own, shared = container.raw.security_context, self.spec.security_context
        user = own.run_as_user if own else None
        if user is None and shared:
            user = shared.run_as_user
        if user is not None:
            return user != 0
        non_root = own.run_as_non_root if own else None
        if non_root is None and shared:
            non_root = shared.run_as_non_root
        return non_root is True

    def is_read_only(self, mount: Mount) -> bool:
        """Return whether a container cannot write to a mount."""
        volume = self.volumes.get(mount.volume)
        return mount.read_only or (volume is not None and volume.kind in READ_ONLY_SOURCES)

    def with_mounts(
        self, mounts_of: Callable[[Container], tuple[Mount, ...]], volumes: Mapping[str, Volume] | None = None
    ) -> "Pod":
        """Return the pod with the mounts that a function returns for each container, and other volumes if given."""
        init_containers, containers = (
            tuple(each.with_mounts(mounts_of(each)) for each in group)
            for group in (self.init_containers, self.containers)
        )
        by_name = {each.name: each for each in (*init_containers, *containers)}
        kept_volumes = self.volumes if volumes is None else volumes
        return Pod(self.spec, init_containers, containers, by_name, kept_volumes, self.supplemental_groups)


def read_metadata(json: Any) -> Metadata:
    """Return the annotations and labels of a pod. Raise MalformedPodError if they are not maps of strings.

    `json` is a pod that was read already (`PodShape`), JSON text (`msgspec.Raw`), or the output of a JSON parser.
    """
    raw = (json if isinstance(json, PodShape) else _read_metadata(json)).metadata
    if raw is None:
        return Metadata({}, {}, None)
    return Metadata(raw.annotations or {}, raw.labels or {}, raw)


def read_pod(json: Any, claim_names: tuple[str, ...] = ()) -> Pod:
    """Return the view of a pod. Raise MalformedPodError if a member has another type than in the API reference.

    `json` is as in `read_metadata`. `claim_names` are the volumes that the pod gets from the claim templates of its
    StatefulSet, whose controller replaces volumes of the same name.
    """
    spec = (json if isinstance(json, PodShape) else _read_spec(json)).spec
    init_containers = _read_containers("initContainers", spec.init_containers or [])
    containers = _read_containers("containers", spec.containers)
    volumes = [_read_volume(index, raw) for index, raw in enumerate(spec.volumes or ())]
    volumes_by_name = {volume.name: volume for volume in volumes}
    if len(volumes_by_name) < len(volumes):
        ((repeated, _),) = Counter(volume.name for volume in volumes).most_common(1)
        raise MalformedPodError(f"spec.volumes: more than one volume has the name {repeated}")
    volumes_by_name |= {name: Volume(name, "persistentVolumeClaim") for name in claim_names}
    security = spec.security_context
    return Pod(
        spec,
        init_containers,
        containers,
        {container.name: container for container in (*init_containers, *containers)},
        volumes_by_name,
        tuple((security.supplemental_groups if security else None) or ()),
    )


def _read_containers(key: str, raw: list[ContainerShape]) -> tuple[Container, ...]:
    is_init = key == "initContainers"
    return tuple(
        [_read_container(f"/spec/{key}/{index}", index, shape, is_init=is_init) for index, shape in enumerate(raw)]
    )


def _read_container(pointer: str, index: int, raw: ContainerShape, *, is_init: bool) -> Container:
    variables = raw.env
    env = {variable.name: variable for variable in variables} if variables else {}
    mounts = raw.volume_mounts
    return Container(
        pointer,
        index,
        is_init=is_init,
        name=raw.name,
        env=env,
        mounts=tuple([_read_mount(mount) for mount in mounts]) if mounts else (),
        raw=raw,
    )


def _read_volume(index: int, raw: VolumeShape) -> Volume:
    name = raw.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise MalformedPodError(_describe_bad_name(index, name))
    for kind, source in raw.items():
        if source.__class__ is SourceShape:
            # Faster than Volume(...), see _read_mount.
            other = (name, kind, "", "")
            return _read_host_path(index, name, source) if kind == "hostPath" else tuple.__new__(Volume, other)
        if source is not None and kind != "name":
            raise MalformedPodError(f"spec.volumes[{index}].{kind}: must be an object, found a string")
    # The API server's default for a volume without a source
    return Volume(name, "emptyDir")


def _describe_bad_name(index: int, name: object) -> str:
    place = f"spec.volumes[{index}].name"
    return f"{place}: is missing" if name is None else f"{place}: must be a string of 1 to {MAX_NAME_LENGTH} characters"


def _read_host_path(index: int, name: str, source: Any) -> Volume:
    place = f"spec.volumes[{index}].hostPath.path"
    if source.path is None:
        raise MalformedPodError(f"{place}: is missing")
    if not 0 < len(source.path) <= MAX_PATH_LENGTH:
        raise MalformedPodError(f"{place}: must be a string of 1 to {MAX_PATH_LENGTH} characters")
    return Volume(name, "hostPath", source.path, source.type or "")


def _read_mount(raw: MountShape) -> Mount:
    path, propagation, recursive_read_only = raw.mount_path, raw.mount_propagation, raw.recursive_read_only
    values = (
        raw.name,
        path,
        clean_path(path),
        raw.sub_path or "",
        raw.sub_path_expr or "",
        bool(raw.read_only),
        "" if propagation is None or propagation == "None" else propagation,
        "" if recursive_read_only is None or recursive_read_only == "Disabled" else recursive_read_only,
    )
    # Mount(*values) takes three times as long: the constructor of a named tuple is Python code.
    return tuple.__new__(Mount, values)
