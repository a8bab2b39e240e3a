"""`migrate` on workloads of a real cluster: one that uses the node's Docker socket is found, changed, and injected."""

import json

import cli_plugin
import pytest
import workloads
from kube import Namespace, until
from workloads import FOREVER

pytestmark = pytest.mark.any_node
SOCKET = "/var/run/docker.sock"


def test_a_deployment_with_the_nodes_socket_is_changed_and_gets_docker(ci: Namespace) -> None:
    mount = {"name": "docker", "mountPath": SOCKET}
    template = workloads.template(
        workloads.container(FOREVER, volumeMounts=[mount]),
        inject=None,
        restartPolicy="Always",
        volumes=[{"name": "docker", "hostPath": {"path": SOCKET}}],
    )
    template["metadata"]["labels"] = {"app": "runner"}
    ci.make(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "runner"},
            "spec": {"selector": {"matchLabels": {"app": "runner"}}, "template": template},
        }
    )
    found = cli_plugin.run_plugin("migrate", "--output=json", f"--namespace={ci.name}")
    (finding,) = json.loads(found.stdout)["findings"]
    assert (found.returncode, finding["kind"], finding["verdict"]) == (1, "Deployment", "converts")

    applied = cli_plugin.run_plugin("migrate", "--apply", f"--namespace={ci.name}")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    until("a pod with Docker", lambda: any(pod.status("dind") for pod in ci.pods("app=runner")))
    assert cli_plugin.run_plugin("migrate", f"--namespace={ci.name}").stdout == "nothing to migrate\n"


def test_a_pod_is_not_changed(ci: Namespace) -> None:
    mount = {"name": "docker", "mountPath": SOCKET}
    volumes = [{"name": "docker", "hostPath": {"path": SOCKET}}]
    container = workloads.container(FOREVER, volumeMounts=[mount])
    ci.run(workloads.pod(container, inject="disabled", volumes=volumes))
    ran = cli_plugin.run_plugin("migrate", "--apply", f"--namespace={ci.name}")
    assert (ran.returncode, "left as it is on purpose" in ran.stdout) == (0, True)
