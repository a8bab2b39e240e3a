"""Run a daemon on this machine during a build."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster.commands import last_line
from cluster.errors import ClusterError

_START_SECONDS = 60


@contextmanager
def running(
    name: str, command: Sequence[str | Path], answers: Callable[[], bool], folder: Path, log: Path
) -> Iterator[None]:
    """Run a daemon in its own mount and PID namespaces, and wait until it answers. All its processes end afterwards.

    `folder` is its working directory. The log gets its output.
    """
    # --kill-child and setpriv also end the daemon if this process is killed.
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with log.open("a") as output:
        daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *namespaces, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + _START_SECONDS
        while not answers():
            if daemon.poll() is not None:
                raise ClusterError(f"{name} ended while it started: {last_line(log)}", log)
            if time.monotonic() > end:
                raise ClusterError(f"{name} does not answer after {_START_SECONDS} s", log)
            time.sleep(0.1)
        yield
    finally:
        # The kernel ends all other processes of the PID namespace with it.
        daemon.kill()
        daemon.wait()
