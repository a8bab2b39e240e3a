"""A shell runs the scripts that wait for a daemon. Only `docker` is replaced by another program."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pods import a_pod, injected_pod, operator_policy, permissive_policy

SLOWLY = 'test -e "$0.called" || { touch "$0.called"; exit 1; }'


@pytest.fixture
def socket_dir(tmp_path: Path) -> Iterator[Path]:
    """Yield a directory with a socket, like the daemon's."""
    with socket.socket(socket.AF_UNIX) as listener:
        # The path is relative: an absolute one may be longer than the address of a socket can be.
        before = Path.cwd()
        os.chdir(tmp_path)
        listener.bind("docker.sock")
        os.chdir(before)
        yield tmp_path


def run(command: list[str], docker: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the pod, with this script as `docker`."""
    client = folder / "docker"
    client.write_text(f"#!/bin/sh\n{docker}\n")
    client.chmod(0o755)
    path = {"PATH": f"{folder}:{os.environ['PATH']}", "DOCKER_HOST": "unix:///run/dind/docker.sock"}
    return subprocess.run(command, env=path, capture_output=True, text=True, timeout=60, check=False)


def hook(socket_dir: Path) -> list[str]:
    """Return the postStart command of the daemon's container, for a socket in this directory."""
    daemon: Any = injected_pod(a_pod(), operator_policy())["spec"]["initContainers"][0]
    *shell, script = daemon["lifecycle"]["postStart"]["exec"]["command"]
    return [*shell, script.replace("/run/dind", str(socket_dir))]


def wait(seconds: int) -> list[str]:
    command: list[str] = injected_pod(a_pod("daemonset"), permissive_policy(wait_seconds=seconds))["spec"][
        "initContainers"
    ][0]["command"]
    return command


def test_no_client_runs_before_the_daemon_has_made_its_socket(socket_dir: Path) -> None:
    """On a slow node, each client takes time from the daemon that it waits for."""
    (socket_dir / "docker.sock").rename(socket_dir / "later.sock")
    # The script sleeps while there is no socket. The third time, the daemon has made it.
    sleep = socket_dir / "sleep"
    sleep.write_text('#!/bin/sh\necho >> "$0.calls"; [ "$(wc -l < "$0.calls")" -lt 3 ] || mv later.sock docker.sock\n')
    sleep.chmod(0o755)
    command = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(socket_dir), *hook(socket_dir)]
    assert run(command, 'echo >> "$0.calls"', socket_dir).returncode == 0
    assert (socket_dir / "sleep.calls").read_text() == 3 * "\n"
    assert (socket_dir / "docker.calls").read_text() == "\n"


@pytest.mark.parametrize("docker", ["exit 0", SLOWLY])
def test_once_the_daemon_answers_its_socket_has_a_second_name(socket_dir: Path, docker: str) -> None:
    assert run(hook(socket_dir), docker, socket_dir).returncode == 0
    assert (socket_dir / "compat.sock").samefile(socket_dir / "docker.sock")


def test_a_daemon_that_starts_again_renews_it(socket_dir: Path) -> None:
    (socket_dir / "compat.sock").touch()
    assert run(hook(socket_dir), "exit 0", socket_dir).returncode == 0
    assert (socket_dir / "compat.sock").samefile(socket_dir / "docker.sock")


def test_a_directory_that_kubelet_made_in_its_place_makes_room(socket_dir: Path) -> None:
    (socket_dir / "compat.sock").mkdir()
    assert run(hook(socket_dir), "exit 0", socket_dir).returncode == 0
    assert (socket_dir / "compat.sock").samefile(socket_dir / "docker.sock")


def test_a_pod_of_the_nodes_daemon_goes_on_once_it_answers(tmp_path: Path) -> None:
    done = run(wait(60), SLOWLY, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_where_nothing_answers_it_ends_with_a_sentence(tmp_path: Path) -> None:
    done = run(wait(1), "exit 1", tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "No Docker daemon answered at unix:///run/dind/docker.sock within 1 s: "
        "is the dind DaemonSet pod of this node ready? (dind.io/wait)\n"
    )


@pytest.mark.parametrize("options", [{}, {"client": "true"}])
def test_a_signal_ends_the_wait(options: dict[str, str], tmp_path: Path) -> None:
    """An init container that ends with 0 would let the others start without a daemon."""
    sleep = tmp_path / "sleep"
    sleep.write_text("#!/bin/sh\nkill -TERM $PPID\n")
    sleep.chmod(0o755)
    spec = injected_pod(a_pod("daemonset", options), operator_policy())["spec"]
    assert run(spec["initContainers"][0]["command"], "exit 1", tmp_path).returncode == 143
