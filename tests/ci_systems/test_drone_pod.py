"""The pod that Drone's Kubernetes runner makes, with Docker: expected from reading drone-runner-kube.

The runner cannot be built: registries do not have its module. All steps are containers of one pod, which begin with an
image that only waits. The tests do what the runner does: they start a step by writing the pod with the step's image,
wait until the step has ended, and delete the pod.
"""

import tempfile
from http import HTTPStatus
from pathlib import Path
from secrets import token_hex

import leftovers
import pytest
from builds import BOTH_MODES, BUILD, FAILING, LONG, MARKS
from cluster import images, local_node, oci
from cluster.cluster import Cluster
from cluster.images import Sources
from kube import Manifest, Namespace, Pod, RefusedError, until
from kubernetes.client.exceptions import ApiException
from workloads import DOCKER

WORKSPACE = "/drone/src"
PLACEHOLDER = "localhost/drone-placeholder:1"
# The program of the placeholder is /bin/sh, whatever its arguments. One in Go ends with 2 at SIGTERM.
WAIT = "#!/bin/busybox sh\ntrap 'exit 2' TERM\nwhile true; do /bin/busybox sleep 0.2; done\n"


@pytest.fixture(scope="module", autouse=True)
def _placeholder(node: Cluster) -> None:
    """Give the second node the placeholder."""
    with tempfile.TemporaryDirectory(dir=node.cache.images) as folder:
        root = Path(folder, "root")
        root.mkdir()
        for write_layer in images.BUSYBOX.layers:
            write_layer(root, Sources(node.cache, node.logs / "drone.log"))
        shell = root / "bin/sh"
        shell.unlink()
        shell.write_text(WAIT)
        shell.chmod(0o755)
        archive = Path(folder, "placeholder.tar")
        oci.pack(PLACEHOLDER, [root], oci.Config(), archive)
        node.local_node.load(archive)


def random_name() -> str:
    return f"drone-{token_hex(10)}"


class Pipeline:
    """A pipeline whose pod exists, on the faster node. A step is known by its index."""

    def __init__(self, ci: Namespace, *scripts: str, mode: str = "sidecar", **options: str) -> None:
        self.steps = [random_name() for _ in scripts]
        workspace, status, name = random_name(), random_name(), random_name()
        mounts = [{"name": workspace, "mountPath": WORKSPACE}, {"name": status, "mountPath": "/run/drone"}]
        field = {"fieldRef": {"fieldPath": "metadata.annotations"}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "labels": {"io.drone": "true", "io.drone.name": name, "io.drone.build.number": "1"},
                "annotations": {"io.drone": "true", "dind.io/inject": mode}
                | {f"dind.io/{key}": text for key, text in options.items()},
            },
            "spec": {
                "restartPolicy": "Never",
                "volumes": [
                    {"name": workspace, "emptyDir": {}},
                    {"name": status, "downwardAPI": {"items": [{"path": "env", **field}]}},
                ],
                "containers": [
                    _container(step, f"export TAG={ci.name}\n{script}", mounts)
                    for step, script in zip(self.steps, scripts, strict=True)
                ],
                "dnsConfig": {},
                **local_node.selection(),
            },
        }
        self.pod: Pod = ci.run(pod)

    def run(self, index: int) -> int:
        """Start a step, wait until it has ended, and return its exit code."""
        self.start(index)

        def has_ended() -> bool:
            status = self.pod.status(self.steps[index])
            return bool(status.get("restartCount")) and "terminated" in status["state"]

        self.pod.until(has_ended, f"end step {index}")
        code: int = self.pod.status(self.steps[index])["state"]["terminated"]["exitCode"]
        return code

    def start(self, index: int) -> None:
        """Write the pod with the image of a step, again if somebody else has written the pod."""
        self.pod.until(lambda: self.pod.phase == "Running", "run its placeholders")
        until("the step to have its image", lambda: self._has_written(index), self.pod.describe)

    def log(self, index: int) -> str:
        return self.pod.log(self.steps[index])

    def delete(self) -> None:
        self.pod.kube.core.delete_namespaced_pod(self.pod.name, self.pod.namespace)

    def _has_written(self, index: int) -> bool:
        pod = self.pod.read()
        container = next(each for each in pod["spec"]["containers"] if each["name"] == self.steps[index])
        container["image"] = DOCKER
        pod["metadata"]["annotations"] |= {"DRONE_BUILD_STATUS": "success", "DRONE_STAGE_STATUS": "success"}
        try:
            self.pod.kube.core.replace_namespaced_pod(self.pod.name, self.pod.namespace, pod)
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True


