"""Pods as people bring them: with the node's Docker socket, with a daemon of their own, with their own workspaces."""

from collections.abc import Iterator

import pytest
import workloads
from cluster.cluster import Cluster
from kube import Kube, Manifest, Namespace, Pod, until
from workloads import FOREVER, OLD_DAEMON

SOCKET = "/var/run/docker.sock"
# Through the mounted socket alone, as such pipelines do it
BUILD_AND_RUN = (
    "unset DOCKER_HOST; docker pull --quiet busybox >/dev/null\n"
    "printf 'FROM busybox\\nRUN echo built > /made\\n' | docker build --quiet --tag made - >/dev/null\n"
    "docker run --rm made cat /made"
)


@pytest.fixture(params=[None, "daemonset"], ids=["sidecar", "daemonset"])
def replacing_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """Yield a namespace whose label asks to replace the node's socket."""
    with kube.namespace(request.param, **{"dind.io/node-socket": "replace"}) as namespace:
        yield namespace


def test_a_deployment_with_the_nodes_socket_builds_and_runs_though_nobody_touches_it(
    replacing_namespace: Namespace,
) -> None:
    namespace = replacing_namespace
    namespace.make(_deployment("/var/run/docker.sock"))
    pod = _pod_of_deployment(namespace)
    paths = [volume["hostPath"]["path"] for volume in pod.read()["spec"]["volumes"] if "hostPath" in volume]
    assert SOCKET not in paths
    assert pod.exec(BUILD_AND_RUN) == "built\n"


def test_the_socket_may_be_at_another_path_in_a_container(kube: Kube) -> None:
    with kube.namespace(None, **{"dind.io/node-socket": "replace"}) as namespace:
        namespace.make(_deployment("/opt/docker/node.sock"))
        pod = _pod_of_deployment(namespace)
        assert pod.exec("docker --host unix:///opt/docker/node.sock info --format '{{.OSType}}'") == "linux\n"


def test_other_pods_of_such_a_namespace_are_left_alone(kube: Kube) -> None:
    with kube.namespace(None, **{"dind.io/node-socket": "replace"}) as namespace:
        pod = namespace.make(workloads.pod("true", inject=None), dry_run="All")
        assert "initContainers" not in pod["spec"]


@pytest.mark.node
def test_a_pod_with_a_daemon_of_its_own_is_left_working(kube: Kube, node: Cluster) -> None:
    daemon = {
        "name": "docker",
        # Without the wrapper of newer images, which moves all processes of the machine to another cgroup
        "image": OLD_DAEMON,
        "args": ["dockerd", "--host=unix:///own/docker.sock"],
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": "own", "mountPath": "/own"}, {"name": "graph", "mountPath": "/var/lib/docker"}],
    }
    client = workloads.container(
        FOREVER,
        env=[{"name": "DOCKER_HOST", "value": "unix:///own/docker.sock"}],
        volumeMounts=[{"name": "own", "mountPath": "/own"}],
    )
    volumes = [{"name": "own", "emptyDir": {}}, {"name": "graph", "emptyDir": {}}]
    manifest = workloads.pod(client, daemon, inject=None, volumes=volumes)
    with kube.namespace("sidecar") as namespace:
        warnings = namespace.warnings(manifest)
        assert any("no Docker: container" in warning and "runs a Docker daemon" in warning for warning in warnings)
        pod = namespace.run(manifest).ready()
        assert "initContainers" not in pod.read()["spec"]
        pod.exec("until docker version >/dev/null 2>&1; do sleep 1; done")
        pod.exec("tar -c -C / bin/busybox | docker import - own")
        assert pod.exec("docker run --rm own /bin/busybox echo works") == "works\n"
    # Unlike the injected daemon, such a one makes its cgroups at the root of the machine, and leaves them there.
    until(
        "the pod's cgroups to be gone",
        lambda: not node.vm.run("listing", "find /sys/fs/cgroup/docker -mindepth 1 -type d"),
    )
    node.vm.run("removing the daemon's cgroup", "rmdir /sys/fs/cgroup/docker")


def test_the_daemon_sees_a_workspace_of_the_node_that_the_pod_names(ci: Namespace) -> None:
    """Like NFS and CSI volumes, a hostPath is mounted into each container from a directory of the node."""
    volumes = [{"name": "workspace", "hostPath": {"path": f"/tmp/{ci.name}", "type": "DirectoryOrCreate"}}]
    build = workloads.container(FOREVER, volumeMounts=[{"name": "workspace", "mountPath": "/usr/src/app"}])
    pod = ci.run(workloads.pod(build, options={"share-volumes": "workspace"}, volumes=volumes)).ready()
    pod.exec("docker pull --quiet busybox; echo source > /usr/src/app/file")
    assert pod.exec("docker run --rm --volume /usr/src/app:/w busybox cat /w/file") == "source\n"


def _deployment(mount_path: str) -> Manifest:
    template = workloads.template(
        workloads.container(FOREVER, volumeMounts=[{"name": "docker", "mountPath": mount_path}]),
        inject=None,
        restartPolicy="Always",
        volumes=[{"name": "docker", "hostPath": {"path": SOCKET, "type": "Socket"}}],
    )
    template["metadata"]["labels"] = {"app": "builder"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "builder"},
        "spec": {"selector": {"matchLabels": {"app": "builder"}}, "template": template},
    }


def _pod_of_deployment(namespace: Namespace) -> Pod:
    until("the Deployment to have a pod", lambda: bool(namespace.pods("app=builder")))
    (pod,) = namespace.pods("app=builder")
    return pod.ready()
