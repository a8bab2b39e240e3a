"""The first node: a virtual machine, which is a process of user-mode Linux in the namespaces of its cluster."""

import tarfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import output_of
from cluster.configs import NodeConfig
from cluster.link import Link
from cluster.pki import Pki
from cluster.sandbox import Sandbox, Service

NAME = "node1"
PODS = "10.88.0.0/24"
MEMORY = "6G"
_PROCESSORS = 2
# The services in the order of their serial lines, from ttyS0, to which files/node-init.sh connects their logs
_SERIAL_LINES = ("vm-containerd", "vm-kubelet", "vm-kube-proxy")


@dataclass(frozen=True)
class Vm:
    """The virtual machine: its address, and the folder of the cluster's state with its files."""

    sandbox: Sandbox
    address: str
    folder: Path

    def configure(self, link: Link, pki: Pki, pause: str) -> None:
        """Write the archive of this node's own files, which the node unpacks into its root directory."""
        root = self.folder / "root"
        config = NodeConfig(NAME, Path("/etc/node"), link.control_plane, PODS, pause)
        config.write(pki, root)
        variables = {"NODE_NAME": NAME, "NODE_ADDRESS": self.address, "GATEWAY": link.gateway}
        lines = "".join(f"{name}={value}\n" for name, value in variables.items())
        (root / "etc" / "node" / "environment").write_text(lines)
        keys = root / "root" / ".ssh" / "authorized_keys"
        keys.parent.mkdir(parents=True, mode=0o700)
        keys.write_bytes(pki.ssh_key(self._key))
        with tarfile.open(self._settings, "w") as tar:
            tar.add(root, ".")

    def start(self, kernel: Path, disk: Path, tmpfs: Path) -> Service:
        """Start the virtual machine. It does not change the disk: its writes go to a separate file.

        Its memory is an unnamed file in the folder `tmpfs`.
        """
        with ExitStack() as stack:
            logs = [stack.enter_context((self.sandbox.logs / f"{name}.log").open("w")) for name in _SERIAL_LINES]
            lines = [f"ssl{number}=null,fd:{log.fileno()}" for number, log in enumerate(logs)]
            command: list[str | Path] = [
                "env", f"HOME={tmpfs}", f"TMPDIR={tmpfs}", kernel, f"uml_dir={tmpfs}/", f"mem={MEMORY}",
                # With several processors, user-mode Linux must intercept system calls with seccomp, not with ptrace.
                f"ncpus={_PROCESSORS}", "seccomp=on",
                f"ubd0={self.folder / 'disk.changes'},{disk}", f"ubd1r={self._settings}",
                # noinit_itable: do not initialize unused inode tables in the background.
                "root=/dev/ubda", "rw", "rootflags=noinit_itable,data=writeback,nobarrier,commit=60",
                "init=/sbin/node-init",
                "vec0:transport=raw,ifname=node0raw,depth=128",
                # The console must be a file or a pipe: with /dev/null, user-mode Linux exits.
                "con0=null,fd:1", "con=null", *lines, "ssl=null", "panic=-1",
            ]  # fmt: skip
            return self.sandbox.start("vm", command, [log.fileno() for log in logs])

    def run(self, what: str, script: str) -> str:
        """Run a shell script on this node as root, and return its output, as commands.output_of does."""
        return output_of(what, self.ssh(script), self.sandbox.logs / "ssh.log")

    def ssh(self, *arguments: str) -> list[str | Path]:
        """Return the command that logs in on this node, or runs a command there."""
        # Do not check the host key: only the virtual machine can have this address.
        settings = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
        # Fail after a minute, also if the virtual machine hangs.
        settings += ["ConnectTimeout=60", "ServerAliveInterval=20", "ServerAliveCountMax=3"]
        options = [part for setting in settings for part in ("-o", setting)]
        return self.sandbox.enter("ssh", "-q", *options, "-i", self._key, f"root@{self.address}", *arguments)

    @property
    def _key(self) -> Path:
        return self.folder / "ssh-key"

    @property
    def _settings(self) -> Path:
        return self.folder / "settings.tar"
