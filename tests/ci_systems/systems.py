"""The CI systems of docs/ci.md: how they are tried, by which tests, and in which versions. The page has this table."""

import re
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent


def _version(file: str, pattern: str) -> str:
    (found,) = re.findall(pattern, (_FOLDER / file).read_text("utf-8"), re.MULTILINE)
    return str(found)


def _locked(file: str, package: str) -> str:
    return _version(file, rf"^{re.escape(package)}==(\S+)")


# Go modules
TEKTON = "v1.12.0"
PROW = "v0.0.0-20240619181241-cfb8754e0459"
TESTCONTAINERS_GO = "v0.45.0"
# `make lock` writes these locks.
AIRFLOW = _locked("packages/airflow/requirements.txt", "apache-airflow")
AIRFLOW_PROVIDER = _locked("packages/airflow/requirements.txt", "apache-airflow-providers-cncf-kubernetes")
BUILDBOT = _locked("packages/buildbot/requirements.txt", "buildbot")
_TESTCONTAINERS_PYTHON = _locked("testcontainers/python/requirements.txt", "testcontainers")
_TESTCONTAINERS_JAVA = _version("testcontainers/java/pom.xml", "<testcontainers.version>(.*)</testcontainers.version>")
_AIRFLOW = f"{AIRFLOW}, provider cncf-kubernetes {AIRFLOW_PROVIDER}"
# The columns of the table, which tests name in their marker `tried`
COLUMNS = ("build", "bind mount", "failure", "cancellation", "time-out", "retry", "denial")


class System(NamedTuple):
    """A system: its name in the table, its section of the page, how it is tried, its version, and its tests."""

    name: str
    section: str
    how: str
    version: str
    tests: str


SYSTEMS = (
    System("Tekton", "Tekton", "tried", TEKTON.removeprefix("v"), "test_tekton.py"),
    System("Airflow, KubernetesPodOperator", "Airflow", "tried", _AIRFLOW, "test_airflow.py"),
    System("Airflow, KubernetesExecutor", "Airflow", "tried", _AIRFLOW, "test_airflow_executor.py"),
    System("Buildbot", "Buildbot", "tried", BUILDBOT, "test_buildbot.py"),
    System("Prow", "Prow", "tried", re.sub(r".*-(\d{4})(\d\d)(\d\d)\d{6}-.*", r"\1-\2-\3", PROW), "test_prow.py"),
    System(
        "Testcontainers",
        "Testcontainers",
        "tried",
        f"Go {TESTCONTAINERS_GO.removeprefix('v')}, Java {_TESTCONTAINERS_JAVA}, Python {_TESTCONTAINERS_PYTHON}",
        "test_testcontainers.py",
    ),
    System("GitLab Runner", "GitLab Runner", "expected", "19.4", "test_gitlab_pod.py"),
    System(
        "GitHub Actions",
        "GitHub actions-runner-controller",
        "expected",
        "`gha-runner-scale-set` 0.12, hooks of 2025",
        "test_actions_runner_pod.py",
    ),
    System("Drone", "Drone", "expected", "drone-runner-kube of 2023", "test_drone_pod.py"),
    System("Woodpecker", "Woodpecker", "expected", "3.0, documentation of 3.18", "test_woodpecker_pod.py"),
)
