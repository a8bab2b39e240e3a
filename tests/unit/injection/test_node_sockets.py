"""Paths of the node that lead to the socket of a container runtime."""

import pytest

from dind_webhook.injection import NodeSocket, find_node_socket


@pytest.mark.parametrize(
    ("path", "runtime", "is_exact"),
    [
        ("/var/run/docker.sock", "Docker", True),
        ("/run/docker.sock", "Docker", True),
        ("/var//run/./docker.sock/", "Docker", True),
        ("/var/run", "Docker", False),
        ("/run/", "Docker", False),
        ("/", "Docker", False),
        ("/proc/1/root", "Docker", False),
        ("/dev/fd/3", "Docker", False),
        ("/run/containerd/containerd.sock", "containerd", True),
        ("/var/run/containerd", "containerd", False),
        ("/run/k3s", "containerd", False),
        ("/var/run/crio/crio.sock", "CRI-O", True),
        ("/run/crio", "CRI-O", False),
        ("/run/cri-dockerd.sock", "cri-dockerd", True),
        ("/run/k0s/containerd.sock", "containerd", True),
        ("/run/k0s", "containerd", False),
        ("/var/run/dockershim.sock", "dockershim", True),
        (r"\\.\pipe\docker_engine", "dockerd.exe", True),
        (r"\\.\pipe\containerd-containerd", "containerd", True),
    ],
)
def test_a_path_leads_to_a_socket(path: str, runtime: str, is_exact: bool) -> None:
    assert find_node_socket(path) == NodeSocket(runtime, is_exact)


@pytest.mark.parametrize(
    "path", ["/var/lib/docker", "/run/docker", "/run/docker.socket", "/procs", "/var", "/run/dind"]
)
def test_other_paths_lead_to_none(path: str) -> None:
    assert find_node_socket(path) is None
