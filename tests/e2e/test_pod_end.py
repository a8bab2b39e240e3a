"""How the daemon ends with its pod.

CI systems read the exit codes of all containers. Tekton and Argo Workflows report an init container that failed as the
cause of a failed run, so a daemon that ends with another code than 0 would hide the step that failed.
"""

from contextlib import suppress

import pytest
import workloads
from kube import Manifest, Namespace, Pod
from kubernetes.client.exceptions import NotFoundException

# A finalizer keeps the object of a deleted pod, so that its last status can be read.
FINALIZER = "e2e.dind.io/read-status"
# Kubernetes' default of 30 s suffices for dockerd, but not on a machine that runs many clusters at once.
GRACE_SECONDS = 120
# A container that ends only by SIGKILL, after the 10 s that dockerd waits, and a build that goes on
LEFT_RUNNING = """\
docker run --detach busybox sh -c 'trap : TERM; while true; do sleep 1; done'
printf 'FROM busybox\\nRUN sleep 600\\n' | docker build --progress=plain - 2>/tmp/build.log &
until grep -q 'RUN sleep' /tmp/build.log; do sleep 0.2; done
"""

pytestmark = pytest.mark.any_node


def exit_code(pod: Pod) -> int:
    """Wait until the daemon has ended for good, and return its exit code."""

    def has_ended() -> bool:
        return "terminated" in pod.status("dind").get("state", {})

    pod.until(has_ended, "end its daemon")
    status = pod.status("dind")
    assert status["restartCount"] == 0
    code: int = status["state"]["terminated"]["exitCode"]
    return code


@pytest.mark.parametrize(("last_line", "phase"), [("exit 0", "Succeeded"), ("exit 7", "Failed")])
@pytest.mark.parametrize("left_running", ["", LEFT_RUNNING], ids=["idle", "busy"])
def test_the_daemon_ends_with_0_whatever_the_containers_do(
    left_running: str, last_line: str, phase: str, ci: Namespace
) -> None:
    pod = ci.run(workloads.pod(left_running + last_line, terminationGracePeriodSeconds=GRACE_SECONDS))
    pod.until(lambda: pod.phase in {"Succeeded", "Failed"}, "complete")
    assert (pod.phase, exit_code(pod)) == (phase, 0)


@pytest.mark.parametrize("left_running", ["", LEFT_RUNNING], ids=["idle", "busy"])
def test_the_daemon_of_a_cancelled_pod_ends_with_0(left_running: str, ci: Namespace) -> None:
    # The trap comes first: a shell without one ignores SIGTERM as the first process, and kubelet then waits for it.
    script = f"trap 'exit 0' TERM\n{left_running}echo started\nwhile true; do sleep 1; done"
    manifest = workloads.pod(script, terminationGracePeriodSeconds=GRACE_SECONDS)
    pod = ci.run(kept_after_deletion(manifest)).ready()
    pod.until(lambda: "started" in pod.log("build"), "start its containers")
    try:
        pod.kube.delete("Pod", pod.name, pod.namespace)
        assert exit_code(pod) == 0
    finally:
        with suppress(NotFoundException):
            pod.kube.core.patch_namespaced_pod(pod.name, pod.namespace, {"metadata": {"finalizers": None}})


def kept_after_deletion(manifest: Manifest) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "finalizers": [FINALIZER]}}
