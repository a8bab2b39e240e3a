"""A KubernetesPodOperator of Airflow, which runs without a scheduler."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import python_packages
from airflow_programs import Airflow
from cluster.cluster import Cluster

_DAGS = Path(__file__).with_name("airflow_dags")


@dataclass(frozen=True)
class Operator:
    """An Airflow with a DAG of one operator, and the kubeconfig of its tasks."""

    airflow: Airflow
    kubeconfig: Path

    @classmethod
    def install(cls, node: Cluster, home: Path) -> Self:
        """Install Airflow, with its database in a folder."""
        airflow = Airflow(python_packages.install(node, "airflow"), home, _DAGS)
        airflow.make_database(OPERATOR="{}")
        return cls(airflow, node.kubeconfig)

    def run(self, **parameters: Any) -> subprocess.CompletedProcess[str]:
        """Run the operator until it ends. Its log is the output, and the code is 0 if it succeeded."""
        operator = {"kubernetes_conn_id": None, "config_file": str(self.kubeconfig), "in_cluster": False, **parameters}
        return self.airflow.run("dags", "test", "ci", OPERATOR=json.dumps(operator))
