"""The first node: a virtual machine, which is a process of user-mode Linux in the namespaces of its cluster."""

import subprocess
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import last_line, output_of
from cluster.configs import NodeConfig
from cluster.errors import ClusterError
from cluster.link import Link
from cluster.pki import Pki
from cluster.sandbox import Sandbox, Service

NAME = "node1"
PODS = "10.88.0.0/24"
MEMORY = "6G"
_PROCESSORS = 2
# The services in the order of their serial lines, from ttyS0, to which files/node-init.sh connects their logs
_SERIAL_LINES = ("vm-containerd", "vm-kubelet", "vm-kube-proxy")
# With several processors, user-mode Linux must intercept system calls with seccomp, not with ptrace.
_SECCOMP = "seccomp=on"
# The console must be a file or a pipe: with /dev/null, user-mode Linux exits.
_CONSOLE = ("con0=null,fd:1", "con=null")
# At a panic, end at once.
_PANIC = "panic=-1"
_CHECK_SECONDS = 30
_SCRIPT_SECONDS = 600


def check(kernel: Path, log: Path) -> None:
    """Raise ClusterError if the kernel does not start on this machine, where for example seccomp may be forbidden.

    The kernel has no disk, so it starts in a second and then ends with a panic. The log gets its console.
    """
    with tempfile.TemporaryDirectory() as folder, log.open("w") as console:
        command: list[str | Path] = [
            *_limit(_CHECK_SECONDS), "env", f"HOME={folder}", f"TMPDIR={folder}",
            kernel, f"uml_dir={folder}/", "mem=64M", _SECCOMP, *_CONSOLE, _PANIC,
        ]  # fmt: skip
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd=folder)
    if "Unable to mount root fs" not in log.read_text("utf-8", "replace"):
        raise ClusterError(
            f"A node is user-mode Linux, which does not start on this machine ({last_line(log)}). Use a machine on "
            "which root may trace processes and install seccomp filters, such as a virtual machine or a privileged "
            "container, or a cluster of yours: E2E_KUBECONFIG",
            log,
        )


def _limit(seconds: int) -> list[str | Path]:
    """Return the beginning of a command line that ends a command after a time, and then says so."""
    return ["timeout", "--verbose", "--kill-after=5", str(seconds)]


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
                f"ncpus={_PROCESSORS}", _SECCOMP,
                f"ubd0={self.folder / 'disk.changes'},{disk}", f"ubd1r={self._settings}",
                # noinit_itable: do not initialize unused inode tables in the background.
                "root=/dev/ubda", "rw", "rootflags=noinit_itable,data=writeback,nobarrier,commit=60",
                "init=/sbin/node-init",
                "vec0:transport=raw,ifname=node0raw,depth=128",
                *_CONSOLE, *lines, "ssl=null", _PANIC,
            ]  # fmt: skip
            return self.sandbox.start("vm", command, [log.fileno() for log in logs])

    def run(self, what: str, script: str) -> str:
        """Run a shell script on this node as root, and return its output. It may take ten minutes."""
        return output_of(what, [*_limit(_SCRIPT_SECONDS), *self.ssh(script)], self.sandbox.logs / "ssh.log")

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
