"""The cgroup of the pods of a cluster's second node, whose containers use this machine's kernel."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

_MOUNTS = Path("/proc/self/mounts")
_END_SECONDS = 60


def _hierarchies() -> Iterator[Path]:
    """Yield the mount points of cgroups: one for version 2, one for each controller of version 1."""
    for line in _MOUNTS.read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in {"cgroup", "cgroup2"} and place.startswith("/sys/fs/cgroup"):
            yield Path(place)


def read_delegated() -> dict[str, str]:
    """Return the controllers that are enabled below the root of version 2, by mount point."""
    return {
        str(hierarchy): (hierarchy / "cgroup.subtree_control").read_text()
        for hierarchy in _hierarchies()
        if (hierarchy / "cgroup.controllers").exists()
    }


def restore_delegated(before: Mapping[str, str]) -> None:
    """Disable the controllers that were not enabled before, unless the root has a child cgroup, which may need them."""
    for hierarchy, now in read_delegated().items():
        added = set(now.split()) - set(before.get(hierarchy, now).split())
        if added and not any(Path(hierarchy).glob("*/")):
            (Path(hierarchy) / "cgroup.subtree_control").write_text(" ".join(f"-{name}" for name in sorted(added)))


@dataclass(frozen=True)
class Cgroup:
    """The cgroup with one name in every hierarchy, and its child cgroups."""

    name: str

    def make(self) -> None:
        for hierarchy in _hierarchies():
            _delegate(hierarchy)
            (hierarchy / self.name).mkdir(exist_ok=True)

    def remove(self) -> None:
        """Remove the cgroup. All processes in it must have been killed."""
        for hierarchy in _hierarchies():
            folders = sorted((hierarchy / self.name).rglob("*/"), reverse=True)
            for folder in (*folders, hierarchy / self.name):
                _remove(folder)


def _delegate(hierarchy: Path) -> None:
    """Enable the controllers of version 2 below the root, as an init system does."""
    controllers = hierarchy / "cgroup.controllers"
    if controllers.exists():
        wanted = " ".join(f"+{name}" for name in controllers.read_text().split())
        try:
            (hierarchy / "cgroup.subtree_control").write_text(wanted)
        except OSError as error:
            raise ClusterError(f"cgroup controllers cannot be delegated at {hierarchy}: {error.strerror}") from error


def _remove(folder: Path) -> None:
    # The kernel needs some time to release killed processes; many seconds on a busy machine.
    end = time.monotonic() + _END_SECONDS
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > end:
                raise ClusterError(f"the cgroup {folder} cannot be removed: {error.strerror}") from error
            time.sleep(0.05)
        else:
            return
