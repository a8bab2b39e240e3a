"""Builds of Buildbot, whose latent workers are pods that get Docker. Their image has no Docker client of its own."""

from collections.abc import Iterator

import leftovers
import pytest
from buildbot_master import Master, run_master
from builds import BOTH_MODES, BUILD, FAILING, LONG, MARKS
from cluster.cluster import Cluster
from kube import Kube
from page_examples import examples


@pytest.fixture(scope="module")
def master(node: Cluster, kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """Yield a master with the worker of the page."""
    (example,) = examples("Buildbot")
    folder = tmp_path_factory.mktemp("buildbot")
    with kube.namespace() as namespace, run_master(node, folder, example, namespace) as running:
        yield running


@pytest.mark.tried("build")
@BOTH_MODES
def test_a_build_builds_runs_and_composes(mode: str, master: Master, node: Cluster) -> None:
    build = master.build(BUILD, inject=mode)
    build.until_log_has(MARKS[0])
    pods = leftovers.uids(master.namespace)
    log = build.ends("SUCCESS").log
    assert all(mark in log for mark in MARKS), log
    leftovers.until_gone(node, master.namespace, pods)
    leftovers.check_after_build(master.namespace, mode)


@pytest.mark.tried("bind mount")
def test_a_container_sees_the_files_of_the_build(master: Master) -> None:
    script = 'echo seen >file\ndocker run --rm --volume "$PWD:/w" busybox cat /w/file\n'
    assert "seen" in master.build(script).ends("SUCCESS").log


@pytest.mark.tried("failure")
def test_a_build_that_fails_leaves_no_daemon(master: Master, node: Cluster) -> None:
    build = master.build(FAILING)
    build.until_log_has("docker run")
    pods = leftovers.uids(master.namespace)
    assert "exit 7" in build.ends("FAILURE").log
    leftovers.until_gone(node, master.namespace, pods)


@pytest.mark.tried("cancellation")
@BOTH_MODES
def test_a_build_that_is_stopped_leaves_only_what_the_page_says(mode: str, master: Master, node: Cluster) -> None:
    build = master.build(LONG, inject=mode)
    build.until_log_has("started")
    pods = leftovers.uids(master.namespace)
    build.cancel()
    build.ends("CANCELLED")
    leftovers.check_after_cancellation(node, master.namespace, pods, mode)


@pytest.mark.tried("time-out")
def test_a_build_that_takes_too_long_leaves_no_daemon(master: Master, node: Cluster) -> None:
    build = master.build(LONG, "limited")
    build.until_log_has("started")
    pods = leftovers.uids(master.namespace)
    assert "timed out" in build.ends("FAILURE").log
    leftovers.until_gone(node, master.namespace, pods)


@pytest.mark.tried("denial")
def test_a_denial_is_in_the_log_of_the_build(master: Master) -> None:
    """Buildbot prepares the worker again and again, until the build is cancelled."""
    build = master.build("docker info", containers="build")
    build.until_log_has('the pod has no container "build"')
    build.cancel()
    assert not master.namespace.pods()
