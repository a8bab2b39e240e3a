"""DAGs of one task, which runs the script in the configuration of the run. Their workers have other annotations."""

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from kubernetes.client import V1ObjectMeta, V1Pod

for name, key, text in (
    ("sidecar", "inject", "sidecar"),
    ("daemonset", "inject", "daemonset"),
    ("denied", "containers", "build"),
):
    pod = V1Pod(metadata=V1ObjectMeta(annotations={f"dind.io/{key}": text}))
    with DAG(name, schedule=None, is_paused_upon_creation=False):
        BashOperator(
            task_id="build",
            bash_command="set -eu\n{{ dag_run.conf['script'] }}",
            executor_config={"pod_override": pod},
        )
