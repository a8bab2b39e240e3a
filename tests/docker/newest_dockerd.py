"""Start the newest dockerd for one request, in new network, mount and PID namespaces."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
_START_SECONDS = 60


class _Connection(http.client.HTTPConnection):
    """A connection to the API of a daemon on a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


@contextmanager
def running_daemon(command: Sequence[str], folder: Path) -> Iterator[http.client.HTTPConnection]:
    """Start a daemon whose files are in a folder, and yield a connection to its API."""
    path = folder / "docker.sock"
    paths = [
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid",
        f"--host=unix://{path}",
    ]
    # These flags do not change the use of registries: they isolate the daemon from the machine's network and programs.
    without = [f"--{name}=false" for name in ("iptables", "ip6tables", "userland-proxy")]
    isolated = ["--bridge=none", *without, "--feature=embedded-containerd"]
    with subprocess.Popen([*command, *paths, *isolated], stdout=subprocess.DEVNULL) as daemon:
        try:
            _wait_for(path, daemon)
            yield _Connection(path)
        finally:
            daemon.terminate()


def _wait_for(path: Path, daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and daemon.poll() is None:
        try:
            _Connection(path).connect()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("dockerd does not answer")
