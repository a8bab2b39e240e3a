"""Tasks of Airflow's KubernetesExecutor, whose workers are pods that get Docker. Their image has no Docker client."""

from collections.abc import Iterator

import leftovers
import pytest
import yaml
from airflow_executor import Scheduler, run_scheduler
from builds import BOTH_MODES, BUILD, FAILING, LONG, MARKS
from cluster.cluster import Cluster
from kube import Kube, until
from page_examples import examples


@pytest.fixture(scope="module")
def scheduler(node: Cluster, kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    """Yield a scheduler with the pod template of the page."""
    _, template = map(yaml.safe_load, examples("Airflow"))
    folder = tmp_path_factory.mktemp("airflow")
    with kube.namespace() as namespace, run_scheduler(node, folder, template, namespace) as running:
        yield running


@pytest.mark.tried("build")
@BOTH_MODES
def test_a_worker_builds_runs_and_composes(mode: str, scheduler: Scheduler) -> None:
    run = scheduler.run(mode, BUILD).ends("success")
    assert all(mark in run.log for mark in MARKS), run.log
    run.pod.succeeds()
    leftovers.check_after_build(scheduler.namespace, mode)


@pytest.mark.tried("failure")
def test_a_task_that_fails_leaves_no_daemon(scheduler: Scheduler) -> None:
    """The worker ends with 0 all the same: it has told the API server that the task has failed."""
    run = scheduler.run("sidecar", FAILING).ends("failed")
    assert "exit code 7" in run.log
    run.pod.succeeds()
    assert run.pod.status("dind")["state"]["terminated"]["exitCode"] == 0


@pytest.mark.tried("cancellation")
@BOTH_MODES
def test_a_run_that_is_stopped_leaves_only_what_the_page_says(mode: str, scheduler: Scheduler, node: Cluster) -> None:
    run = scheduler.run(mode, LONG)
    run.until_log_has("started")
    pods = [run.pod.read()["metadata"]["uid"]]
    run.mark_as_failed()
    run.pod.until(lambda: run.pod.phase in {"Succeeded", "Failed"}, "end")
    run.pod.kube.delete("Pod", run.pod.name, run.pod.namespace)
    leftovers.check_after_cancellation(node, scheduler.namespace, pods, mode)


@pytest.mark.tried("denial")
def test_a_denial_is_in_the_log_of_the_scheduler(scheduler: Scheduler) -> None:
    scheduler.run("denied", "docker info\n").ends("failed")
    until("the denial", lambda: 'the pod has no container \\"build\\"' in scheduler.log, lambda: scheduler.log)
