"""The manifests and settings of deploy/examples, as they stand, on a node with cgroup v2."""

from pathlib import Path

import pytest
import workloads
import yaml
from cluster.release import Helm
from kube import Kube, Namespace, read, until
from releases import install_release

pytestmark = pytest.mark.xdist_group("examples")

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


def test_clean_ci_pulls_saves_and_removes_its_image(ci: Namespace) -> None:
    (manifest,) = read(EXAMPLES / "clean-ci.yaml")
    pod = ci.run(manifest).ready()
    until(
        "the loop to have saved and removed the image", lambda: "/tmp/busybox.tar" in pod.log("clean-ci"), pod.describe
    )
    log = pod.log("clean-ci")
    assert "Downloaded newer image for busybox:latest" in log
    assert "Untagged: busybox:latest" in log


def test_the_job_of_the_examples_builds_an_image_and_runs_it_over_its_workspace(ci: Namespace) -> None:
    (manifest,) = read(EXAMPLES / "job.yaml")
    del manifest["metadata"]["namespace"]
    ci.make(manifest)
    ci.until_complete("build")
    (pod,) = ci.pods("job-name=build")
    assert "/w/input.txt" in pod.log("build")


def test_the_handwritten_sidecar_is_an_ordinary_container_with_a_tcp_port(
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


@pytest.mark.node
def test_the_handwritten_daemonset_shares_the_nodes_own_var_run(kube: Kube, helm: Helm) -> None:
    """With the settings of deploy/examples, injection makes the manifest that people wrote by hand."""
    settings = yaml.safe_load((EXAMPLES / "handwritten-daemonset.settings.yaml").read_text("utf-8"))
    settings["injection"]["modes"] = ["daemonset"]
    # In the chart, the host path is a value outside of the settings.
    values = {"settings": settings, "daemonset": {"hostPath": settings["injection"].pop("host_path")}}
    (daemonset,) = read(EXAMPLES / "docker-ci.daemonset.yaml")
    (manifest,) = read(EXAMPLES / "business-pod.yaml")
    with (
        install_release(kube, helm, values) as release,
        release.namespace_of() as namespace,
    ):
        namespace.make(daemonset)
        until("the daemon's pod", lambda: bool(namespace.pods("app=docker-ci")))
        daemon = namespace.pods("app=docker-ci")[0].ready()
        until("the daemon to answer", lambda: daemon.exec(workloads.ANSWERS) == "a daemon\n", daemon.describe)
        pod = namespace.run(manifest).succeeds()
        assert pod.read()["spec"]["volumes"][-1]["hostPath"]["path"] == "/var/run"
        assert "Server Version" in pod.log("business")
