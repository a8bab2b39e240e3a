"""Storage whose CSI driver makes copies: a driver of the tests, and Kubernetes' own programs, which call any driver."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from secrets import token_hex

from cluster import local_node
from cluster.cluster import Cluster
from cluster.csi import CsiPrograms
from kube import Kube, Manifest, RefusedError, read, until
from kubernetes.dynamic.exceptions import ResourceNotFoundError
from outside_service import outside_process

SNAPSHOTS = "snapshot.storage.k8s.io/v1"
_PLUGINS = "/var/lib/kubelet/plugins"
# The driver answers when it has copied all files.
_TIMEOUT = "--timeout=120s"
# Copies share blocks on XFS, as with drivers that copy on write.
_MOUNT_XFS = """\
truncate --size=20G "$1"
mkfs.xfs -q "$1"
mkdir "$2"
mount -o loop "$1" "$2"
"""
_NO_GROUPS = "--feature-gates=CSIVolumeGroupSnapshot=false"


@dataclass(frozen=True)
class CopyingStorage:
    """A running driver. It has one StorageClass and, with snapshots, one VolumeSnapshotClass, which have its name.

    `directory` has its volumes and snapshots, each in a directory.
    """

    kube: Kube
    name: str
    directory: Path

    def volume(self, namespace: str, claim: str) -> Path:
        """Return the directory of the volume of a claim."""
        volume: str = self.kube.get("PersistentVolumeClaim", claim, namespace)["spec"]["volumeName"]
        return self.directory / volume

    def volumes(self) -> list[str]:
        """Return the names of the driver's PersistentVolumes."""
        found = self.kube.core.list_persistent_volume().items
        return [volume.metadata.name for volume in found if volume.spec.csi and volume.spec.csi.driver == self.name]


@contextmanager
def copying_storage(
    node: Cluster, kube: Kube, *, with_snapshots: bool = False, on_xfs: bool = False
) -> Iterator[CopyingStorage]:
    """Start a driver for the second node. At the end, wait until its volumes are gone, and stop it.

    The volumes are on the file system of this machine. If `on_xfs`, they are on one that this machine mounts, and then
    `directory` is empty for processes that are not on the node. Only one user at a time may have snapshots, because a
    cluster has one snapshot controller.
    """
    name, programs = f"e2e-{token_hex(4)}", CsiPrograms.of(node.cache)
    root = node.local_node.folder
    storage = CopyingStorage(kube, name, root / "var/lib" / name)
    sidecar = [f"--csi-address={_PLUGINS}/{name}/csi.sock", f"--kubeconfig={node.kubeconfig}", _TIMEOUT]
    with ExitStack() as stack:
        if on_xfs:
            file = node.state.root / f"{name}.xfs"
            node.sandbox.run("making a file system", "sh", "-euc", _MOUNT_XFS, "sh", file, f"/var/lib/{name}")
        driver = [programs.driver, name, f"/var/lib/{name}", local_node.NAME]
        stack.enter_context(outside_process(node, f"{name}-driver", driver))
        # kubelet forgets a driver whose socket is gone.
        stack.callback((root / f"var/lib/kubelet/plugins_registry/{name}-reg.sock").unlink, missing_ok=True)
        until("kubelet to know the driver", lambda: name in _drivers(kube))
        for manifest in _classes(name):
            kube.make(manifest)
            stack.callback(kube.delete, manifest["kind"], name, version=manifest["apiVersion"])
        if with_snapshots:
            _make_snapshot_kinds(kube, name, programs)
            stack.callback(kube.delete, "VolumeSnapshotClass", name, version=SNAPSHOTS)
            controller = [programs.snapshot_controller, f"--kubeconfig={node.kubeconfig}", _NO_GROUPS]
            stack.enter_context(outside_process(node, f"{name}-snapshot-controller", controller))
            snapshotter = [programs.snapshotter, *sidecar, _NO_GROUPS]
            stack.enter_context(outside_process(node, f"{name}-snapshotter", snapshotter))
        stack.enter_context(outside_process(node, f"{name}-provisioner", [programs.provisioner, *sidecar]))
        yield storage
        until("the volumes to go", lambda: not storage.volumes(), lambda: f"{storage.volumes()}")


def _drivers(kube: Kube) -> list[str]:
    """Return the names of the CSI drivers that kubelet of the second node knows."""
    found = kube.get("CSINode", local_node.NAME, version="storage.k8s.io/v1")
    return [driver["name"] for driver in found["spec"].get("drivers") or []]


def _classes(name: str) -> list[Manifest]:
    driver = {"attachRequired": False, "fsGroupPolicy": "File"}
    kinds = {"CSIDriver": {"spec": driver}, "StorageClass": {"provisioner": name}}
    return [
        {"apiVersion": "storage.k8s.io/v1", "kind": kind, "metadata": {"name": name}, **content}
        for kind, content in kinds.items()
    ]


def _make_snapshot_kinds(kube: Kube, name: str, programs: CsiPrograms) -> None:
    """Make the kinds of snapshots, which stay, and the class of the driver."""
    for path in programs.snapshot_definitions:
        for definition in read(path):
            _is_refused(kube, definition, HTTPStatus.CONFLICT)
    manifest = {
        "apiVersion": SNAPSHOTS,
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": name},
        "driver": name,
        "deletionPolicy": "Delete",
    }

    def is_made() -> bool:
        # The API server serves a kind a moment after it was made.
        with suppress(ResourceNotFoundError):
            return not _is_refused(kube, manifest, HTTPStatus.NOT_FOUND)
        return False

    until("the kinds of snapshots", is_made)


def _is_refused(kube: Kube, manifest: Manifest, expected: HTTPStatus) -> bool:
    """Make an object, and return whether the API server has refused it with this status."""
    try:
        kube.make(manifest)
    except RefusedError as error:
        if error.status != expected:
            raise
        return True
    return False
