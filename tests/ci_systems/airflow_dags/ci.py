"""A DAG of one KubernetesPodOperator, whose parameters are in the variable OPERATOR, as JSON."""

import json
import os

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG

with DAG("ci", schedule=None):
    KubernetesPodOperator(task_id="build", **json.loads(os.environ["OPERATOR"]))
