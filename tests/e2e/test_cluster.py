"""What the package `cluster` says and does where it cannot start a cluster."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from cluster import cluster, kernel, temporary_daemon, vm
from cluster.cluster import Cluster
from cluster.errors import ClusterError
from cluster.link import Link
from cluster.paths import Cache, State
from cluster.processes import Process
from cluster.record import Record


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """Return the state of a cluster that does not exist."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return State("absent")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.mark.node
def test_the_kernel_of_the_node_starts(log: Path) -> None:
    vm.check(Cache.of_user().kernel / "linux", log)


REAL_KERNEL_WITHOUT_MEMORY = f'exec prlimit --as=50000000 {Cache.of_user().kernel}/linux "$@"'


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(REAL_KERNEL_WITHOUT_MEMORY, "mapping .* failed", marks=pytest.mark.node),
        ("exec sleep 60", "sending signal TERM"),
        ("exit 1", "it printed nothing"),
    ],
)
def test_a_machine_on_which_user_mode_linux_does_not_start_gets_a_sentence(
    script: str, reason: str, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vm, "_CHECK_SECONDS", 1)
    program = tmp_path / "linux"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(
        ClusterError, match=rf"user-mode Linux, which does not start on this machine \(.*{reason}.*\)\. Use a machine"
    ):
        vm.check(program, log)


def test_a_kernel_that_the_patch_does_not_fit_is_named(tmp_path: Path, log: Path) -> None:
    source = tmp_path / "linux-source-9.9"
    source.mkdir()
    with pytest.raises(ClusterError, match=r"kernel\.patch is for Linux \S+ and does not fit linux-source-9\.9"):
        kernel.make(source, log)


@pytest.mark.node
def test_a_script_on_the_virtual_machine_has_a_time_limit(node: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "_SCRIPT_SECONDS", 2)
    with pytest.raises(ClusterError, match=r"^sleeping failed \(timeout ended with 124\)"):
        node.vm.run("sleeping", "sleep 60")


def test_a_daemon_that_ends_during_a_build_shows_its_error(tmp_path: Path, log: Path) -> None:
    command = ["sh", "-c", "echo no space left on device; exit 1"]
    with (
        pytest.raises(ClusterError, match=r"^containerd ended while it started: no space left on device;"),
        temporary_daemon.running("containerd", command, lambda: False, tmp_path, log),
    ):
        pass


def test_a_record_of_an_older_version_does_not_block_a_new_cluster(state: State) -> None:
    with running_process() as ended:
        pass
    write_older_record(state, ended)
    assert Record.load(state) is None
    assert cluster.down(state)
    assert not state.root.exists()


def test_a_running_cluster_of_an_older_version_is_removed_only_by_command(state: State) -> None:
    with running_process() as process:
        write_older_record(state, process)
        with pytest.raises(ClusterError, match="make cluster-down CLUSTER=absent"):
            Record.load(state)
        assert cluster.down(state)
        assert not process.is_alive


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_damaged_record_does_not_block_a_new_cluster(text: str, state: State) -> None:
    state.root.mkdir()
    state.record.write_text(text)
    assert Record.load(state) is None
    assert cluster.down(state)
    assert not state.root.exists()


def test_a_cluster_that_starts_at_the_same_time_gets_other_addresses() -> None:
    first = Link.choose("first", [])
    second = Link.choose("second", [first])
    assert {first.host, first.node}.isdisjoint({second.host, second.node})


@contextmanager
def running_process() -> Iterator[Process]:
    child = subprocess.Popen(["sleep", "600"])
    try:
        yield Process.of(child.pid)
    finally:
        child.kill()
        child.wait()


def write_older_record(state: State, init_process: Process) -> None:
    """Write a record from before the virtual machine: its link had no gateway."""
    state.root.mkdir()
    link = {"interface": "dind-absent", "host": "198.18.0.1", "node": "198.18.0.2"}
    record = {"name": "absent", "version": "v1.37.2", "link": link, "init_process": asdict(init_process)}
    state.record.write_text(json.dumps(record))
