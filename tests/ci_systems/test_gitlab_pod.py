"""The pod that GitLab Runner makes, with Docker: expected from reading its Kubernetes executor.

The runner itself cannot be built: registries do not have the modules that it needs. The tests do what it does in attach
mode: they wait for the containers `build` and `helper`, send a script to the shell of `build`, and delete the pod.
"""

import subprocess
from typing import Any

import leftovers
import pytest
from builds import BOTH_MODES, BUILD, FAILING, LONG, MARKS
from cluster import local_node
from cluster.cluster import Cluster
from cluster.commands import Command
from kube import Manifest, Namespace, Pod, RefusedError, until
from workloads import BUSYBOX, DOCKER

VOLUMES = {"scripts": "/scripts-1-1", "logs": "/logs-1-1", "repo": "/builds"}
LOG = "/logs-1-1/output.log"
# The runner's test for a shell, shortened
SHELL = "if [ -x /bin/bash ]; then\n\texec /bin/bash\nelif [ -x /bin/sh ]; then\n\texec /bin/sh\nfi\n"


def container(name: str, image: str, *command: str, **more: Any) -> Manifest:
    return {
        "name": name,
        "image": image,
        "command": list(command),
        "env": [{"name": "CI_PROJECT_DIR", "value": "/builds/group/project"}],
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in VOLUMES.items()],
        "securityContext": {"capabilities": {"drop": ["NET_RAW"]}},
        **more,
    }


class Job:
    """A job whose pod runs, on the faster node."""

    def __init__(self, ci: Namespace, node: Cluster, mode: str = "sidecar", containers: str = "build") -> None:
        self.node = node
        annotations = {"dind.io/inject": mode, "dind.io/containers": containers}
        init = container("init-permissions", BUSYBOX, "sh", "-c", f"touch {LOG} && (chmod 777 {LOG} || exit 0)")
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "runner-abc-project-1-concurrent-0", "annotations": annotations},
            "spec": {
                "restartPolicy": "Never",
                "volumes": [{"name": volume, "emptyDir": {}} for volume in VOLUMES],
                "initContainers": [init],
                "containers": [
                    container("build", DOCKER, "sh", "-c", SHELL, stdin=True),
                    container("helper", BUSYBOX, "sh", "-c", SHELL, stdin=True),
                ],
                **local_node.selection(),
            },
        }
        self.pod: Pod = ci.run(pod)
        self.pod.until(self._is_running, "run")

    def start(self, script: str) -> None:
        """Send a script to the shell of container `build`. Its output, and its code at the end, are in the log."""
        self.pod.exec(f"cat >/scripts-1-1/step_script <<'SCRIPT'\n{script}SCRIPT\n", "helper")
        place = "mkdir -p /builds/group/project; cd /builds/group/project"
        shell = f"{place}; export TAG={self.pod.namespace}; sh -eu /scripts-1-1/step_script"
        kubectl: Command = [self.node.binaries.kubectl, f"--kubeconfig={self.node.kubeconfig}"]
        attach = ["attach", "--stdin", f"--namespace={self.pod.namespace}", self.pod.name, "--container=build"]
        line = f"({shell}) </dev/null >{LOG} 2>&1; echo code: $? >>{LOG}\n"
        subprocess.run([*kubectl, *attach], input=line, text=True, check=True, capture_output=True, timeout=60)

    def until_log_has(self, text: str) -> None:
        until(f"{text!r} in the log", lambda: text in self.log, lambda: f"{self.log}\n{self.pod.describe()}")

    @property
    def log(self) -> str:
        return self.pod.exec(f"cat {LOG}", "helper")

    def delete(self) -> None:
        self.pod.kube.core.delete_namespaced_pod(self.pod.name, self.pod.namespace)

    def _is_running(self) -> bool:
        names = ("build", "helper")
        return self.pod.phase == "Running" and all(self.pod.status(name).get("ready") for name in names)


@pytest.mark.tried("build")
@BOTH_MODES
def test_a_job_builds_runs_and_composes(mode: str, ci: Namespace, node: Cluster) -> None:
    job = Job(ci, node, mode)
    job.start(BUILD)
    job.until_log_has("code: ")
    assert "code: 0" in job.log, job.log
    assert all(mark in job.log for mark in MARKS), job.log
    leftovers.check_after_build(ci, mode)


@pytest.mark.tried("bind mount")
def test_a_container_sees_the_checkout(ci: Namespace, node: Cluster) -> None:
    job = Job(ci, node)
    job.pod.exec("mkdir -p /builds/group/project && echo seen >/builds/group/project/file", "helper")
    job.start('docker run --rm --volume "$PWD:/w" busybox cat /w/file\n')
    job.until_log_has("code: ")
    assert "seen" in job.log


@pytest.mark.tried("failure")
def test_a_job_that_fails_leaves_no_daemon(ci: Namespace, node: Cluster) -> None:
    job = Job(ci, node)
    job.start(FAILING)
    job.until_log_has("code: 7")
    pods = leftovers.uids(ci)
    job.delete()
    leftovers.until_gone(node, ci, pods)


@pytest.mark.tried("cancellation")
@BOTH_MODES
def test_a_job_that_is_cancelled_leaves_only_what_the_page_says(mode: str, ci: Namespace, node: Cluster) -> None:
    """The runner deletes the pod of jobs that are cancelled or take too long."""
    job = Job(ci, node, mode)
    job.start(LONG)
    job.until_log_has("started")
    pods = leftovers.uids(ci)
    job.delete()
    leftovers.check_after_cancellation(node, ci, pods, mode)


@pytest.mark.tried("denial")
def test_a_denial_reaches_the_runner(ci: Namespace, node: Cluster) -> None:
    """The runner writes the error of the API server into the job's log."""
    with pytest.raises(RefusedError, match='the pod has no container "biuld"'):
        Job(ci, node, containers="biuld")
