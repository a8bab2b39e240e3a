"""Build Kubernetes and containerd from Go modules, whose checksums Go verifies."""

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import Command, output_of, run
from cluster.paths import ROOT, Cache
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

    @property
    def ctr(self) -> Path:
        return self.containerd / "ctr"


def build(cache: Cache, version: str, node: bool, log: Path) -> Binaries:
    """Build the control plane of a Kubernetes version, and the node's programs if `node`, unless they are cached."""
    built = Binaries(cache.bin("kubernetes", version), cache.bin("containerd", CONTAINERD))
    kubernetes = _missing_programs(built.kubernetes, CONTROL_PLANE + (ON_THE_NODE if node else ()))
    containerd = _missing_programs(built.containerd, RUNTIME if node else ())
    if kubernetes or containerd:
        go = _Go.of_machine(log)
        _build_kubernetes(go, version, cache.modules("kubernetes", version), kubernetes)
        _build_containerd(go, cache.modules("containerd", CONTAINERD), containerd)
    return built


def _missing_programs(folder: Path, names: Iterable[str]) -> list[Path]:
    return [folder / name for name in names if not (folder / name).exists()]


@dataclass(frozen=True)
class _Go:
    """A Go toolchain of the required version."""

    program: Path
    log: Path

    @classmethod
    def of_machine(cls, log: Path) -> "_Go":
        """Return the Go toolchain of the chart's tests. Install it if it is missing."""
        install = ROOT / "tests/chart/install-go.sh"
        return cls(Path(output_of("finding Go", [install], log, {"PYTHON": sys.executable}).strip()), log)

    def build(self, source: Path, package: str, target: Path, stamp: str = "", **environment: str) -> None:
        """Build a program in a folder with a go.mod."""
        unfinished = target.with_name(f".{target.name}")
        command: Command = [self.program, "build", "-o", unfinished, "-ldflags", f"-s -w {stamp}", package]
        # -mod=mod lets Go add the checksums of the modules that go.mod requires.
        environment = {"GOFLAGS": "-mod=mod -buildvcs=false", **environment}
        run(f"building {target.name}", command, self.log, environment, source)
        unfinished.rename(target)


def _build_kubernetes(go: _Go, version: str, source: Path, targets: Iterable[Path]) -> None:
    major, minor, _ = version.removeprefix("v").split(".")
    variables = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamp = " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in variables.items())
    for target in targets:
        if not (source / "go.mod").exists():
            with step(f"fetching the source of Kubernetes {version}"):
                (source / "go.mod").write_text(_go_mod_of_kubernetes(go, version, source))
        with step(f"building {target.name} {version}"):
            go.build(source, f"k8s.io/kubernetes/cmd/{target.name}", target, stamp)


def _build_containerd(go: _Go, source: Path, targets: Iterable[Path]) -> None:
    module = "github.com/containerd/containerd/v2"
    for target in targets:
        if not (source / "go.mod").exists():
            text = f"module example.invalid/containerd\n\ngo 1.26.6\n\nrequire {module} {CONTAINERD}\n"
            (source / "go.mod").write_text(text)
        with step(f"building {target.name} {CONTAINERD}"):
            go.build(source, f"{module}/cmd/{target.name}", target, CGO_ENABLED="0")


def _go_mod_of_kubernetes(go: _Go, version: str, folder: Path) -> str:
    """Return the go.mod for building a version of k8s.io/kubernetes.

    k8s.io/kubernetes replaces its staging modules by folders of its own tree. A module that depends on it has to
    repeat those replacements, with the published versions, v0.MINOR.PATCH.
    """
    staging = "v0." + version.removeprefix("v1.")
    what = f"fetching the source of Kubernetes {version}"
    module = f"k8s.io/kubernetes@{version}"
    download: Command = [go.program, "mod", "download"]
    # Without -json, Go prints errors on standard error.
    run(what, [*download, module], go.log, folder=folder)
    upstream = Path(
        json.loads(output_of(what, [*download, "-json", module], go.log, folder=folder))["GoMod"]
    ).read_text()
    replaced = re.findall(r"(k8s\.io/[\w./-]+) => \./staging/src/", upstream)
    directives = re.findall(r"^(?:go|godebug) .*$", upstream, re.MULTILINE)
    wanted = re.findall(r"^\s+(\S+) (v\S+)(?: // indirect)?$", upstream, re.MULTILINE)
    lines = ["module example.invalid/kubernetes", "", *directives, "", "require (", f"\tk8s.io/kubernetes {version}"]
    lines += [f"\t{path} {staging if path in replaced else at} // indirect" for path, at in wanted]
    lines += [")", "", "replace (", *(f"\t{path} => {path} {staging}" for path in replaced), ")", ""]
    return "\n".join(lines)
