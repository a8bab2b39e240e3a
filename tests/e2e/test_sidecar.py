"""sidecar mode: each pod has its own Docker daemon. The pods run on a node with cgroup v2."""

import workloads
from kube import Namespace, Pod

LOOP = """\
for round in 1 2; do
  docker info >/dev/null
  docker pull library/busybox:latest
  docker run --rm library/busybox:latest echo "hello from round $round"
  docker save --output /tmp/busybox.tar library/busybox:latest
  docker rmi library/busybox:latest
done
[ -s /tmp/busybox.tar ]
[ -z "$(docker images --quiet)" ]
"""


def test_pull_run_save_and_rmi_work_and_the_pod_completes(ci: Namespace) -> None:
    log = ci.run(workloads.pod(LOOP)).succeeds().log("build")
    assert "hello from round 1" in log
    assert "hello from round 2" in log


def test_docker_is_there_before_the_first_container_starts(ci: Namespace) -> None:
    """An early client succeeds too: dockerd creates its socket first, and responds a second later."""
    pod = ci.run(workloads.pod("echo started; docker info")).succeeds()
    assert _said_at(pod, "dind", "API listen on /run/dind/docker.sock") < _said_at(pod, "build", "started")


def test_a_job_completes_though_its_daemon_would_run_for_ever(ci: Namespace) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "ci"},
        "spec": {"backoffLimit": 0, "template": workloads.template(LOOP)},
    }
    ci.make(job)
    ci.until_complete("ci")


def _said_at(pod: Pod, container: str, text: str) -> str:
    """Return the node's time at which a container wrote a line, as text that sorts by time."""
    log = pod.kube.core.read_namespaced_pod_log(pod.name, pod.namespace, container=container, timestamps=True)
    return next(line.split()[0] for line in log.splitlines() if text in line)
