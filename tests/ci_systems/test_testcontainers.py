"""Suites of Testcontainers in pods that have nothing but the suite.

Not shown: Ryuk, which removes containers of suites that crash. Its image can be had from a container registry only, and
its Go module from none.
"""

from dataclasses import replace

import pytest
import suites
import workloads
import yaml
from cluster.cluster import Cluster
from cluster.images import Image
from kube import Namespace
from page_examples import examples

# A JVM unpacks native libraries into /tmp.
MOUNTS = [{"name": "work", "mountPath": "/work"}, {"name": "tmp", "mountPath": "/tmp"}]
VOLUMES = [{"name": "work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]


@pytest.fixture(scope="module", params=suites.ALL, ids=lambda image: image.file)
def suite(request: pytest.FixtureRequest, node: Cluster) -> str:
    """Return the image of a suite."""
    image: Image = request.param
    suites.load(image, node)
    return image.names[0]


@pytest.mark.tried("bind mount")
@pytest.mark.parametrize("user", [0, 1000])
def test_a_suite_starts_a_container_maps_a_port_mounts_a_directory_and_reaps(
    user: int, suite: str, ci: Namespace
) -> None:
    (example,) = examples("Testcontainers")
    (container,) = yaml.safe_load(example)["spec"]["containers"]
    container = {
        "name": "suite",
        "image": suite,
        "imagePullPolicy": "IfNotPresent",
        "env": container["env"],
        "volumeMounts": MOUNTS,
        "securityContext": {"runAsUser": user, "readOnlyRootFilesystem": True},
    }
    watcher = workloads.container(workloads.FOREVER, "watcher")
    namespace = replace(ci, kube=replace(ci.kube, on_second_node=True))
    pod = namespace.run(workloads.pod(container, watcher, volumes=VOLUMES))
    pod.until(lambda: "terminated" in pod.status("suite").get("state", {}), "run the suite")
    log = pod.log("suite")
    assert pod.status("suite")["state"]["terminated"]["exitCode"] == 0, pod.describe()
    assert "http://localhost:" in log
    assert "said from the suite, from the container" in log
    assert not pod.exec("docker ps --all --quiet", "watcher")
