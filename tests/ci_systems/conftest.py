"""Fixtures of tests that `make ci-systems` runs on a cluster of tests/e2e."""

import os
from collections.abc import Iterator

import pytest
from cluster.cluster import Cluster, find
from cluster.paths import Cache, State
from kube import Kube, Namespace

KUBECONFIG = os.environ.get("E2E_KUBECONFIG")
CLUSTER = os.environ.get("E2E_CLUSTER")


def pytest_configure() -> None:
    if not (KUBECONFIG and CLUSTER):
        raise pytest.UsageError("run these tests with `make ci-systems`: the systems' images are loaded into its nodes")


@pytest.fixture(scope="session")
def node() -> Cluster:
    assert CLUSTER
    found = find(State(CLUSTER), Cache.of_user())
    assert found
    return found


@pytest.fixture(scope="session")
def kube() -> Kube:
    assert KUBECONFIG
    return Kube.load(KUBECONFIG)


@pytest.fixture
def ci(kube: Kube) -> Iterator[Namespace]:
    """Yield a namespace that has opted in."""
    with kube.namespace() as namespace:
        yield namespace
