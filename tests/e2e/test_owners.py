"""Pods of controllers: the annotation is on the pod template, and the pods have no name at admission."""

from pathlib import Path
from typing import Any

import pytest
import workloads
from kube import Manifest, Namespace, Pod, read, until

pytestmark = pytest.mark.any_node

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
LABELS = {"app": "ci"}


def controlled(kind: str, **spec: Any) -> Manifest:
    """Return a workload of apps/v1 whose pods have a daemon, and are ready when the daemon responds."""
    probe = {"exec": {"command": ["docker", "info"]}, "timeoutSeconds": 10}
    template = workloads.template(workloads.container(workloads.FOREVER, readinessProbe=probe), restartPolicy="Always")
    template["metadata"]["labels"] = LABELS
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "ci"},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template, **spec},
    }


def only_pod(namespace: Namespace, selector: str = "app=ci") -> Pod:
    until("a pod", lambda: bool(namespace.pods(selector)), lambda: "\n".join(namespace.events("ci")))
    return namespace.pods(selector)[0]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [("Deployment", {"replicas": 1}), ("StatefulSet", {"replicas": 1, "serviceName": "ci"}), ("DaemonSet", {})],
)
def test_pods_of_a_controller_have_docker(ci: Namespace, kind: str, spec: Manifest) -> None:
    ci.make(controlled(kind, **spec))
    pod = only_pod(ci).ready()
    assert "dind" in [container["name"] for container in pod.read()["spec"]["initContainers"]]


def test_pods_of_a_deployment_are_replaced_by_ones_that_have_docker(ci: Namespace) -> None:
    ci.make(controlled("Deployment", replicas=1))
    first = only_pod(ci).ready()
    ci.kube.core.delete_namespaced_pod(first.name, ci.name)
    until("another pod", lambda: [pod.name for pod in ci.pods("app=ci")] not in ([], [first.name]))
    (second,) = [pod for pod in ci.pods("app=ci") if pod.name != first.name]
    second.ready().exec("docker run --rm busybox true")


def test_the_nightly_cronjob_of_the_examples_runs_as_another_user_than_root(ci: Namespace) -> None:
    (manifest,) = read(EXAMPLES / "non-root.cronjob.yaml")
    del manifest["metadata"]["namespace"]
    manifest["spec"]["schedule"] = "* * * * *"
    ci.make(manifest)
    pod = only_pod(ci, "batch.kubernetes.io/job-name").succeeds()
    assert pod.read()["spec"]["securityContext"]["runAsUser"] == 1000


def test_a_pod_that_the_api_server_has_yet_to_name_has_docker(ci: Namespace) -> None:
    manifest = workloads.pod("docker info")
    del manifest["metadata"]["name"]
    manifest["metadata"]["generateName"] = "build-"
    pod = ci.run(manifest).succeeds()
    assert pod.name.startswith("build-")


def test_the_token_of_the_service_account_stays_readable(ci: Namespace) -> None:
    script = "docker info >/dev/null 2>&1; head -c 3 /var/run/secrets/kubernetes.io/serviceaccount/token"
    assert ci.run(workloads.pod(script)).succeeds().log("build") == "eyJ"
