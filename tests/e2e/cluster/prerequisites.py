"""Check this machine before a cluster is started."""

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

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
    Tool("/usr/lib/cni/ptp", "containernetworking-plugins"),
    Tool("iptables", "iptables"),
    Tool("docker-registry", "docker-registry"),
    Tool("skopeo", "skopeo"),
    Tool("debootstrap", "debootstrap"),
    Tool("mke2fs", "e2fsprogs"),
    Tool("ssh", "openssh-client"),
    Tool("/bin/busybox", "busybox-static"),
    Tool("/usr/bin/tini-static", "tini"),
    Tool("update-ca-certificates", "ca-certificates"),
    Tool("runc", "runc"),
    # For building the webhook's image
    Tool("dockerd", "docker.io"),
    Tool("docker", "docker.io"),
    # For building the node's kernel, and runc
    Tool("gcc", "gcc"),
    Tool("make", "make"),
    Tool("flex", "flex"),
    Tool("bison", "bison"),
    Tool("bc", "bc"),
    Tool("patch", "patch"),
    Tool("xz", "xz-utils"),
    Tool("pkg-config", "pkg-config"),
)
_SECCOMP_HEADER = Path("/usr/include/seccomp.h")


def check(tools: tuple[Tool, ...], node: bool) -> None:
    """Raise ClusterError with one sentence for each missing prerequisite, also of the node if `node`."""
    sentences = [*_not_root(), *_missing(tools)]
    if node:
        sentences += _missing_for_the_node()
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


def _missing_for_the_node() -> list[str]:
    machine = platform.machine()
    sentences = []
    if machine != "x86_64":
        sentences.append(f"A node is user-mode Linux, which runs on x86_64 but not on {machine}: use E2E_KUBECONFIG.")
    if not _SECCOMP_HEADER.exists():
        sentences.append(f"{_SECCOMP_HEADER} is not there: apt-get install libseccomp-dev")
    return sentences
