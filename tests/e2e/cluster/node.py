"""The node: a mount and a network namespace on this machine, which isolate the cluster's files and ports."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.cgroups import Cgroup
from cluster.commands import last_line, run
from cluster.errors import ClusterError
from cluster.link import Link

# Processes on a node write to these paths; here they are folders of the cluster's state. /run is a tmpfs, as on any
# node, and is empty at first: the node must not see the runtime of this machine, in particular its Docker socket.
_SETUP = """\
set -eu
for place in /var/lib /var/log; do
  mkdir -p "$STATE$place"
  mount --bind "$STATE$place" "$place"
done
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock
mount --make-rshared /
ip link set lo up
sysctl -q -w net.ipv4.ip_forward=1
echo ready
exec sleep infinity
"""
_JOIN = 'for file in $CGROUP; do echo $$ > "$file"; done; exec "$@"'


@dataclass
class Service:
    """A process that runs on the node until the cluster ends it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise ClusterError if the process has exited."""
        if (code := self.process.poll()) is not None:
            raise ClusterError(f"{self.name} ended with {code}: {last_line(self.log)}", self.log)


@dataclass(frozen=True)
class Node:
    """The namespaces of the node, held open by an idle process."""

    holder: int
    cgroup: Cgroup
    link: Link
    logs: Path

    @classmethod
    def make(cls, state: Path, cgroup: Cgroup, link: Link, logs: Path) -> "Node":
        cgroup.make()
        log = logs / "node.log"
        with log.open("w") as errors:
            holder = subprocess.Popen(
                ["sh", "-c", _JOIN, "sh", "unshare", "--mount", "--net", "sh", "-c", _SETUP],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "STATE": str(state), "CGROUP": " ".join(map(str, cgroup.entrance()))},
                start_new_session=True,
            )
        assert holder.stdout  # stdout is a pipe
        with holder.stdout:
            if holder.stdout.readline() != b"ready\n":
                holder.wait()
                raise ClusterError(f"the node's namespaces cannot be made: {last_line(log)}", log)
        node = cls(holder.pid, cgroup, link, logs)
        link.connect(holder.pid)
        node.run("giving the node its address", "ip", "address", "add", f"{link.node}/30", "dev", "node0")
        node.run("switching the node's network on", "ip", "link", "set", "node0", "up")
        node.run("giving the node its route", "ip", "route", "add", "default", "via", link.host)
        return node

    def start(self, name: str, command: Sequence[str | Path]) -> Service:
        """Start a service, with its output in a log named after the service."""
        log = self.logs / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["sh", "-c", _JOIN, "sh", *self._enter(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "CGROUP": " ".join(map(str, self.cgroup.entrance()))},
                start_new_session=True,
            )
        return Service(name, process, log)

    def run(self, what: str, *command: str | Path) -> None:
        """Run a command on the node."""
        run(what, [*self._enter(), *command], self.logs / "node.log")

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self.holder}", "--mount", "--net", "--"]
