"""Identify and end processes that outlive the command that started them."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

_END_SECONDS = 60


@dataclass(frozen=True)
class Process:
    """A process, identified by its ID and its start time, because the kernel reuses IDs."""

    pid: int
    start_time: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        return cls(pid, _start_time(pid))

    @property
    def is_alive(self) -> bool:
        return bool(self.start_time) and _start_time(self.pid) == self.start_time

    def kill(self) -> None:
        """Kill the process, and wait until it has ended."""
        end = time.monotonic() + _END_SECONDS
        while self.is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            if time.monotonic() > end:
                raise ClusterError(f"process {self.pid} does not end")
            time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Return the IDs of the running child processes of a process."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _start_time(pid: int) -> str:
    """Return the start time of a process in the kernel's clock ticks, or an empty string if it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        # The program's name may contain blanks and brackets. The state and the other numbers follow it.
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return "" if state in {"Z", "X"} else numbers[18]
    return ""
