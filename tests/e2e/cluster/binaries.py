"""Build Kubernetes, and the container runtime of the node, from Go modules."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.go import Go, Program
from cluster.paths import Cache
from cluster.steps import step

CONTAINERD = "v2.4.2"
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
ON_THE_NODE = ("kubelet", "kube-proxy")
RUNTIME = ("containerd", "containerd-shim-runc-v2", "ctr")


@dataclass(frozen=True)
class Binaries:
    """The paths of the programs of a cluster."""

    kubernetes: Path
    containerd: Path

    @property
    def kubectl(self) -> Path:
        return self.kubernetes / "kubectl"

    @classmethod
    def of(cls, cache: Cache, version: str) -> "Binaries":
        """Return the paths in the cache for a version of Kubernetes, whether the programs are built or not."""
        return cls(cache.bin("kubernetes", version), cache.bin("containerd", CONTAINERD))


def build(cache: Cache, version: str, node: bool, log: Path) -> Binaries:
    """Build the control plane of a Kubernetes version, and the node's programs if `node`, unless they are cached."""
    built = Binaries.of(cache, version)
    kubernetes = _missing_programs(built.kubernetes, CONTROL_PLANE + (ON_THE_NODE if node else ()))
    containerd = _missing_programs(built.containerd, RUNTIME if node else ())
    if kubernetes or containerd:
        go = Go.of_machine(log)
        _build_kubernetes(go, version, cache.modules("kubernetes", version), kubernetes)
        _build_containerd(go, cache.modules("containerd", CONTAINERD), containerd)
    return built


def _missing_programs(folder: Path, names: Iterable[str]) -> list[Path]:
    return [folder / name for name in names if not (folder / name).exists()]


def _build_kubernetes(go: Go, version: str, source: Path, targets: Iterable[Path]) -> None:
    major, minor, _ = version.removeprefix("v").split(".")
    variables = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamp = " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in variables.items())
    for target in targets:
        if not (source / "go.mod").exists():
            with step(f"fetching the source of Kubernetes {version}"):
                (source / "go.mod").write_text(_go_mod_of_kubernetes(go, version, source))
        with step(f"building {target.name} {version}"):
            go.build(source, Program(f"k8s.io/kubernetes/cmd/{target.name}", stamp), target)


def _build_containerd(go: Go, source: Path, targets: Iterable[Path]) -> None:
    module = "github.com/containerd/containerd/v2"
    for target in targets:
        go.require(source, module, CONTAINERD)
        with step(f"building {target.name} {CONTAINERD}"):
            go.build(source, Program(f"{module}/cmd/{target.name}", cgo=False), target)


def _go_mod_of_kubernetes(go: Go, version: str, folder: Path) -> str:
    """Return the go.mod for building a version of k8s.io/kubernetes.

    k8s.io/kubernetes replaces its staging modules by folders of its own tree. A module that depends on it has to
    repeat those replacements, with the published versions, v0.MINOR.PATCH.
    """
    staging = "v0." + version.removeprefix("v1.")
    upstream = Path(go.download("k8s.io/kubernetes", version, folder)["GoMod"]).read_text()
    replaced = re.findall(r"(k8s\.io/[\w./-]+) => \./staging/src/", upstream)
    directives = re.findall(r"^(?:go|godebug) .*$", upstream, re.MULTILINE)
    wanted = re.findall(r"^\s+(\S+) (v\S+)(?: // indirect)?$", upstream, re.MULTILINE)
    lines = ["module example.invalid/kubernetes", "", *directives, "", "require (", f"\tk8s.io/kubernetes {version}"]
    lines += [f"\t{path} {staging if path in replaced else at} // indirect" for path, at in wanted]
    lines += [")", "", "replace (", *(f"\t{path} => {path} {staging}" for path in replaced), ")", ""]
    return "\n".join(lines)
