"""The command line: `python -m cluster up | down | test | pytest | shell`."""

import argparse
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from cluster import cluster, release
from cluster.cluster import Cluster
from cluster.errors import ClusterError
from cluster.paths import ROOT, Cache, State
from cluster.steps import say, step


def main() -> int:
    """Run a command and return its exit code. Print one sentence for a ClusterError."""
    # Handle SIGTERM and SIGHUP like Ctrl-C, so that all resources are released.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    arguments = _parser().parse_args()
    cache = Cache.of_user()
    try:
        return _run_command(arguments, State(arguments.name), cache)
    except ClusterError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing is left")
        return 130


def _run_command(arguments: argparse.Namespace, state: State, cache: Cache) -> int:
    match arguments.command:
        case "up":
            return _up(state, cache)
        case "down":
            return _down(state)
        case "shell":
            return subprocess.run(_find_running(state, cache).vm.ssh(), check=False).returncode
        case "pytest":
            return _test_here(_find_running(state, cache), arguments.pytest)
        case _:
            return _test(state, cache, arguments.pytest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    parser.add_argument("--name", default=os.environ.get("CLUSTER") or "dev", help="name of the cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start a cluster and keep it, or update a running one")
    commands.add_parser("down", help="remove a cluster")
    commands.add_parser("shell", help="log in on the virtual machine of a running cluster")
    test = commands.add_parser("test", help="start a cluster, run the tests on it, and remove it")
    pytest = commands.add_parser("pytest", help="run the tests on a running cluster")
    for parser_of_tests in (test, pytest):
        parser_of_tests.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    return parser


def _up(state: State, cache: Cache) -> int:
    running = cluster.find(state, cache)
    if running and running.record.kept:
        release.install(running, compiled=False)
    else:
        running = cluster.up(state, cache)
        try:
            release.install(running, compiled=False)
        except BaseException:
            cluster.down(state)
            raise
        running.record.kept = True
        running.record.save(state)
    # Standard output is for eval "$(make -s cluster)".
    sys.stdout.write(f"export KUBECONFIG={running.kubeconfig} PATH={running.binaries.kubernetes}:$PATH\n")
    say(
        "Run that line, then kubectl. "
        "After a change of dind_webhook/ or charts/: make cluster. At the end: make cluster-down."
    )
    return 0


def _down(state: State) -> int:
    with step(f"removing cluster {state.name}"):
        existed = cluster.down(state)
    if not existed:
        say(f"no cluster {state.name} is running")
    return 0


def _test(state: State, cache: Cache, pytest: list[str]) -> int:
    if kubeconfig := os.environ.get("E2E_KUBECONFIG"):
        return _test_elsewhere(Path(kubeconfig), cache, pytest)
    running = cluster.up(state, cache)
    try:
        release.install(running, compiled=True)
        return _test_here(running, pytest)
    finally:
        # Print nothing: the summary of pytest must be the last line.
        cluster.down(state)


def _test_elsewhere(kubeconfig: Path, cache: Cache, pytest: list[str]) -> int:
    """Run the tests on an existing cluster, with an image that the cluster can pull."""
    image = os.environ.get("E2E_IMAGE")
    if image is None:
        raise ClusterError(
            "E2E_KUBECONFIG is set and E2E_IMAGE is not: say which image of the webhook the cluster pulls"
        )
    helm = release.Helm.of(kubeconfig, cache.logs("elsewhere"))
    with step("installing the chart"):
        _install_or_leave_nothing(helm, release.values(release.image_values(image), os.environ.get("E2E_MIRROR")))
    try:
        return _pytest(pytest)
    finally:
        helm.uninstall()


def _install_or_leave_nothing(helm: release.Helm, values: dict[str, Any]) -> None:
    try:
        helm.install(values)
    except BaseException:
        # Report why the installation failed, not why the cleanup failed.
        with suppress(ClusterError):
            helm.uninstall()
        raise


def _find_running(state: State, cache: Cache) -> Cluster:
    running = cluster.find(state, cache)
    if running is None:
        raise ClusterError(f"no cluster {state.name} is running: make cluster")
    return running


def _test_here(running: Cluster, pytest: list[str]) -> int:
    """Run the tests on a cluster of this machine, and on the oldest supported API server."""
    cluster.prepare(running.cache, running.state.oldest.name, cluster.OLDEST, node=False)
    try:
        path = f"{running.binaries.kubernetes}:{os.environ['PATH']}"
        return _pytest(pytest, E2E_KUBECONFIG=str(running.kubeconfig), E2E_CLUSTER=running.state.name, PATH=path)
    finally:
        # A fixture removes the second cluster, unless the tests were interrupted.
        cluster.down(running.state.oldest)


def _pytest(arguments: list[str], **environment: str) -> int:
    # Keep the given order: pytest-xdist would run a long test that is the only one of its group last.
    spread = ["-n", "4", "--dist", "loadgroup", "--no-loadscope-reorder"]
    # First the tests that wait for minutes: other tests run in the meantime.
    all_tests = ["tests/e2e/test_lifecycle.py", "tests/e2e"]
    # Without a path, options such as -k mirror select from all tests.
    paths = [] if any(argument.startswith("tests/") for argument in arguments) else all_tests
    command = [sys.executable, "-m", "pytest", "-q", *spread, *arguments, *paths]
    child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})
    try:
        return child.wait()
    except BaseException:
        # pytest removes the objects of its tests; Ctrl-C has reached pytest too.
        child.terminate()
        child.wait()
        raise


if __name__ == "__main__":
    sys.exit(main())
