"""The limits of the daemon hold for its containers, and the daemon survives them. Needs a node with cgroup v2."""

from collections.abc import Iterator

import pytest
import workloads
from cluster.cluster import Cluster
from cluster.release import Helm
from kube import Kube, Namespace, Pod, until
from releases import Release
from workloads import FOREVER, OLD_DAEMON

pytestmark = pytest.mark.xdist_group("limits")

LIMITS = {"memory-request": "100Mi", "memory-limit": "300Mi", "cpu-request": "100m", "cpu-limit": "500m"}
FORMS = [{}, {"placement": "container"}, {"image": OLD_DAEMON}]
# dd allocates a block of this size and fills it.
HOG = "docker run --name {} busybox dd if=/dev/zero of=/dev/null bs={}M count=1 || echo ended with $?"


@pytest.fixture(scope="module", params=FORMS, ids=str)
def build(kube: Kube, request: pytest.FixtureRequest) -> Iterator[Pod]:
    """Yield a pod whose daemon has limits and runs the container `neighbour`."""
    with kube.namespace() as namespace:
        yield start(namespace, **request.param)


def test_a_container_that_takes_too_much_memory_ends_alone(build: Pod) -> None:
    assert "ended with 137" in build.exec(HOG.format("hog", 500))
    assert build.exec("docker inspect --format '{{.State.OOMKilled}}' hog; docker rm hog") == "true\nhog\n"
    assert build.exec("docker ps --format '{{.Names}}'") == "neighbour\n"
    assert build.status("dind")["restartCount"] == 0


def test_docker_shows_and_sets_what_a_container_uses(build: Pod) -> None:
    used = build.exec("docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' neighbour")
    assert not used.startswith("0B")
    assert used.split()[-1] == "1"
    bounded = build.exec("docker run --rm --memory 64m busybox cat /sys/fs/cgroup/memory.max")
    assert bounded == f"{64 << 20}\n"


@pytest.mark.node
def test_all_containers_are_below_the_daemons_own_cgroup(build: Pod, node: Cluster) -> None:
    uid = build.read()["metadata"]["uid"]
    container = build.exec("docker inspect --format '{{.Id}}' neighbour").strip()
    found = cgroups(node)
    (path,) = [path for path in found if path.endswith(container)]
    assert f"/pod{uid}/" in path
    assert {"/docker", "/init"} & found == set()


@pytest.mark.parametrize("build", [{}], indirect=True)
def test_a_build_that_takes_too_much_memory_ends_alone(build: Pod) -> None:
    lines = "FROM busybox\\nRUN dd if=/dev/zero of=/dev/null bs=500M count=1\\n"
    output = build.exec(f"printf '{lines}' | docker build - 2>&1 || true; docker version >/dev/null")
    assert "cannot allocate memory" in output
    assert build.status("dind")["restartCount"] == 0


@pytest.mark.node
def test_nothing_of_a_pod_is_left_on_the_node(ci: Namespace, node: Cluster) -> None:
    pod = start(ci)
    uid = pod.read()["metadata"]["uid"]
    assert any(uid in path for path in cgroups(node))
    ci.kube.delete("Pod", pod.name, ci.name)
    until("the pod's cgroups to be gone", lambda: not any(uid in path for path in cgroups(node)))


def test_a_container_of_the_nodes_daemon_ends_alone_too(ci: Namespace, helm: Helm) -> None:
    """The limit of the DaemonSet is 600Mi in these tests."""
    pod = ci.run(workloads.pod(FOREVER, inject="daemonset")).ready()
    main = Release(ci.kube, helm, {})
    before = restarts(main)
    pod.exec("docker pull --quiet busybox")
    assert "ended with 137" in pod.exec(HOG.format(ci.name, 700))
    inspect = f"docker inspect --format '{{{{.State.OOMKilled}}}}' {ci.name} && docker rm {ci.name}"
    assert pod.exec(inspect).startswith("true")
    assert restarts(main) == before


def start(namespace: Namespace, **options: str) -> Pod:
    """Start a pod with limits, and wait for its daemon and for its container `neighbour`."""
    pod = namespace.run(workloads.pod(FOREVER, options={**LIMITS, **options})).ready()
    # An ordinary container may be ready after the pod's other containers.
    pod.exec("until docker version >/dev/null 2>&1; do sleep 1; done; docker pull --quiet busybox")
    pod.exec("docker run --detach --name neighbour busybox sleep 3600")
    return pod


def cgroups(node: Cluster) -> set[str]:
    """Return the paths of all cgroups on the node."""
    # Cgroups of pods that end can go while find lists them.
    found = node.vm.run("listing cgroups", "find /sys/fs/cgroup -ignore_readdir_race -type d")
    return {line.removeprefix("/sys/fs/cgroup") for line in found.splitlines()}


def restarts(release: Release) -> dict[str, int]:
    """Return the restarts of all containers of the release's DaemonSet, by pod."""
    return {
        pod["metadata"]["name"]: sum(one["restartCount"] for one in pod["status"]["containerStatuses"])
        for pod in release.daemon_pods()
    }
