"""A scheduler and an API server of Airflow beside the cluster, whose KubernetesExecutor makes a pod for each task."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.request import Request, urlopen

import airflow_worker_image
import python_packages
import yaml
from airflow_programs import Airflow
from cluster import local_node
from cluster.cluster import Cluster
from kube import Manifest, Namespace, Pod, until
from outside_service import outside_process, outside_service

_PORT = 8012
# The scheduler and the API server start processes, which end with them.
_WITH_CHILDREN = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "env")


@dataclass(frozen=True)
class Run:
    """A run of a DAG with one task."""

    scheduler: "Scheduler"
    dag: str
    name: str

    @property
    def state(self) -> str:
        return str(self.scheduler.call("GET", self._path)["state"])

    @property
    def pod(self) -> Pod:
        """Return the pod of the worker."""
        (pod,) = self.scheduler.namespace.pods(f"run_id={self.name}")
        return pod

    @property
    def log(self) -> str:
        """Return what the task has printed: the lines of the worker are JSON, with the text as `event`."""
        lines = [json.loads(line) for line in self.pod.log("base").splitlines() if line.startswith("{")]
        return "\n".join(str(line.get("event")) for line in lines)

    def until_log_has(self, text: str) -> None:
        def has_text() -> bool:
            pods = self.scheduler.namespace.pods(f"run_id={self.name}")
            return bool(pods) and self.pod.phase == "Running" and text in self.log

        until(f"{text!r} in the log", has_text, self.describe)

    def ends(self, state: str) -> "Run":
        """Wait until the run has ended, in this state."""
        until("the run to end", lambda: self.state in {"success", "failed"}, self.describe)
        assert self.state == state, self.describe()
        return self

    def mark_as_failed(self) -> None:
        """Do what a person does to stop a run."""
        self.scheduler.call("PATCH", self._path, state="failed")

    def describe(self) -> str:
        pods = self.scheduler.namespace.pods(f"run_id={self.name}")
        return "\n".join([self.state, *(pod.describe() for pod in pods), self.scheduler.log[-5000:]])

    @property
    def _path(self) -> str:
        return f"api/v2/dags/{self.dag}/dagRuns/{self.name}"


@dataclass(frozen=True)
class Scheduler:
    """A running scheduler, with the address of its API server, its log, and the namespace of the workers."""

    url: str
    log_file: Path
    namespace: Namespace

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def run(self, dag: str, script: str) -> Run:
        name = f"run-{token_hex(4)}"
        self.call(
            "POST",
            f"api/v2/dags/{dag}/dagRuns",
            dag_run_id=name,
            logical_date=None,
            conf={"script": f"export TAG={self.namespace.name}\n{script}"},
        )
        return Run(self, dag, name)

    def call(self, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        request = Request(f"{self.url}/{path}", json.dumps(body).encode() if body else None, headers, method=method)
        with urlopen(request) as answer:
            return json.load(answer)

    def _token(self) -> str:
        with urlopen(f"{self.url}/auth/token") as answer:
            return str(json.load(answer)["access_token"])


@contextmanager
def run_scheduler(node: Cluster, home: Path, template: Manifest, namespace: Namespace) -> Iterator[Scheduler]:
    """Yield a scheduler, with its files in a folder, and a pod template for its workers, which are in a namespace."""
    airflow_worker_image.load(node)
    url = f"http://{node.record.link.control_plane}:{_PORT}"
    template_file = home / "pod_template.yaml"
    template_file.write_text(yaml.safe_dump(_complete(template, url)))
    image, _, tag = airflow_worker_image.IMAGE.names[0].rpartition(":")
    executor = {
        "POD_TEMPLATE_FILE": str(template_file),
        "WORKER_CONTAINER_REPOSITORY": image,
        "WORKER_CONTAINER_TAG": tag,
        "NAMESPACE": namespace.name,
        "IN_CLUSTER": "False",
        "CONFIG_FILE": str(node.kubeconfig),
        # Tests read the logs of pods.
        "DELETE_WORKER_PODS": "False",
    }
    settings = {
        "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": token_hex(64),
        **_execution_api(url),
        **{f"AIRFLOW__KUBERNETES_EXECUTOR__{name}": text for name, text in executor.items()},
    }
    airflow = Airflow(python_packages.install(node, "airflow"), home, airflow_worker_image.DAGS, settings)
    airflow.make_database()
    start = [*_WITH_CHILDREN, *(f"{name}={text}" for name, text in airflow.environment.items()), airflow.command]
    server = [*start, "api-server", f"--host={node.record.link.control_plane}", f"--port={_PORT}", "--workers=1"]
    name = "airflow-scheduler"
    with outside_service(node, "airflow-api-server", server, _PORT), outside_process(node, name, [*start, "scheduler"]):
        yield Scheduler(url, node.sandbox.logs / f"{name}.log", namespace)


def _execution_api(url: str) -> dict[str, str]:
    return {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/"}


def _complete(template: Manifest, url: str) -> Manifest:
    """Return a template with the place of the workers, the user of the published image, and Airflow's settings."""
    (base,) = template["spec"]["containers"]
    settings = {**_execution_api(url), "AIRFLOW__CORE__DAGS_FOLDER": airflow_worker_image.DAGS_OF_WORKER}
    base["env"] = [*base.get("env", []), *({"name": name, "value": text} for name, text in settings.items())]
    security = {"runAsUser": airflow_worker_image.USER}
    return {**template, "spec": {**template["spec"], **local_node.selection(), "securityContext": security}}
