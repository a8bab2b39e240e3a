"""Build Kubernetes, and the container runtime of the node, from Go modules."""

import re
import shutil
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
# The first minor version of Kubernetes 1 with the fix of kubernetes#135757
_FIXED_MINOR = 36


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
                go_mod = _go_mod_of_kubernetes(go, version, source)
                if int(minor) < _FIXED_MINOR:
                    _copy_fixed_apiserver(go, version, source)
                    go_mod = re.sub(r"k8s.io/apiserver => .*", "k8s.io/apiserver => ./apiserver", go_mod)
                (source / "go.mod").write_text(go_mod)
        with step(f"building {target.name} {version}"):
            go.build(source, Program(f"k8s.io/kubernetes/cmd/{target.name}", stamp), target)


# Policies of versions below 1.36 write their variables to one map, and the API server ends if it compiles one policy
# while it evaluates another: kubernetes#135757. This function makes a new map for each variable.
_WITH_FIELD = """
func withField(before map[string]*apiservercel.DeclField, name string, field *apiservercel.DeclField) map[string]*apiservercel.DeclField {
	after := map[string]*apiservercel.DeclField{}
	for other, otherField := range before {
		after[other] = otherField
	}
	after[name] = field
	return after
}
"""  # noqa: E501


def _copy_fixed_apiserver(go: Go, version: str, folder: Path) -> None:
    """Copy the module k8s.io/apiserver to the folder `apiserver`, and fix the copy."""
    shutil.rmtree(folder / "apiserver", ignore_errors=True)
    shutil.copytree(go.download("k8s.io/apiserver", _staging(version), folder)["Dir"], folder / "apiserver")
    source = folder / "apiserver/pkg/admission/plugin/cel/composition.go"
    write, new = r"c\.MapType\.Fields\[name\] = (.*)", r"c.MapType.Fields = withField(c.MapType.Fields, name, \1)"
    fixed = re.sub(write, new, source.read_text()) + _WITH_FIELD
    # Modules in Go's cache are read-only.
    source.unlink()
    source.write_text(fixed)


def _staging(version: str) -> str:
    """Return the version of the published staging modules of a version of Kubernetes."""
    return "v0." + version.removeprefix("v1.")


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
    staging = _staging(version)
    upstream = Path(go.download("k8s.io/kubernetes", version, folder)["GoMod"]).read_text()
    replaced = re.findall(r"(k8s\.io/[\w./-]+) => \./staging/src/", upstream)
    directives = re.findall(r"^(?:go|godebug) .*$", upstream, re.MULTILINE)
    wanted = re.findall(r"^\s+(\S+) (v\S+)(?: // indirect)?$", upstream, re.MULTILINE)
    lines = ["module example.invalid/kubernetes", "", *directives, "", "require (", f"\tk8s.io/kubernetes {version}"]
    lines += [f"\t{path} {staging if path in replaced else at} // indirect" for path, at in wanted]
    lines += [")", "", "replace (", *(f"\t{path} => {path} {staging}" for path in replaced), ")", ""]
    return "\n".join(lines)
