"""A suite of Testcontainers for Go in a pod that has nothing but its program.

Not shown: Ryuk, which removes containers of suites that crash, because its image can be had from a registry only.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import workloads
from cluster.cluster import Cluster
from cluster.go import Go, Program
from kube import Namespace
from program_image import load_program

SOURCE = Path(__file__).with_name("testcontainers") / "main.go"
MODULE, VERSION = "github.com/testcontainers/testcontainers-go", "v0.45.0"
IMAGE = f"localhost/testcontainers:{VERSION}"
VARIABLES = [{"name": "TESTCONTAINERS_RYUK_DISABLED", "value": "true"}]


@pytest.fixture(scope="module", autouse=True)
def _suite(node: Cluster) -> None:
    log = node.logs / "testcontainers.log"
    with node.cache.lock("build"):
        go = Go.of_machine(log)
        folder = node.cache.modules("testcontainers", VERSION)
        go.require(folder, MODULE, VERSION)
        shutil.copy(SOURCE, folder)
        program = node.cache.bin("testcontainers", VERSION) / "suite"
        go.build(folder, Program(".", cgo=False), program)
    load_program(node, IMAGE, program, "/suite")


@pytest.mark.parametrize("user", [0, 1000])
def test_a_suite_starts_a_container_maps_a_port_mounts_a_directory_and_reaps(user: int, ci: Namespace) -> None:
    suite = {
        "name": "suite",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "env": VARIABLES,
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
        "securityContext": {"runAsUser": user, "readOnlyRootFilesystem": True},
    }
    watcher = workloads.container(workloads.FOREVER, "watcher")
    namespace = replace(ci, kube=replace(ci.kube, on_second_node=True))
    pod = namespace.run(workloads.pod(suite, watcher, volumes=[{"name": "work", "emptyDir": {}}]))
    pod.until(lambda: "terminated" in pod.status("suite").get("state", {}), "run the suite")
    log = pod.log("suite")
    assert pod.status("suite")["state"]["terminated"]["exitCode"] == 0, pod.describe()
    assert "http://localhost:" in log
    assert 'said "from the suite", "from the container\\n"' in log
    assert not pod.exec("docker ps --all --quiet", "watcher")
