"""A shell runs the script of docs/ci.md that removes its container. Only `docker` is replaced by another program."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import DOCS, fences_of

# The subcommand that $SLOW names goes on until the test wants it to end.
DOCKER = """#!/bin/sh
echo "$*" >>"$0.calls"
if [ "$1" = "$SLOW" ]; then while [ ! -e "$0.continue" ]; do sleep 0.05; done; fi
if [ "$CODE" != 0 ]; then exit "$CODE"; fi
if [ "$1" = create ]; then echo 4711; fi
"""


def start_script(folder: Path, slow: str = "none", code: int = 0) -> subprocess.Popen[bytes]:
    """Start the command of the example, with a `docker` in this folder that ends with this code."""
    example = next(fence for fence in fences_of(DOCS / "ci.md") if fence.section == "Containers that outlive their job")
    container: Any = yaml.safe_load(example.text)["spec"]["containers"][0]
    docker = folder / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "SLOW": slow, "CODE": str(code)}
    return subprocess.Popen([*container["command"], *container["args"]], env=environment)


def calls(folder: Path) -> list[str]:
    file = folder / "docker.calls"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("slow", ["create", "start"])
def test_the_container_is_removed_if_the_job_is_cancelled(slow: str, tmp_path: Path) -> None:
    with start_script(tmp_path, slow) as shell:
        end = time.monotonic() + 30
        while not any(call.startswith(slow) for call in calls(tmp_path)):
            assert time.monotonic() < end, f"no docker {slow}"
            time.sleep(0.02)
        shell.send_signal(signal.SIGTERM)
        if slow == "create":
            (tmp_path / "docker.continue").touch()
        assert shell.wait(30) == 143
    (tmp_path / "docker.continue").touch()
    assert calls(tmp_path)[-1] == "rm --force 4711"
    assert any(call.startswith("start") for call in calls(tmp_path)) is (slow == "start")


def test_the_container_is_removed_at_the_end_of_the_job(tmp_path: Path) -> None:
    with start_script(tmp_path) as shell:
        assert shell.wait(30) == 0
    assert calls(tmp_path)[1:] == ["start --attach 4711", "rm --force 4711"]


def test_nothing_is_removed_if_docker_makes_no_container(tmp_path: Path) -> None:
    with start_script(tmp_path, code=125) as shell:
        assert shell.wait(30) == 125
    (call,) = calls(tmp_path)
    assert call.startswith("create")
