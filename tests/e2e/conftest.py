"""Fixtures of the scenarios, which README.md tells how to run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster.cluster import Cluster, find
from cluster.places import Cache, State
from cluster.release import NAME, NAMESPACE, Helm
from kube import Kube, Namespace

KUBECONFIG = os.environ.get("E2E_KUBECONFIG")
# Name of the cluster whose node is on this machine
CLUSTER = os.environ.get("E2E_CLUSTER")


def pytest_configure() -> None:
    if not KUBECONFIG:
        raise pytest.UsageError("E2E_KUBECONFIG names no cluster: see tests/e2e/README.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CLUSTER:
        return
    for item in items:
        if item.get_closest_marker("node"):
            item.add_marker(pytest.mark.skip(reason="reaches into the node, which E2E_CLUSTER does not name"))


@pytest.fixture(scope="session")
def kube() -> Kube:
    assert KUBECONFIG
    return Kube.load(KUBECONFIG)


@pytest.fixture
def ci(kube: Kube) -> Iterator[Namespace]:
    """Yield a namespace whose pods may ask for Docker."""
    with kube.namespace() as namespace:
        yield namespace


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Return helm, for the release that is there for all tests."""
    assert KUBECONFIG
    return Helm.of(Path(KUBECONFIG), Cache.of_user().logs("tests"))


@pytest.fixture(scope="session")
def node() -> Cluster:
    """Return the cluster from within; for tests with the marker `node`."""
    assert CLUSTER
    found = find(State(CLUSTER), Cache.of_user())
    assert found
    return found


@pytest.fixture(scope="session")
def registry_mirror(kube: Kube) -> str:
    """Return the mirror that the release's operator has set for everybody, or an empty text."""
    text = kube.get("ConfigMap", NAME, NAMESPACE)["data"]["settings.yaml"]
    found: str = yaml.safe_load(text)["injection"]["defaults"].get("registry-mirrors", "")
    return found
