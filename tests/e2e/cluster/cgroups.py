"""The cgroup in which everything of a cluster runs: the kernel's own record of what there is to end."""

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
    """Yield where cgroups are mounted: one place with version 2, one for each controller with version 1."""
    for line in _MOUNTS.read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in {"cgroup", "cgroup2"} and place.startswith("/sys/fs/cgroup"):
            yield Path(place)


@dataclass(frozen=True)
class Cgroup:
    """A cgroup of one name in every hierarchy, and all that is below it."""

    name: str

    def make(self) -> None:
        for hierarchy in _hierarchies():
            self._delegate(hierarchy)
            (hierarchy / self.name / "node").mkdir(parents=True, exist_ok=True)

    def entrance(self) -> list[Path]:
        """Return the files into which a process writes its ID to run here; processes are in leaves only (version 2)."""
        return [hierarchy / self.name / "node" / "cgroup.procs" for hierarchy in _tracking()]

    def processes(self) -> set[int]:
        found: set[int] = set()
        for hierarchy in _tracking():
            for file in (hierarchy / self.name).rglob("cgroup.procs"):
                # It may go while it is looked at.
                with contextlib.suppress(FileNotFoundError, OSError):
                    found |= {int(line) for line in file.read_text().split()}
        return found

    def kill(self) -> None:
        """End everything in it; a process that forks meanwhile is found in the next round."""
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
        """Let version 2 control resources below the root, as an init system does where there is one."""
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
    """Return the hierarchies that are enough to find processes in."""
    return [path for path in _hierarchies() if path.name in {"cgroup", "unified", "pids"}]


def _remove(folder: Path) -> None:
    # The kernel takes a moment to let go of what was killed, on a busy machine many seconds.
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
