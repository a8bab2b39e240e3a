"""Commands that name no container, or the first one, run in a container of the pod's own, not in the daemon's."""

import subprocess

import pytest
import workloads
from cluster.cluster import Cluster
from cluster.commands import Command
from kube import Manifest, Namespace, Pod
from kubernetes.stream import stream
from kubernetes.stream.ws_client import STDOUT_CHANNEL

pytestmark = [pytest.mark.node, pytest.mark.any_node]

_IN_ALL_PLACES = pytest.mark.parametrize(
    ("mode", "options"),
    [("sidecar", {}), ("sidecar", {"placement": "container"}), ("daemonset", {})],
    ids=["sidecar", "sidecar-as-a-container", "daemonset"],
)
_WHERE = 'echo "in $WHERE"'


def _container(name: str) -> Manifest:
    return workloads.container(workloads.FOREVER, name, env=[{"name": "WHERE", "value": name}])


def _kubectl(node: Cluster, pod: Pod, *arguments: str) -> str:
    command: Command = [node.binaries.kubectl, f"--kubeconfig={node.kubeconfig}", f"--namespace={pod.namespace}"]
    done = subprocess.run([*command, *arguments], text=True, capture_output=True, timeout=60, check=True)
    return done.stdout


@_IN_ALL_PLACES
def test_kubectl_exec_reaches_the_first_of_the_pods_own_containers(
    mode: str, options: dict[str, str], ci: Namespace, node: Cluster
) -> None:
    """As without injection, also if another one builds."""
    pod = ci.run(
        workloads.pod(_container("zzz"), _container("build"), inject=mode, options={"containers": "build", **options})
    )
    assert _kubectl(node, pod.ready(), "exec", pod.name, "--", "sh", "-c", _WHERE) == "in zzz\n"


@_IN_ALL_PLACES
def test_the_first_container_is_the_pods_own(mode: str, options: dict[str, str], ci: Namespace) -> None:
    """CI systems take the first one of the spec as that of the job."""
    pod = ci.run(workloads.pod(_container("zzz"), inject=mode, options=options)).ready()
    assert pod.exec(_WHERE, pod.read()["spec"]["containers"][0]["name"]) == "in zzz\n"


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_the_api_server_still_knows_the_only_container(mode: str, ci: Namespace) -> None:
    """It asks for a name only if a pod has more than one container: the daemon is an init container."""
    pod = ci.run(workloads.pod(_container("build"), inject=mode)).ready()
    connection = stream(
        pod.kube.core.connect_get_namespaced_pod_exec,
        pod.name,
        pod.namespace,
        command=["sh", "-c", _WHERE],
        stdout=True,
        _preload_content=False,
    )
    connection.run_forever(timeout=60)
    # As in `Pod.exec`, which always names a container.
    connection.sock.shutdown()
    assert connection.read_channel(STDOUT_CHANNEL) == "in build\n"
