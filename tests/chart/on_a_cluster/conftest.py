"""The cluster for these tests. CHART_KUBECONFIG must name it, so that the tests never use a cluster by accident."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dry_run_api import DryRunApi, dry_run_namespaces
from kubernetes import client, config
from kubernetes.dynamic import DynamicClient

# Kinds of operators that the cluster may lack. The CRDs of these tests accept any content.
CUSTOM = {
    "cert-manager.io/v1": ("Certificate", "Issuer"),
    "monitoring.coreos.com/v1": ("PodMonitor", "ServiceMonitor", "PrometheusRule"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore the warning about unverified HTTPS: this machine may not trust the certificate of the cluster."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:Unverified HTTPS request"))


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    path = os.environ.get("CHART_KUBECONFIG")
    if not path:
        pytest.fail("CHART_KUBECONFIG has to name the kubeconfig of a cluster to try the chart on")
    return Path(path)


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> client.ApiClient:
    configuration = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    return client.ApiClient(configuration)


@pytest.fixture(scope="module")
def dry_run_api(api: client.ApiClient) -> Iterator[DryRunApi]:
    with dry_run_namespaces(api) as dry_run_api:
        yield dry_run_api


@pytest.fixture
def namespace(api: client.ApiClient) -> Iterator[str]:
    """Yield a namespace, and delete it after the test."""
    name = f"chart-test-{token_hex(3)}"
    core = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


@pytest.fixture(scope="session")
def dynamic(api: client.ApiClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamicClient]:
    """Yield a client for all kinds, including those of cert-manager and the Prometheus operator."""
    extensions = client.ApiextensionsV1Api(api)
    there = {crd.metadata.name for crd in extensions.list_custom_resource_definition().items}
    made = [crd for crd in _crds() if crd["metadata"]["name"] not in there]
    for crd in made:
        extensions.create_custom_resource_definition(crd)
    for crd in made:
        _until_served(extensions, crd["metadata"]["name"])
    # The default cache of kinds is a file for all clients of the same URL, which would outlive these CRDs.
    yield DynamicClient(api, cache_file=str(tmp_path_factory.mktemp("kinds") / "cache.json"))
    for crd in made:
        extensions.delete_custom_resource_definition(crd["metadata"]["name"])


def _until_served(extensions: client.ApiextensionsV1Api, name: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        conditions = extensions.read_custom_resource_definition(name).status.conditions or []
        if any(c.type == "Established" and c.status == "True" for c in conditions):
            return
        time.sleep(0.2)
    pytest.fail(f"{name} is not served")


def _crds() -> Iterator[dict[str, Any]]:
    for group_version, kinds in CUSTOM.items():
        group, version = group_version.split("/")
        for kind in kinds:
            plural = f"{kind.lower()}s"
            yield {
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {
                    "group": group,
                    "scope": "Namespaced",
                    "names": {"kind": kind, "plural": plural},
                    "versions": [
                        {
                            "name": version,
                            "served": True,
                            "storage": True,
                            "schema": {
                                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                            },
                        }
                    ],
                },
            }