def _container(name: str, script: str, mounts: list[Manifest]) -> Manifest:
    return {
        "name": name,
        "image": PLACEHOLDER,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c"],
        "args": ['echo "$DRONE_SCRIPT" | /bin/sh'],
        "workingDir": WORKSPACE,
        "env": [
            {"name": "DRONE_SCRIPT", "value": f"\nunset DRONE_SCRIPT\n\nset -e\n\n{script}"},
            {"name": "DRONE_WORKSPACE", "value": WORKSPACE},
            {"name": "KUBERNETES_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "securityContext": {"privileged": False},
        "volumeMounts": mounts,
    }


@pytest.mark.tried("build")
@BOTH_MODES
def test_a_step_builds_runs_and_composes(mode: str, ci: Namespace) -> None:
    pipeline = Pipeline(ci, BUILD, mode=mode)
    assert pipeline.run(0) == 0, pipeline.pod.describe()
    assert all(mark in pipeline.log(0) for mark in MARKS), pipeline.log(0)
    pipeline.pod.succeeds()
    leftovers.check_after_build(ci, mode)


@pytest.mark.tried("bind mount")
def test_steps_share_the_daemon_and_the_workspace(ci: Namespace) -> None:
    """The daemon does not end or restart when kubelet replaces the containers of steps."""
    first = 'echo seen >file\ndocker run --name first --volume "$PWD:/w" busybox cp /w/file /w/copy\n'
    second = 'docker start first\ncat copy\ndocker run --rm --volume "$PWD:/w" busybox cat /w/copy\n'
    pipeline = Pipeline(ci, first, second)
    assert pipeline.run(0) == 0, pipeline.pod.describe()
    daemon = pipeline.pod.container_id("dind")
    assert pipeline.run(1) == 0, pipeline.pod.describe()
    assert pipeline.log(1).splitlines() == ["first", "seen", "seen"]
    pipeline.pod.succeeds()
    status = pipeline.pod.status("dind")
    assert (pipeline.pod.container_id("dind"), status["restartCount"]) == (daemon, 0)
    assert status["state"]["terminated"]["exitCode"] == 0


@pytest.mark.tried("failure")
def test_a_step_that_fails_leaves_no_daemon(ci: Namespace, node: Cluster) -> None:
    """The runner deletes the pod, in which the placeholder of the next step still waits."""
    pipeline = Pipeline(ci, FAILING, "docker info\n")
    assert pipeline.run(0) == 7, pipeline.pod.describe()
    pods = leftovers.uids(ci)
    pipeline.delete()
    leftovers.until_gone(node, ci, pods)


@pytest.mark.tried("cancellation")
@BOTH_MODES
def test_a_pipeline_that_is_cancelled_leaves_only_what_the_page_says(mode: str, ci: Namespace, node: Cluster) -> None:
    pipeline = Pipeline(ci, LONG, mode=mode)
    pipeline.start(0)
    pipeline.pod.until(lambda: "started" in pipeline.log(0), "start its container")
    pods = leftovers.uids(ci)
    pipeline.delete()
    leftovers.check_after_cancellation(node, ci, pods, mode)


@pytest.mark.tried("denial")
def test_a_denial_reaches_the_runner(ci: Namespace) -> None:
    """The runner writes the error of the API server into its log, and the build has an error."""
    with pytest.raises(RefusedError, match='the pod has no container "build"'):
        Pipeline(ci, BUILD, containers="build")
