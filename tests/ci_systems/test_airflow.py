"""A KubernetesPodOperator of Airflow, whose pod gets Docker. No scheduler runs: `airflow dags test` runs the task."""

import re
from pathlib import Path
from typing import Any

import leftovers
import pytest
from airflow_task import Operator
from builds import BOTH_MODES, BUILD, FAILING, MARKS
from cluster import local_node
from cluster.cluster import Cluster
from kube import Namespace
from page_examples import examples
from workloads import DOCKER


@pytest.fixture(scope="module")
def operator(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator.install(node, tmp_path_factory.mktemp("airflow"))


def task(ci: Namespace, script: str, **more: Any) -> dict[str, Any]:
    """Return the parameters of an operator that runs a script, on the faster node."""
    return {
        "name": "build",
        "namespace": ci.name,
        "image": DOCKER,
        "cmds": ["sh", "-euc", script],
        "env_vars": {"TAG": ci.name},
        "node_selector": local_node.SELECTOR,
        "tolerations": [local_node.TOLERATION],
        **more,
    }


@pytest.mark.tried("build")
@BOTH_MODES
def test_an_operator_builds_runs_and_composes(mode: str, ci: Namespace, operator: Operator) -> None:
    annotations = {"dind.io/inject": mode, "dind.io/containers": "base"}
    done = operator.run(**task(ci, BUILD, annotations=annotations))
    assert done.returncode == 0, done.stdout
    assert all(mark in done.stdout for mark in MARKS), done.stdout
    assert not ci.pods()
    leftovers.check_after_build(ci, mode)


def test_the_pod_template_of_the_page_gets_docker(ci: Namespace, operator: Operator, tmp_path: Path) -> None:
    example, _ = examples("Airflow")
    template = tmp_path / "template.yaml"
    template.write_text(example)
    done = operator.run(**task(ci, "docker info", pod_template_file=str(template)))
    assert done.returncode == 0, done.stdout
    assert "Server Version" in done.stdout


@pytest.mark.tried("failure")
def test_a_task_that_fails_is_failed_and_leaves_no_daemon(ci: Namespace, operator: Operator) -> None:
    done = operator.run(**task(ci, FAILING, annotations={"dind.io/inject": "sidecar"}))
    assert done.returncode != 0
    assert re.search(r"'?exit_?[cC]ode'?: 7", done.stdout), done.stdout
    assert not ci.pods()


@pytest.mark.tried("denial")
def test_a_denial_is_in_the_log_of_the_task(ci: Namespace, operator: Operator) -> None:
    annotations = {"dind.io/inject": "sidecar", "dind.io/containers": "build"}
    done = operator.run(**task(ci, "docker info", annotations=annotations))
    assert done.returncode != 0
    assert 'the pod has no container \\"build\\"' in done.stdout or 'the pod has no container "build"' in done.stdout
