"""The cgroup of all processes of a cluster, from which the kernel lists the processes to end."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
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


@dataclass(frozen=True)
class Cgroup:
    """The cgroup with one name in every hierarchy, and its child cgroups."""

    name: str

    def make(self) -> None:
        for hierarchy in _hierarchies():
            self._delegate(hierarchy)
            (hierarchy / self.name / "node").mkdir(parents=True, exist_ok=True)

    def entrance(self) -> list[Path]:
        """Return the files into which a process writes its ID to join. In version 2, only a leaf may have processes."""
        return [hierarchy / self.name / "node" / "cgroup.procs" for hierarchy in _tracking()]

    def processes(self) -> set[int]:
        found: set[int] = set()
        for hierarchy in _tracking():
            for file in (hierarchy / self.name).rglob("cgroup.procs"):
                # The cgroup may disappear while it is read.
                with contextlib.suppress(FileNotFoundError, OSError):
                    found |= {int(line) for line in file.read_text().split()}
        return found

    def kill(self) -> None:
        """Kill all processes. Repeat until none is left, because a process may fork in the meantime."""
        end = time.monotonic() + _END_SECONDS
        while running := self.processes():
            if time.monotonic() > end:
                raise ClusterError(f"these processes do not end: {', '.join(map(str, sorted(running)))}")
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)

    def remove(self) -> None:
        for hierarchy in _hierarchies():
            folders = sorted((hierarchy / self.name).rglob("*/"), reverse=True)
            for folder in (*folders, hierarchy / self.name):
                _remove(folder)

    def _delegate(self, hierarchy: Path) -> None:
        """Enable the controllers of version 2 below the root, as an init system does."""
        controllers = hierarchy / "cgroup.controllers"
        if controllers.exists():
            wanted = " ".join(f"+{name}" for name in controllers.read_text().split())
            try:
                (hierarchy / "cgroup.subtree_control").write_text(wanted)
            except OSError as error:
                raise ClusterError(
                    f"cgroup controllers cannot be delegated at {hierarchy}: {error.strerror}"
                ) from error


def _tracking() -> list[Path]:
    """Return the hierarchies to search for processes."""
    return [path for path in _hierarchies() if path.name in {"cgroup", "unified", "pids"}]


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
