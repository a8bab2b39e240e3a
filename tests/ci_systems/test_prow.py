"""Jobs of Prow, whose pods get Docker. Its utilities run beside them, and check nothing out."""

from collections.abc import Iterator
from typing import Any

import leftovers
import pytest
import yaml
from builds import BOTH_MODES, BUILD, FAILING, LONG, MARKS
from cluster import local_node
from cluster.cluster import Cluster
from kube import Kube, Manifest
from page_examples import examples
from prow import Job, Prow, run_prow
from workloads import DOCKER


@pytest.fixture(scope="module")
def prow(node: Cluster, kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prow]:
    with kube.namespace() as namespace, run_prow(node, tmp_path_factory.mktemp("prow"), namespace) as running:
        yield running


def example_of_page() -> Manifest:
    (example,) = examples("Prow")
    found: Manifest = yaml.safe_load(example)
    return found


def start(prow: Prow, script: str, timeout: str = "1h", **options: str) -> Job:
    """Start the job of the page with another script, and other annotations: their names lack `dind.io/`."""
    jobs = example_of_page()
    ((job,),) = jobs["presubmits"].values()
    job["annotations"] |= {f"dind.io/{name}": text for name, text in options.items()}
    job["decoration_config"] = {"timeout": timeout}
    container: dict[str, Any] = job["spec"]["containers"][0]
    assert container["image"] == DOCKER
    container |= {"command": ["sh", "-euc", script], "env": [{"name": "TAG", "value": prow.namespace.name}]}
    job["spec"] = {**job["spec"], **local_node.selection(), "containers": [container]}
    return prow.start(jobs, job["name"])


@pytest.mark.tried("build")
@BOTH_MODES
def test_a_job_builds_runs_and_composes(mode: str, prow: Prow) -> None:
    job = start(prow, BUILD, inject=mode).ends("success")
    log = job.pod.log("test")
    assert all(mark in log for mark in MARKS), log
    assert job.pod.phase == "Succeeded"
    leftovers.check_after_build(prow.namespace, mode)


@pytest.mark.tried("bind mount")
def test_a_container_writes_artifacts(prow: Prow) -> None:
    script = 'docker run --rm --volume "$ARTIFACTS:/out" busybox sh -c "echo seen >/out/file"\ncat "$ARTIFACTS/file"\n'
    assert "seen" in start(prow, script).ends("success").pod.log("test")


@pytest.mark.tried("failure")
def test_a_job_that_fails_leaves_no_daemon(prow: Prow) -> None:
    job = start(prow, FAILING).ends("failure")
    assert job.pod.phase == "Failed"
    assert job.pod.status("test")["state"]["terminated"]["exitCode"] == 7
    assert job.pod.status("dind")["state"]["terminated"]["exitCode"] == 0


@pytest.mark.tried("cancellation")
@BOTH_MODES
def test_a_job_that_is_aborted_leaves_only_what_the_page_says(mode: str, prow: Prow, node: Cluster) -> None:
    job = start(prow, LONG, inject=mode)
    job.until_log_has("started")
    pods = [job.pod.read()["metadata"]["uid"]]
    job.abort()
    job.ends("aborted")
    leftovers.check_after_cancellation(node, prow.namespace, pods, mode)


@pytest.mark.tried("time-out")
def test_a_job_that_takes_too_long_leaves_no_daemon(prow: Prow) -> None:
    job = start(prow, LONG, "20s")
    job.until_log_has("started")
    job.ends("failure")
    assert "did not finish before 20s timeout" in job.pod.log("test")
    assert job.pod.status("dind")["state"]["terminated"]["exitCode"] == 0


@pytest.mark.tried("denial")
def test_a_denial_is_in_the_description_of_the_job(prow: Prow) -> None:
    job = start(prow, "docker info", containers="build").ends("error")
    assert 'the pod has no container "build"' in job.status["description"]
