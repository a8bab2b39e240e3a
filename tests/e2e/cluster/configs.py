"""Write the configuration files of the processes on the node."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.paths import State

POD_NETWORK = "10.88.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
REGISTRY_PORT = 5000


@dataclass(frozen=True)
class Configs:
    """The paths of the configuration files."""

    containerd: Path
    kubelet: Path
    kube_proxy: Path
    registry: Path


def write(state: State, node: str, ca: Path, kube_proxy_kubeconfig: Path, pause: str) -> Configs:
    """Write all configuration files into the cluster's state folder. `node` is the node's address."""
    folder = state.root / "config"
    (folder / "cni").mkdir(parents=True)
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(_pod_network()))
    mirror = folder / "registries" / "docker.io"
    mirror.mkdir(parents=True)
    (mirror / "hosts.toml").write_text(f'server = "http://{node}:{REGISTRY_PORT}"\n')
    (folder / "resolv.conf").write_text(f"nameserver {node}\n")
    configs = Configs(
        folder / "containerd.toml", folder / "kubelet.yaml", folder / "kube-proxy.yaml", folder / "registry.yaml"
    )
    configs.containerd.write_text(_containerd(state, folder, pause))
    configs.kubelet.write_text(json.dumps(_kubelet(state, folder, node, ca)))
    configs.kube_proxy.write_text(json.dumps(_kube_proxy(kube_proxy_kubeconfig)))
    configs.registry.write_text(json.dumps(_registry(state)))
    return configs


def _pod_network() -> dict[str, Any]:
    # ptp: a veth pair for each pod, no bridge, so that Services work without the br_netfilter module.
    addresses = {"type": "host-local", "subnet": POD_NETWORK, "routes": [{"dst": "0.0.0.0/0"}]}
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}


def _containerd(state: State, folder: Path, pause: str) -> str:
    return f"""\
version = 3
[grpc]
  address = '{state.containerd}'
[ttrpc]
  address = '{state.containerd}.ttrpc'
[plugins.'io.containerd.cri.v1.images']
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '{pause}'
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = '{folder}/registries'
[plugins.'io.containerd.cri.v1.runtime']
  # A machine without CAP_SYS_RESOURCE needs it.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/usr/lib/cni']
    conf_dir = '{folder}/cni'
"""


def _kubelet(state: State, folder: Path, node: str, ca: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(ca)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{state.cgroup}",
        # Connections to this address are refused at once.
        "clusterDNS": [node],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{state.containerd}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
        # The machine may still mount cgroups version 1.
        "failCgroupV1": False,
        "failSwapOn": False,
        # 100 disables garbage collection: a removed image could not be pulled again.
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
        "resolvConf": str(folder / "resolv.conf"),
    }


def _kube_proxy(kubeconfig: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_NETWORK,
        # 0 keeps the kernel's values: they cannot be set in a network namespace.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "mode": "iptables",
    }


def _registry(state: State) -> dict[str, Any]:
    return {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(state.root / "registry")}},
        "http": {"addr": f":{REGISTRY_PORT}"},
    }
