"""The Linux namespaces of this machine in which all processes of a cluster run, the virtual machine too."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import last_line, run
from cluster.errors import ClusterError
from cluster.link import Link
from cluster.processes import Process, children

# user-mode Linux uses node0raw, one end of a veth pair, with a raw socket: its transport for taps has no queues, and
# the driver of an SMP kernel dereferences the missing queue (a panic in vector_reset_stats). With the unreachable
# default route, connections to other addresses fail at once, so that no process waits for a timeout.
_SETUP = """\
set -eu
mount -t tmpfs -o mode=700,size="$MEMORY" memory "$TMPFS"
ip link set lo up
ip link add node0 type veth peer name node0raw
ip address add "$GATEWAY/30" dev node0
ip link set node0 up
ip link set node0raw up
ip route add unreachable default
for network in $NETWORKS; do ip route add "$network" via "$NODE"; done
echo 1 > /proc/sys/net/ipv4/ip_forward
echo ready
exec sleep infinity
"""


@dataclass
class Service:
    """A process that runs until the cluster ends it. `parent` is its nsenter, which ends with the process."""

    name: str
    parent: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise ClusterError if the process has exited."""
        if (code := self.parent.poll()) is not None:
            raise ClusterError(f"{self.name} ended with {code}: {last_line(self.log)}", self.log)

    def wait_for_pid(self) -> int:
        """Wait until the process is in the namespaces, and return its ID."""
        while not (child_ids := children(self.parent.pid)):
            self.check()
            time.sleep(0.01)
        return child_ids[0]


@dataclass(frozen=True)
class Sandbox:
    """A mount, a network and a PID namespace. When their init process ends, the kernel kills all other processes."""

    init_process: Process
    logs: Path

    @classmethod
    def make(cls, tmpfs: Path, memory: str, link: Link, networks: Sequence[str], logs: Path) -> "Sandbox":
        """Make the namespaces, mount a tmpfs of size `memory` on `tmpfs`, and route `networks` to the node."""
        log = logs / "sandbox.log"
        environment = {
            "TMPFS": str(tmpfs),
            "MEMORY": memory,
            "GATEWAY": link.gateway,
            "NODE": link.node,
            "NETWORKS": " ".join(networks),
        }
        with log.open("w") as errors:
            parent = subprocess.Popen(
                ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _SETUP],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        assert parent.stdout  # stdout is a pipe
        with parent.stdout:
            if parent.stdout.readline() != b"ready\n":
                parent.wait()
                raise ClusterError(f"the namespaces of the cluster cannot be made: {last_line(log)}", log)
        sandbox = cls(Process.of(children(parent.pid)[0]), logs)
        try:
            link.connect(sandbox.init_process.pid)
            address = ["ip", "address", "add", f"{link.control_plane}/30", "dev", "host0"]
            for command in (address, ["ip", "link", "set", "host0", "up"]):
                sandbox.run("giving the control plane its address", *command)
        except BaseException:
            sandbox.init_process.kill()
            raise
        return sandbox

    def start(self, name: str, command: Sequence[str | Path], files: Sequence[int] = ()) -> Service:
        """Start a service, with its output in a log named after it. It inherits the file descriptors `files`."""
        log = self.logs / f"{name}.log"
        with log.open("w") as output:
            parent = subprocess.Popen(
                self.enter(*command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=files,
            )
        return Service(name, parent, log)

    def run(self, what: str, *command: str | Path) -> None:
        """Run a command in the namespaces."""
        run(what, self.enter(*command), self.logs / "sandbox.log")

    def enter(self, *command: str | Path) -> list[str | Path]:
        """Return the command line that runs a command in the namespaces."""
        return ["nsenter", f"--target={self.init_process.pid}", "--mount", "--net", "--pid", "--", *command]
