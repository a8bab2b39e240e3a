"""sidecar mode: each pod has its own Docker daemon."""

from pathlib import Path

import pytest
import workloads
import yaml
from cluster.release import Helm
from kube import Kube, Namespace, Pod, read, until
from releases import install_release

pytestmark = pytest.mark.any_node

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"

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


def test_the_loop_of_clean_ci_goes_round_as_its_manifest_stands(ci: Namespace) -> None:
    (manifest,) = read(EXAMPLES / "clean-ci.yaml")
    pod = ci.run(manifest).ready()
    until(
        "the loop to have saved and removed the image", lambda: "/tmp/busybox.tar" in pod.log("clean-ci"), pod.describe
    )
    log = pod.log("clean-ci")
    assert "Downloaded newer image for busybox:latest" in log
    assert "Untagged: busybox:latest" in log


def test_pull_run_save_and_rmi_work_and_the_pod_completes(ci: Namespace) -> None:
    log = ci.run(workloads.pod(LOOP)).succeeds().log("build")
    assert "hello from round 1" in log
    assert "hello from round 2" in log


def test_the_daemon_starts_through_the_entrypoint_of_its_image(ci: Namespace) -> None:
    """The entrypoint reaps processes and mounts a tmpfs on /tmp. It opens no port if the first argument is dockerd."""
    pod = ci.run(workloads.pod(workloads.FOREVER)).ready()
    assert pod.exec("cat /proc/1/comm", "dind") == "docker-init\n"
    assert " /tmp tmpfs " in pod.exec("cat /proc/mounts", "dind")
    assert ":2375" not in pod.log("dind")


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
    _until_complete(ci, "ci")


def test_the_job_of_the_examples_builds_an_image_and_runs_it_over_its_workspace(ci: Namespace) -> None:
    (manifest,) = read(EXAMPLES / "job.yaml")
    del manifest["metadata"]["namespace"]
    ci.make(manifest)
    _until_complete(ci, "build")
    (pod,) = ci.pods("job-name=build")
    assert "/w/input.txt" in pod.log("build")


def test_the_handwritten_form_is_an_ordinary_container_with_a_tcp_port(
    kube: Kube, helm: Helm, registry_mirror: str
) -> None:
    """With the settings of deploy/examples, injection makes the manifest that people wrote by hand, with port 8000.

    Debian's Docker 26.1 replaces docker:stable-dind, which is 19.03. It has no entrypoint, and waits some seconds
    before it opens a port without TLS.
    """
    settings = yaml.safe_load((EXAMPLES / "handwritten-sidecar.settings.yaml").read_text("utf-8"))
    # A cluster without a mirror reaches Docker Hub directly.
    settings["injection"]["defaults"]["registry-mirrors"] = registry_mirror
    (manifest,) = read(EXAMPLES / "clean-ci.yaml")
    with install_release(kube, helm, {"settings": settings}) as release, release.namespace_of() as namespace:
        pod = namespace.run(manifest).ready()
        spec = pod.read()["spec"]
        assert [container["name"] for container in spec["containers"]] == ["clean-ci", "dind"]
        assert "initContainers" not in spec
        until("the loop to have gone round", lambda: "/tmp/busybox.tar" in pod.log("clean-ci"), pod.describe)
        # From another pod: everyone who reaches the port can use the daemon.
        address = pod.read()["status"]["podIP"]
        other = workloads.pod(f"docker --host=tcp://{address}:8000 info", name="other", inject="disabled")
        namespace.run(other).succeeds()


def _said_at(pod: Pod, container: str, text: str) -> str:
    """Return the node's time at which a container wrote a line, as text that sorts by time."""
    log = pod.kube.core.read_namespaced_pod_log(pod.name, pod.namespace, container=container, timestamps=True)
    return next(line.split()[0] for line in log.splitlines() if text in line)


def _until_complete(namespace: Namespace, job: str) -> None:
    def ended() -> bool:
        status = namespace.kube.get("Job", job, namespace.name, "batch/v1")["status"]
        assert not status.get("failed"), "\n".join(pod.describe() for pod in namespace.pods(f"job-name={job}"))
        return bool(status.get("succeeded"))

    until(f"job {job} to complete", ended, lambda: "\n".join(pod.describe() for pod in namespace.pods()))
