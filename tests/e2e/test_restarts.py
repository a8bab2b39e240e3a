"""A daemon that ends and starts again, on a node with cgroup v2: its cgroup and the files in its volumes are left."""

from collections.abc import Iterator

import pytest
import workloads
from cluster.cluster import Cluster
from cluster.release import Helm
from kube import Kube, Namespace, Pod, until
from releases import Release, install_release
from workloads import FOREVER

# A test with an own group marker belongs to that group instead.
pytestmark = pytest.mark.xdist_group("examples")


@pytest.fixture(scope="module")
def shared(kube: Kube, helm: Helm) -> Iterator[Release]:
    with install_release(kube, helm, {"daemonset": {"enabled": True}}) as release:
        yield release


@pytest.fixture
def business(shared: Release) -> Iterator[Pod]:
    """Yield a running pod that uses the daemon of its node."""
    shared.daemon().ready()
    with shared.namespace_of() as namespace:
        yield namespace.run(workloads.pod(FOREVER, inject="daemonset")).ready()


@pytest.mark.node
@pytest.mark.xdist_group("crashes")
@pytest.mark.parametrize("socket_dir", ["/run/dind", "/var/run"])
def test_a_job_goes_on_after_its_daemon_crashed(ci: Namespace, node: Cluster, socket_dir: str) -> None:
    """The volume of the socket has the daemon's PID files too, if it is /var/run."""
    pod = ci.run(workloads.pod(FOREVER, options={"socket-dir": socket_dir})).ready()
    pod.exec("docker pull busybox")
    crash(pod, node)
    until("it to answer", lambda: pod.exec(workloads.ANSWERS) == "a daemon\n", pod.describe)
    # The image pulled before the crash is still in the volume.
    assert pod.exec("docker run --rm --pull=never busybox echo goes on") == "goes on\n"
    assert pod.status("build")["restartCount"] == 0


def test_running_pods_recover_when_the_daemon_pod_of_their_node_is_replaced(business: Pod, shared: Release) -> None:
    business.exec("docker info")
    shared.replace_daemon()
    business.exec("docker info")


@pytest.mark.node
def test_running_pods_recover_from_a_daemon_of_their_node_that_crashed_and_left_its_socket(
    business: Pod, shared: Release, node: Cluster
) -> None:
    daemon = shared.daemon()
    crash(daemon, node)
    daemon.ready()
    business.exec("docker info")


def crash(pod: Pod, node: Cluster) -> None:
    """Kill the daemon of a pod, and wait until kubelet has started it again."""
    before = pod.status("dind")["restartCount"]
    node.crash(pod.container_id("dind"))
    until("the daemon to start again", lambda: pod.status("dind")["restartCount"] > before, pod.describe)
