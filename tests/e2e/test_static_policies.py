"""An API server that reads the policies from the files of `dind-webhook policy --static` when it starts.

It is a second one beside that of the cluster, with the same etcd. No pod runs, so no node is needed.
"""

import copy
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import workloads
from cluster.cluster import Cluster
from cluster.record import Record
from cluster.services import API_PORT
from kube import Kube, RefusedError, until
from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException
from typer.testing import CliRunner
from urllib3.exceptions import HTTPError

from dind_webhook.cli.main import cli

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("static-policies")]

PORT = API_PORT + 1
ADMISSION = "admissionregistration.k8s.io/v1"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static") / "dind"
    ran = CliRunner().invoke(cli, ["policy", "--static", str(folder)])
    assert ran.exit_code == 0, ran.output
    return folder


@pytest.fixture(scope="module")
def static(node: Cluster, kube_of_session: Kube, files: Path) -> Iterator[Kube]:
    """Yield a client of the API server with the files."""
    # Another test may have restarted the API server.
    record = Record.load(node.state)
    assert record
    running = Path(f"/proc/{record.services['apiserver']}/cmdline").read_text("utf-8").rstrip("\0").split("\0")
    own = [f"--secure-port={PORT}", f"--admission-control-config-file={files / 'admission.yaml'}"]
    command = [*(each for each in running if not each.startswith("--secure-port=")), *own]
    process = node.sandbox.start("apiserver-static", command).wait_for_pid()
    try:
        configuration = copy.deepcopy(kube_of_session.api.configuration)
        configuration.host = configuration.host.replace(str(API_PORT), str(PORT))
        api = client.ApiClient(configuration)
        until("the API server with the files", lambda: _is_ready(api))
        yield replace(kube_of_session, api=api, objects=dynamic.DynamicClient(api, cache_file="/dev/null/cache"))
    finally:
        os.kill(process, signal.SIGTERM)


def _is_ready(api: client.ApiClient) -> bool:
    with suppress(ApiException, HTTPError):
        return bool(api.call_api("GET", f"{api.configuration.host}/readyz").status == 200)
    return False


def test_the_files_inject_pods_and_deny_as_the_objects_do(static: Kube) -> None:
    with static.namespace("enabled") as namespace:
        made = namespace.make(workloads.pod("true"), dry_run="All")
        assert [each["name"] for each in made["spec"]["initContainers"]] == ["dind"]
        with pytest.raises(RefusedError, match="only the webhook dind-webhook can apply another one"):
            namespace.make(workloads.pod("true", options={"mtu": "1400"}), dry_run="All")
        with pytest.raises(RefusedError, match='"sidcar" is not accepted'):
            namespace.make(workloads.pod("true", inject="sidcar"), dry_run="All")


def test_nobody_can_see_or_replace_them_through_the_api(static: Kube) -> None:
    policies = static.objects.resources.get(api_version=ADMISSION, kind="MutatingAdmissionPolicy")
    assert not [each for each in policies.get().items if each.metadata.name.endswith(".static.k8s.io")]
