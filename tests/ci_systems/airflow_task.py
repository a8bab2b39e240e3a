"""Apache Airflow in an environment of its own, which runs one KubernetesPodOperator without a scheduler."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cluster.cluster import Cluster
from cluster.commands import run
from cluster.steps import step

VERSION = "3.3.2"
_PACKAGES = (f"apache-airflow=={VERSION}", "apache-airflow-providers-cncf-kubernetes==10.25.0")
_DAGS = Path(__file__).with_name("airflow_dags")
_SECONDS = 300


@dataclass(frozen=True)
class Airflow:
    """The programs of Airflow, its folder with a database, and the kubeconfig of its tasks."""

    programs: Path
    home: Path
    kubeconfig: Path

    @classmethod
    def install(cls, node: Cluster, home: Path) -> Self:
        """Install Airflow, once on this machine, and make a database in a folder."""
        folder = node.cache.bin("airflow", VERSION)
        programs = folder / "venv/bin"
        log = node.logs / "airflow.log"
        if not (folder / "installed").exists():
            with node.cache.lock("build"), step(f"installing Airflow {VERSION}"):
                run("making a virtual environment", [sys.executable, "-m", "venv", "--clear", folder / "venv"], log)
                run("installing Airflow", [programs / "pip", "install", "--quiet", *_PACKAGES], log)
                (folder / "installed").touch()
        made = cls(programs, home, node.kubeconfig)
        made._call("db", "migrate")
        # Airflow runs only DAGs that its database has.
        made._call("dags", "reserialize", OPERATOR="{}")
        return made

    def run(self, **parameters: Any) -> subprocess.CompletedProcess[str]:
        """Run the operator until it ends. Its log is the output, and the code is 0 if it succeeded."""
        operator = {"kubernetes_conn_id": None, "config_file": str(self.kubeconfig), "in_cluster": False, **parameters}
        return self._start("dags", "test", "ci", OPERATOR=json.dumps(operator))

    def _call(self, *arguments: str, **variables: str) -> None:
        done = self._start(*arguments, **variables)
        assert done.returncode == 0, done.stdout

    def _start(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(_DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            **variables,
        }
        return subprocess.run(
            [self.programs / "airflow", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=_SECONDS,
            check=False,
        )
