"""The second node: containerd, kubelet and kube-proxy as processes of this machine, in the namespaces of the cluster.

Its containers use this machine's kernel and cgroups, so they start several times faster than in the virtual machine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import configs
from cluster.binaries import Binaries
from cluster.cgroups import Cgroup
from cluster.commands import succeeds
from cluster.configs import NodeConfig
from cluster.pki import Pki
from cluster.sandbox import Sandbox
from cluster.services import Command

NAME = "node2"
PODS = "10.88.1.0/24"
# Only pods that tolerate this taint run on this node: other pods run in the virtual machine.
TAINT = "e2e.dind.io/kernel-of-this-machine"
SELECTOR = {"kubernetes.io/hostname": NAME}
TOLERATION = {"key": TAINT, "operator": "Exists"}
_PATHS = ("/var/lib", "/var/log")


@dataclass(frozen=True)
class LocalNode:
    """The node: its address, and the folder of the cluster's state with its files."""

    sandbox: Sandbox
    binaries: Binaries
    address: str
    folder: Path
    cgroup: Cgroup

    def make(self) -> None:
        """Make the node's cgroup and its directories.

        Processes on a node write to /var/lib and /var/log, which are folders of the cluster's state here. /run is a
        tmpfs, as on any node, and is empty at first: the node must not see the runtime of this machine.
        """
        self.cgroup.make()
        for path in _PATHS:
            (self.folder / path.strip("/")).mkdir(parents=True)
            self.sandbox.run("giving the node its directories", "mount", "--bind", f"{self.folder}{path}", path)
        for command in (
            ["mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run"],
            ["mkdir", "/run/lock"],
            ["mount", "--make-rshared", "/"],
        ):
            self.sandbox.run("giving the node its directories", *command)

    def configure(self, pki: Pki, pause: str) -> NodeConfig:
        """Write the node's files."""
        config = NodeConfig(NAME, self.folder / "config", self.address, PODS, pause, self.cgroup.name)
        config.write(pki)
        return config

    def containerd(self, config: NodeConfig) -> Command:
        folder = self.binaries.containerd
        # containerd searches for its shim in PATH.
        path = f"PATH={folder}:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["env", path, folder / "containerd", f"--config={config.containerd}"]

    def kubelet(self, config: NodeConfig) -> Command:
        return [
            self.binaries.kubernetes / "kubelet",
            f"--config={config.kubelet}",
            f"--kubeconfig={config.kubeconfig('kubelet')}",
            f"--hostname-override={NAME}",
            f"--node-ip={self.address}",
            f"--register-with-taints={TAINT}=:NoSchedule",
        ]

    def kube_proxy(self, config: NodeConfig) -> Command:
        return [
            self.binaries.kubernetes / "kube-proxy",
            f"--config={config.kube_proxy}",
            f"--hostname-override={NAME}",
        ]

    def has_containerd(self) -> bool:
        """Return whether containerd responds."""
        command = self.sandbox.enter(
            self.binaries.containerd / "ctr", f"--address={configs.CONTAINERD_SOCKET}", "version"
        )
        return succeeds(command)

    def load(self, archive: Path) -> None:
        """Import the image of an archive into the node's containerd."""
        self.ctr(f"loading {archive.name}", "images", "import", archive)

    def ctr(self, what: str, *arguments: str | Path) -> None:
        """Run a command of ctr on the node."""
        where = [f"--address={configs.CONTAINERD_SOCKET}", "--namespace=k8s.io"]
        self.sandbox.run(what, self.binaries.containerd / "ctr", *where, *arguments)


def selection() -> dict[str, Any]:
    """Return the fields of a pod's spec, and of the chart's values, with which pods run on this node."""
    return {"nodeSelector": SELECTOR, "tolerations": [TOLERATION]}
