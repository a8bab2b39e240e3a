"""Build a CSI driver of the tests' own, and the programs of Kubernetes that call it, from Go modules."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from cluster.build_inputs import BuildInputs
from cluster.go import Go, Program
from cluster.paths import Cache
from cluster.steps import step

_DRIVER = Path(__file__).with_name("files") / "csi_driver.go"
_PROVISIONER = ("github.com/kubernetes-csi/external-provisioner/v6", "v6.4.0")
_SNAPSHOTTER = ("github.com/kubernetes-csi/external-snapshotter/v8", "v8.7.0")
_SNAPSHOT_CLIENT = ("github.com/kubernetes-csi/external-snapshotter/client/v8", "v8.6.0")
# The versions of Kubernetes' modules follow it: those of the cluster, so that Go has compiled most of them already.
_KUBELET = "k8s.io/kubelet"
_PACKAGES = {
    "driver": ".",
    "csi-provisioner": f"{_PROVISIONER[0]}/cmd/csi-provisioner",
    "csi-snapshotter": f"{_SNAPSHOTTER[0]}/cmd/csi-snapshotter",
    "snapshot-controller": f"{_SNAPSHOTTER[0]}/cmd/snapshot-controller",
}


@dataclass(frozen=True)
class CsiPrograms:
    """The folder with the programs, and with the definitions of snapshots."""

    folder: Path

    @classmethod
    def of(cls, cache: Cache) -> "CsiPrograms":
        """Return the folder in the cache, whether the programs are built or not."""
        return cls(cache.bin("csi", _PROVISIONER[1]))

    @property
    def driver(self) -> Path:
        return self.folder / "driver"

    @property
    def provisioner(self) -> Path:
        return self.folder / "csi-provisioner"

    @property
    def snapshotter(self) -> Path:
        return self.folder / "csi-snapshotter"

    @property
    def snapshot_controller(self) -> Path:
        return self.folder / "snapshot-controller"

    @property
    def snapshot_definitions(self) -> list[Path]:
        """Return the files with the CustomResourceDefinitions of snapshots."""
        return sorted(self.folder.glob("snapshot.storage.k8s.io_*.yaml"))


def build(cache: Cache, log: Path, kubernetes: str) -> None:
    """Build the programs that the cache does not have, or all if the driver or a version has changed."""
    built = CsiPrograms.of(cache)
    inputs = BuildInputs.of([_DRIVER, Path(__file__)], kubernetes.encode())
    missing = [name for name in _PACKAGES if not inputs.is_current(built.folder / name)]
    if not missing:
        return
    go, source = Go.of_machine(log), cache.modules("csi", _PROVISIONER[1])
    kubelet = (_KUBELET, f"v0{kubernetes.removeprefix('v1')}")
    go.require_all(source, dict([_PROVISIONER, _SNAPSHOTTER, kubelet]))
    shutil.copy(_DRIVER, source / "main.go")
    definitions = Path(go.download(*_SNAPSHOT_CLIENT, source)["Dir"], "config", "crd")
    for definition in definitions.glob("snapshot.storage.k8s.io_*.yaml"):
        shutil.copyfile(definition, built.folder / definition.name)
    for name in missing:
        with step(f"building {name} of CSI"):
            go.build(source, Program(_PACKAGES[name], cgo=False), built.folder / name)
        inputs.record(built.folder / name)
