"""Build Docker from Go modules: the programs of the image docker:VERSION-dind, in the versions that Docker pins."""

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import run
from cluster.go import Go, Program
from cluster.paths import Cache
from cluster.steps import step

# The daemon's module has its own version numbers; its releases/versions.yaml names the release of Docker. Newer patch
# releases may have no version of the module.
ENGINE = "29.8.1"
_MOBY = "v2.0.0-beta.24"
_CLI = "v29.8.1"
# The versions in the Dockerfile of this version of moby
_CONTAINERD = "v2.3.5"
_RUNC = "v1.5.1"
_BUILDX = "v0.37.0"
_COMPOSE = "v5.5.1"

CLIENT = ("docker", "docker-buildx", "docker-compose")
DAEMON = ("dockerd", "docker-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "runc")


@dataclass(frozen=True)
class _Module:
    """A Go module and the settings for building its programs. `stamp` are linker flags that set their version."""

    path: str
    version: str
    stamp: str = ""
    tags: str = "netgo,osusergo"
    cgo: bool = False

    @property
    def is_incompatible(self) -> bool:
        """Return whether the module has no go.mod."""
        return self.version.endswith("+incompatible")


_MODULES = {
    "moby": _Module(
        "github.com/moby/moby/v2",
        _MOBY,
        f"-X github.com/moby/moby/v2/dockerversion.Version={ENGINE} "
        f"-X github.com/moby/moby/v2/dockerversion.GitCommit={_MOBY}",
        "netgo,osusergo,exclude_graphdriver_btrfs",
    ),
    "cli": _Module(
        "github.com/docker/cli",
        f"{_CLI}+incompatible",
        f"-X github.com/docker/cli/cli/version.Version={_CLI.removeprefix('v')} "
        f"-X github.com/docker/cli/cli/version.GitCommit={_CLI}",
    ),
    "containerd": _Module(
        "github.com/containerd/containerd/v2",
        _CONTAINERD,
        f"-X github.com/containerd/containerd/v2/version.Version={_CONTAINERD}",
    ),
    # runc joins namespaces in C code, before Go starts threads.
    "runc": _Module(
        "github.com/opencontainers/runc",
        _RUNC,
        f"-extldflags -static -X main.version={_RUNC.removeprefix('v')}",
        "seccomp,netgo,osusergo",
        cgo=True,
    ),
    "buildx": _Module("github.com/docker/buildx", _BUILDX, f"-X github.com/docker/buildx/version.Version={_BUILDX}"),
    "compose": _Module(
        "github.com/docker/compose/v5", _COMPOSE, f"-X github.com/docker/compose/v5/internal.Version={_COMPOSE}"
    ),
}
# The module and the package of each program
_PROGRAMS = {
    "dockerd": ("moby", "cmd/dockerd"),
    "docker-proxy": ("moby", "cmd/docker-proxy"),
    "docker": ("cli", "cmd/docker"),
    "docker-buildx": ("buildx", "cmd/buildx"),
    "docker-compose": ("compose", "cmd"),
    "containerd": ("containerd", "cmd/containerd"),
    "containerd-shim-runc-v2": ("containerd", "cmd/containerd-shim-runc-v2"),
    "ctr": ("containerd", "cmd/ctr"),
    "runc": ("runc", ""),
}


@dataclass(frozen=True)
class Programs:
    """The paths of the programs in the cache: a folder for each version of a module."""

    cache: Cache

    def path(self, name: str) -> Path:
        module, _ = _PROGRAMS[name]
        return self.cache.bin(module, _MODULES[module].version) / name

    def paths(self, names: Iterable[str]) -> list[Path]:
        return [self.path(name) for name in names]


def build(cache: Cache, log: Path, names: Iterable[str] = (*DAEMON, *CLIENT)) -> None:
    """Build the programs with these names that the cache does not have."""
    programs = Programs(cache)
    missing = [name for name in names if not programs.path(name).exists()]
    if missing:
        go = Go.of_machine(log)
        for name in missing:
            _build(go, cache, name, programs.path(name))


def _build(go: Go, cache: Cache, name: str, target: Path) -> None:
    component, package = _PROGRAMS[name]
    module = _MODULES[component]
    folder = cache.modules(component, module.version)
    with step(f"building {name} {module.version}"):
        if module.is_incompatible:
            _make_module(go, folder, module)
            package = f"./{package}"
        else:
            go.require(folder, module.path, module.version)
            package = f"{module.path}/{package}".rstrip("/")
        go.build(folder, Program(package, module.stamp, module.tags, module.cgo), target)


def _make_module(go: Go, folder: Path, module: _Module) -> None:
    """Copy a module without a go.mod into a folder, and add a go.mod: otherwise Go compiles the code as Go 1.16.

    The required modules and their checksums are in vendor.mod and vendor.sum.
    """
    if (folder / "go.mod").exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        # Go downloads a module only in a folder with a go.mod.
        (Path(scratch) / "go.mod").write_text("module example.invalid/scratch\n")
        source = Path(go.download(module.path, module.version, Path(scratch))["Dir"])
    # The files in Go's module cache are read-only.
    run("copying the source of Docker", ["cp", "-r", "--no-preserve=mode", f"{source}/.", folder], go.log)
    shutil.rmtree(folder / "vendor")
    shutil.copy(source / "vendor.sum", folder / "go.sum")
    shutil.copy(source / "vendor.mod", folder / "go.mod")
