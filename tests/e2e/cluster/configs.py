"""Write the configuration files of the processes on a node, of the registry, and of the cluster's DNS."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.pki import Pki

# The network of all pods. Each node has a part of it.
POD_NETWORK = "10.88.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
REGISTRY_PORT = 5000
DNS_PORT = 53
_DOMAIN = "cluster.local"
# The process IDs of a pod on the virtual machine, threads counted. Many Kubernetes services set a limit.
POD_PIDS = 1024
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
# The handler of a RuntimeClass for isolation userns. containerd accepts it only on cgroup v2. Not runc: it gives a
# container its cgroup only under kubelet's systemd driver.
WRITABLE_CGROUPS = "dind-userns"
_WRITABLE_CGROUPS_HANDLER = f"""\
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{WRITABLE_CGROUPS}]
  runtime_type = 'io.containerd.runc.v2'
  cgroup_writable = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{WRITABLE_CGROUPS}.options]
  BinaryName = '/usr/bin/crun'
"""


@dataclass(frozen=True)
class NodeConfig:
    """The settings of a node, and the paths of its configuration files.

    `folder` has these files, as the node's processes see it. `registry` is the IP address of the registry, and of the
    cluster's DNS. `pods` is the network of the node's pods. `cgroup` is the cgroup of this machine below which the pods
    are. It is empty if the node has a kernel of its own.
    """

    name: str
    folder: Path
    registry: str
    pods: str
    pause: str
    cgroup: str = ""

    @property
    def shares_kernel(self) -> bool:
        """Return whether the node runs on this machine's kernel, whose settings it must not change."""
        return bool(self.cgroup)

    @property
    def containerd(self) -> Path:
        return self.folder / "containerd.toml"

    @property
    def kubelet(self) -> Path:
        return self.folder / "kubelet.yaml"

    @property
    def kube_proxy(self) -> Path:
        return self.folder / "kube-proxy.yaml"

    def kubeconfig(self, component: str) -> Path:
        return self.folder / f"{component}.kubeconfig"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def write(self, pki: Pki, root: Path = Path("/")) -> None:
        """Write all files. `root` is the directory of this machine that becomes the node's root directory."""
        files = {
            self.folder / "cni" / "10-pods.conflist": json.dumps(self._pod_network()),
            self.folder
            / "registries"
            / "docker.io"
            / "hosts.toml": f'server = "http://{self.registry}:{REGISTRY_PORT}"\n',
            self.folder / "resolv.conf": f"nameserver {self.registry}\n",
            self.containerd: self._containerd(),
            self.kubelet: json.dumps(self._kubelet()),
            self.kube_proxy: json.dumps(self._kube_proxy()),
            self.ca: pki.ca.read_text(),
        }
        for path, text in files.items():
            target = root / path.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        users = {"kubelet": (f"system:node:{self.name}", "system:nodes"), "kube-proxy": ("system:kube-proxy", "system")}
        for component, (user, group) in users.items():
            target = root / self.kubeconfig(component).relative_to("/")
            pki.kubeconfig(f"{self.name}-{component}", user, group, target)

    def _pod_network(self) -> dict[str, Any]:
        # ptp: a veth pair for each pod, no bridge, so that Services work without the br_netfilter module.
        addresses = {"type": "host-local", "subnet": self.pods, "routes": [{"dst": "0.0.0.0/0"}]}
        plugins = [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ]
        return {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}

    def _containerd(self) -> str:
        return f"""\
version = 3
[grpc]
  address = '{CONTAINERD_SOCKET}'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{self.pause}'
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '{self.folder}/registries'
[plugins.'io.containerd.cri.v1.runtime']
  # A machine without CAP_SYS_RESOURCE needs it.
  restrict_oom_score_adj = {json.dumps(self.shares_kernel)}
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
  conf_dir = '{self.folder}/cni'
{"" if self.cgroup else _WRITABLE_CGROUPS_HANDLER}"""

    def _kubelet(self) -> dict[str, Any]:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self.ca)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            # The nodes have no systemd.
            "cgroupDriver": "cgroupfs",
            "clusterDNS": [self.registry],
            "clusterDomain": _DOMAIN,
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
            # 100 disables garbage collection: a removed image could not be pulled again.
            "imageGCHighThresholdPercent": 100,
            "maxPods": 250,
            "resolvConf": str(self.folder / "resolv.conf"),
        }
        if not self.shares_kernel:
            return config | {"podPidsLimit": POD_PIDS}
        of_this_machine = {
            "cgroupRoot": f"/{self.cgroup}",
            "enforceNodeAllocatable": [],
            # The machine may still mount cgroups version 1.
            "failCgroupV1": False,
            "failSwapOn": False,
        }
        return config | of_this_machine

    def _kube_proxy(self) -> dict[str, Any]:
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self.kubeconfig("kube-proxy"))},
            "clusterCIDR": POD_NETWORK,
            "mode": "iptables",
        }
        if not self.shares_kernel:
            return config
        # 0 keeps the kernel's values: they cannot be set in a network namespace.
        conntrack = {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
        return config | {"conntrack": conntrack}


def registry(storage: Path) -> str:
    """Return the configuration of a registry that stores images in a folder."""
    return json.dumps(
        {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(storage)}},
            "http": {"addr": f":{REGISTRY_PORT}"},
        }
    )


def dns(address: str, kubeconfig: Path) -> str:
    """Return the configuration of CoreDNS, which resolves the names of Services, and no others."""
    return f"""\
{_DOMAIN}:{DNS_PORT} {{
  bind {address}
  errors
  kubernetes {_DOMAIN} {{
    kubeconfig {kubeconfig}
  }}
}}
.:{DNS_PORT} {{
  bind {address}
  errors
  template IN ANY . {{
    rcode NXDOMAIN
  }}
}}
"""
