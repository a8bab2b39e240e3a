"""Fixtures of the end-to-end tests. README.md says how to run these tests."""

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cluster import local_node
from cluster.cluster import Cluster, find
from cluster.paths import Cache, State
from cluster.release import NAME, NAMESPACE, Helm
from kube import Kube, Namespace

KUBECONFIG = os.environ.get("E2E_KUBECONFIG")
# Name of the cluster, if its nodes are on this machine
CLUSTER = os.environ.get("E2E_CLUSTER")
_LOG_LINES = 40


def pytest_configure() -> None:
    if not KUBECONFIG:
        raise pytest.UsageError("E2E_KUBECONFIG names no cluster: see tests/e2e/README.md")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # pytest-xdist 3.8 writes the group of a test into _nodeid, but pytest 9.2 reads _id: groups had no effect.
        if grouped := getattr(item, "_nodeid", None):
            item._id = type(item.id).parse(grouped)  # noqa: SLF001
    if CLUSTER:
        return
    for item in items:
        if item.get_closest_marker("node"):
            item.add_marker(pytest.mark.skip(reason="needs a node on this machine, as make e2e starts them"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run tests in parallel, but a test with the marker `serial` only while no other test runs."""
    with _test_lock(State(CLUSTER).root, item.get_closest_marker("serial") is not None) if CLUSTER else nullcontext():
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """If the virtual machine does not work at the end of failed tests, print the ends of its logs."""
    if not CLUSTER or not terminalreporter.stats.keys() & {"failed", "error"}:
        return
    assert KUBECONFIG
    if not (troubles := Kube.load(KUBECONFIG).node_troubles()):
        return
    terminalreporter.section("nodes")
    terminalreporter.write_line("\n".join(troubles))
    for name in ("vm", "vm-containerd", "vm-kubelet"):
        lines = (Cache.of_user().logs(CLUSTER) / f"{name}.log").read_text("utf-8", "replace").splitlines()
        terminalreporter.section(f"{name}.log", sep="-")
        terminalreporter.write_line("\n".join(lines[-_LOG_LINES:]))


@contextmanager
def _test_lock(folder: Path, serial: bool) -> Iterator[None]:
    """Hold the lock of a test: exclusive for a serial test, otherwise shared.

    A serial test keeps `queue.lock` while it waits for the running tests to end, so that no other test starts.
    """
    lock = fcntl.LOCK_EX if serial else fcntl.LOCK_SH
    with (folder / "queue.lock").open("w") as queue, (folder / "tests.lock").open("w") as running:
        fcntl.flock(queue, lock)
        fcntl.flock(running, lock)
        if not serial:
            fcntl.flock(queue, fcntl.LOCK_UN)
        yield


@pytest.fixture(scope="session")
def kube_of_session() -> Kube:
    """Return the cluster. New pods run where the scheduler puts them."""
    assert KUBECONFIG
    return Kube.load(KUBECONFIG)


@pytest.fixture(scope="module")
def kube(request: pytest.FixtureRequest, kube_of_session: Kube) -> Kube:
    """Return the cluster. In a module with the marker `any_node`, new pods run on the second node, which is faster."""
    return replace(kube_of_session, on_second_node=bool(CLUSTER and request.node.get_closest_marker("any_node")))


@pytest.fixture
def ci(kube: Kube) -> Iterator[Namespace]:
    """Yield a namespace that has opted in."""
    with kube.namespace() as namespace:
        yield namespace


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Return helm for the main release, which all tests share."""
    assert KUBECONFIG
    found = Helm.of(Path(KUBECONFIG), Cache.of_user().logs("tests"))
    return replace(found, node_selection=local_node.selection()) if CLUSTER else found


@pytest.fixture(scope="session")
def node() -> Cluster:
    """Return the cluster of this machine, for tests with the marker `node`."""
    assert CLUSTER
    found = find(State(CLUSTER), Cache.of_user())
    assert found
    return found


@pytest.fixture(scope="session")
def registry_mirror(kube_of_session: Kube) -> str:
    """Return the registry mirror in the settings of the main release, or an empty string."""
    text = kube_of_session.get("ConfigMap", NAME, NAMESPACE)["data"]["settings.yaml"]
    found: str = yaml.safe_load(text)["injection"]["defaults"].get("registry-mirrors", "")
    return found
