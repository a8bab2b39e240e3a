"""Check this machine before a cluster is started."""

import os
import shutil
from dataclasses import dataclass

from cluster.errors import ClusterError


@dataclass(frozen=True)
class Tool:
    """A program, and the Debian package that contains it."""

    program: str
    package: str


CONTROL_PLANE = (
    Tool("etcd", "etcd-server"),
    Tool("ip", "iproute2"),
    Tool("nsenter", "util-linux"),
    Tool("unshare", "util-linux"),
    Tool("mount", "mount"),
)
NODE = (
    Tool("runc", "runc"),
    Tool("/usr/lib/cni/ptp", "containernetworking-plugins"),
    Tool("iptables", "iptables"),
    Tool("docker-registry", "docker-registry"),
    Tool("skopeo", "skopeo"),
    Tool("debootstrap", "debootstrap"),
    Tool("/bin/busybox", "busybox-static"),
    Tool("dockerd", "docker.io"),
    Tool("docker", "docker.io"),
)


def check(tools: tuple[Tool, ...]) -> None:
    """Raise ClusterError with one sentence for each missing prerequisite."""
    sentences = [*_not_root(), *_missing(tools)]
    if sentences:
        raise ClusterError("\n".join(sentences))


def _not_root() -> list[str]:
    if os.geteuid() == 0:
        return []
    return ["Root is needed, for namespaces, mounts and cgroups: run it as root."]


def _missing(tools: tuple[Tool, ...]) -> list[str]:
    # The PATH of root may lack these directories.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return [
        f"{tool.program} is not there: apt-get install {tool.package}"
        for tool in tools
        if shutil.which(tool.program, path=path) is None
    ]
