"""daemonset mode: the chart's DaemonSet runs one Docker daemon per node, and business pods use it.

The tests install separate releases, because they restart, break and remove the daemon.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import cli_plugin
import pytest
import workloads
from cluster.release import Helm
from kube import Kube, Namespace, until
from kubernetes import client
from releases import Release, install_release

# A test with an own group marker belongs to that group instead.
pytestmark = [pytest.mark.any_node, pytest.mark.xdist_group("daemon of the node")]


@pytest.fixture(scope="module")
def shared(kube: Kube, helm: Helm) -> Iterator[Release]:
    allowed = {"settings": {"injection": {"allowed_options": ["socket-dir", "wait"]}}}
    daemonset = {"enabled": True, "metrics": {"enabled": True}}
    with install_release(kube, helm, {"daemonset": daemonset, **allowed}) as release:
        yield release


@pytest.fixture
def business(shared: Release) -> Iterator[Namespace]:
    shared.daemon().ready()
    with shared.namespace_of() as namespace:
        yield namespace


def test_two_pods_use_one_daemon(business: Namespace) -> None:
    first = business.run(_pod(workloads.FOREVER, "first")).ready()
    second = business.run(_pod(workloads.FOREVER, "second")).ready()
    first.exec("docker network create made-by-first")
    assert "made-by-first" in second.exec("docker network ls")
    second.exec("docker network rm made-by-first")


def test_no_container_of_a_business_pod_is_privileged(business: Namespace) -> None:
    spec = business.run(_pod("docker info")).succeeds().read()["spec"]
    containers = [*spec["containers"], *spec.get("initContainers", [])]
    assert not any(container.get("securityContext", {}).get("privileged") for container in containers)


def test_the_socket_may_be_found_in_another_directory(business: Namespace) -> None:
    log = (
        business.run(_pod("docker version >/dev/null; echo $DOCKER_HOST", socket_dir="/docker")).succeeds().log("build")
    )
    assert log == "unix:///docker/docker.sock\n"


def test_the_metrics_of_dockerd_name_no_container_and_no_image(business: Namespace, shared: Release) -> None:
    script = "tar -c -C / bin | docker import - image-by-test && docker create --name by-test image-by-test true"
    business.run(_pod(script)).succeeds()
    daemon = shared.daemon().ready()
    page = shared.kube.core.connect_get_namespaced_pod_proxy_with_path(
        f"{daemon.name}:9323", shared.helm.namespace, "metrics"
    )
    assert re.search(r'^engine_daemon_container_states_containers{state="stopped"} [1-9]', page, re.MULTILINE)
    assert "by-test" not in page


def test_a_directory_in_the_sockets_place_is_cleared_by_the_next_daemon_pod(
    business: Namespace, shared: Release
) -> None:
    pod = business.run(_pod(workloads.FOREVER)).ready()
    _on_the_node(business, shared, "rm $DIR/docker.sock && mkdir -p $DIR/docker.sock/made-by-mistake")
    shared.replace_daemon()
    pod.exec("docker info")


def test_new_pods_work_after_the_directory_was_removed_and_running_ones_do_not(
    business: Namespace, shared: Release
) -> None:
    """A running pod still mounts the removed directory. The docs say that such a pod must be created again."""
    before = business.run(_pod(workloads.FOREVER, "before")).ready()
    _on_the_node(business, shared, "rm -rf $DIR")
    shared.replace_daemon()
    business.run(_pod("docker info", "after")).succeeds()
    assert "no daemon" in before.exec(workloads.ANSWERS)


@pytest.mark.xdist_group("before the daemon")
def test_a_pod_that_comes_before_the_daemon_waits_and_then_starts(kube: Kube, helm: Helm) -> None:
    nowhere = {"daemonset": {"enabled": True, "nodeSelector": {"kubernetes.io/os": "none-of-these"}}}
    with install_release(kube, helm, nowhere) as release, release.namespace_of() as namespace:
        pod = namespace.run(_pod("docker info"))
        until(
            "kubelet to say what is missing",
            lambda: any("FailedMount" in event and release.host_path in event for event in namespace.events(pod.name)),
            pod.describe,
        )
        release.upgrade({"daemonset": {"nodeSelector": {"kubernetes.io/os": "linux"}}})
        pod.succeeds()


def test_a_pod_waits_for_the_daemon_unless_it_says_otherwise_and_check_names_the_node(
    business: Namespace, shared: Release
) -> None:
    with _daemon_removed(shared):
        hasty = business.run(_pod(workloads.FOREVER, "hasty", wait="false")).ready()
        patient = business.run(_pod("docker info", "patient"))
        patient.until(lambda: "running" in patient.status("dind-wait").get("state", {}), "wait for the daemon")
        assert "no daemon" in hasty.exec(workloads.ANSWERS)
        (found,) = cli_plugin.check(business, shared.fullname)["daemonset-coverage"].sentences
        assert re.match(rf"no daemon on [^:]*{hasty.read()['spec']['nodeName']}", found)
    patient.succeeds()
    assert "a daemon" in hasty.exec(workloads.ANSWERS)


@pytest.mark.xdist_group("copies of the client")
def test_a_user_with_a_read_only_root_file_system_gets_a_copy_of_the_client(kube: Kube, helm: Helm) -> None:
    """Without image volumes, the container that waits for the daemon makes the copy. It is not root either."""
    settings = {"injection": {"allowed_options": ["client"], "image_volumes": False}}
    security = {"runAsUser": 1000, "readOnlyRootFilesystem": True}
    script = """\
