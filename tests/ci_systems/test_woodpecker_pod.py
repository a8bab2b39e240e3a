"""The pods that Woodpecker's Kubernetes backend makes, with Docker: expected from reading its backend.

The agent cannot be built: registries do not have its module. Each step is a pod of its own, and all mount the claim of
the workflow. The tests do what the backend does: they make the claim and a pod for each step, wait for the pod's phase,
read the exit code of the pod's first container, and delete the pod without a grace period.
"""

import base64
import platform
from collections.abc import Iterator
from secrets import token_hex

import leftovers
import pytest
from builds import BOTH_MODES, BUILD, FAILING, LONG, MARKS
from cluster import local_node
from cluster.cluster import Cluster
from copying_storage import CopyingStorage, copying_storage
from kube import Kube, Namespace, Pod, RefusedError
from workloads import DOCKER

BASE = "/woodpecker"
WORKSPACE = f"{BASE}/src/forge.example/group/project"
# The backend's script goes to the step's directory itself.
PLACE = f"mkdir -p {WORKSPACE}\ncd {WORKSPACE}\n"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@pytest.fixture(scope="module")
def storage(node: Cluster, kube: Kube) -> Iterator[CopyingStorage]:
    with copying_storage(node, kube) as found:
        yield found


class Workflow:
    """A workflow with a claim, whose steps run on the faster node."""

    def __init__(self, ci: Namespace, storage: CopyingStorage, mode: str = "sidecar", **options: str) -> None:
        self.ci = ci
        self.annotations = {"dind.io/inject": mode} | {f"dind.io/{key}": text for key, text in options.items()}
        self.volume = f"wp-{token_hex(13)}-0-default"
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": self.volume},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "storageClassName": storage.name,
                "resources": {"requests": {"storage": "10G"}},
            },
        }
        ci.make(claim)

    def start(self, script: str) -> Pod:
        """Make the pod of a step."""
        name = f"wp-{token_hex(13)}"
        text = f"export TAG={self.ci.name}\n{PLACE}{script}"
        container = {
            "name": name,
            "image": DOCKER,
            "workingDir": BASE,
            "command": ["/bin/sh", "-c", "echo $CI_SCRIPT | base64 -d | /bin/sh -e"],
            "env": [
                {"name": "CI_SCRIPT", "value": base64.b64encode(text.encode()).decode()},
                {"name": "SHELL", "value": "/bin/sh"},
                {"name": "CI_WORKSPACE", "value": WORKSPACE},
            ],
            "volumeMounts": [{"name": self.volume, "mountPath": BASE}],
        }
        place = local_node.selection()
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"step": "build"}, "annotations": self.annotations},
            "spec": {
                "restartPolicy": "Never",
                "securityContext": {"fsGroup": 1000},
                "volumes": [{"name": self.volume, "persistentVolumeClaim": {"claimName": self.volume}}],
                "containers": [container],
                **place,
                "nodeSelector": {"kubernetes.io/arch": ARCHITECTURE, **place["nodeSelector"]},
            },
        }
        return self.ci.run(pod)

    def run(self, script: str) -> tuple[int, str]:
        """Run a step, and return its exit code and its log."""
        pod = self.start(script)
        pod.until(lambda: pod.phase in {"Succeeded", "Failed"}, "end")
        first = pod.read()["status"]["containerStatuses"][0]
        log = pod.log(pod.name)
        self.destroy(pod)
        return first["state"]["terminated"]["exitCode"], log

    def destroy(self, pod: Pod) -> None:
        self.ci.kube.core.delete_namespaced_pod(
            pod.name, self.ci.name, grace_period_seconds=0, propagation_policy="Background"
        )


@pytest.mark.tried("build")
@BOTH_MODES
def test_a_step_builds_runs_and_composes(mode: str, ci: Namespace, storage: CopyingStorage) -> None:
    code, log = Workflow(ci, storage, mode).run(BUILD)
    assert code == 0, log
    assert all(mark in log for mark in MARKS), log
    leftovers.check_after_build(ci, mode)


@pytest.mark.tried("bind mount")
def test_containers_of_all_steps_see_the_workspace(ci: Namespace, storage: CopyingStorage) -> None:
    workflow = Workflow(ci, storage)
    for script in ('sh -c "echo seen >/w/file"', "cat /w/file"):
        code, log = workflow.run(f'docker run --rm --volume "$PWD:/w" busybox {script}\n')
        assert code == 0, log
    assert log.endswith("\nseen\n")


@pytest.mark.parametrize(("mode", "is_there"), [("sidecar", False), ("daemonset", True)])
def test_a_later_step_has_the_images_of_an_earlier_one_in_daemonset_mode_only(
    mode: str, is_there: bool, ci: Namespace, storage: CopyingStorage
) -> None:
    """In sidecar mode each step, which is a pod, has a daemon of its own."""
    workflow = Workflow(ci, storage, mode)
    code, log = workflow.run('docker pull --quiet busybox\ndocker tag busybox "$TAG"\n')
    assert code == 0, log
    code, log = workflow.run('docker image rm "$TAG"\n')
    assert (code == 0) is is_there, log


@pytest.mark.tried("failure")
def test_a_step_that_fails_leaves_no_daemon(ci: Namespace, storage: CopyingStorage, node: Cluster) -> None:
    workflow = Workflow(ci, storage)
    pod = workflow.start(FAILING)
    pods = leftovers.uids(ci)
    pod.until(lambda: pod.phase == "Failed", "fail")
    assert pod.status(pod.name)["state"]["terminated"]["exitCode"] == 7
    assert pod.status("dind")["state"]["terminated"]["exitCode"] == 0
    workflow.destroy(pod)
    leftovers.until_gone(node, ci, pods)


@pytest.mark.tried("cancellation")
@BOTH_MODES
def test_a_step_that_is_cancelled_leaves_only_what_the_page_says(
    mode: str, ci: Namespace, storage: CopyingStorage, node: Cluster
) -> None:
    """The pod's object is gone at once: kubelet ends the containers of a pod that nobody sees any more."""
    workflow = Workflow(ci, storage, mode)
    pod = workflow.start(LONG)
    pod.until(lambda: pod.phase == "Running" and "started" in pod.log(pod.name), "start its container")
    pods = leftovers.uids(ci)
    workflow.destroy(pod)
    leftovers.check_after_cancellation(node, ci, pods, mode)


@pytest.mark.tried("denial")
def test_a_denial_reaches_the_agent(ci: Namespace, storage: CopyingStorage) -> None:
    """The step ends with the error of the API server."""
    with pytest.raises(RefusedError, match='the pod has no container "build"'):
        Workflow(ci, storage, containers="build").start("docker info\n")
