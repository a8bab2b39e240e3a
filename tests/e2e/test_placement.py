"""The operator chooses the nodes of pods with a daemon: here a node with a taint."""

from collections.abc import Iterator

import pytest
import workloads
from cluster import local_node, vm
from cluster.release import Helm
from kube import Kube, Namespace, RefusedError
from releases import Release, install_release

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("versions")]


@pytest.fixture(scope="module")
def release(kube: Kube, helm: Helm) -> Iterator[Release]:
    nodes = {"node_selector": local_node.SELECTOR, "tolerations": [local_node.TOLERATION]}
    with install_release(kube, helm, {"settings": {"injection": nodes}, "policy": {"strict": True}}) as installed:
        yield installed


@pytest.fixture
def namespace(release: Release) -> Iterator[Namespace]:
    with release.namespace_of() as found:
        yield found


def test_pods_with_docker_run_on_the_nodes_with_the_taint(namespace: Namespace) -> None:
    pod = namespace.run(workloads.pod("docker version")).succeeds()
    assert pod.read()["spec"]["nodeName"] == local_node.NAME


def test_pods_without_docker_do_not(namespace: Namespace) -> None:
    pod = namespace.run(workloads.pod("true", inject=None)).succeeds()
    assert pod.read()["spec"]["nodeName"] == vm.NAME


def test_a_pod_that_asks_for_another_node_is_denied(namespace: Namespace) -> None:
    selector = {"kubernetes.io/hostname": vm.NAME}
    with pytest.raises(RefusedError, match="this cluster's operator runs Docker on nodes with"):
        namespace.run(workloads.pod("docker version", nodeSelector=selector))


def test_a_node_by_name_does_not_lead_elsewhere(namespace: Namespace) -> None:
    """Kubelet compares the labels of a pod that no scheduler has seen."""
    pod = namespace.run(workloads.pod("docker version", nodeName=vm.NAME))
    pod.until(lambda: pod.phase == "Failed", "be refused by kubelet")
    assert "NodeAffinity" in pod.read()["status"]["reason"]