docker version && docker buildx version && docker compose version
test -f "$(command -v docker)" && test ! -L "$(command -v docker)"
! touch /file
"""
    with (
        install_release(kube, helm, {"daemonset": {"enabled": True}, "settings": settings}) as release,
        release.namespace_of() as namespace,
    ):
        release.daemon().ready()
        build = workloads.container(script, image=workloads.BUSYBOX, securityContext=security)
        pod = namespace.run(workloads.pod(build, inject="daemonset", options={"client": "true"})).succeeds()
        spec = pod.read()["spec"]
        (wait,) = [container["securityContext"] for container in spec["initContainers"]]
        assert (wait["runAsNonRoot"], wait["readOnlyRootFilesystem"]) == (True, True)
        assert not any("image" in volume for volume in spec["volumes"])


def _pod(script: str, name: str = "business", **options: str) -> dict[str, object]:
    """Return a business pod. Names of options have _ instead of -."""
    spelt = {option.replace("_", "-"): value for option, value in options.items()}
    return workloads.pod(script, name=name, inject="daemonset", options=spelt)


@contextmanager
def _daemon_removed(release: Release) -> Iterator[None]:
    """Remove the daemon from all nodes, and start it again after the block. Its directory remains."""
    release.daemon().ready()
    _select_nodes(release, "none-of-these")
    until("the daemon to go", lambda: not release.daemon_pods())
    try:
        yield
    finally:
        _select_nodes(release, None)
        release.daemon().ready()


def _select_nodes(release: Release, label: str | None) -> None:
    body = {"spec": {"template": {"spec": {"nodeSelector": {"e2e.dind.io/node": label}}}}}
    apps = client.AppsV1Api(release.kube.api)
    apps.patch_namespaced_daemon_set(f"{release.fullname}-dind", release.helm.namespace, body)


def _on_the_node(namespace: Namespace, release: Release, script: str) -> None:
    """Run a script on the node. $DIR is the directory of a release's socket."""
    above, _, directory = release.host_path.rpartition("/")
    mounts = [{"name": "above", "mountPath": "/above"}]
    janitor = workloads.container(f"DIR=/above/{directory}; {script}", image=workloads.BUSYBOX, volumeMounts=mounts)
    volumes = [{"name": "above", "hostPath": {"path": above}}]
    namespace.run(workloads.pod(janitor, name="janitor", inject=None, volumes=volumes)).succeeds()
