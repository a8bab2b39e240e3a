"""`dind-webhook playground` as a process: requests over a real socket, and a signal that ends it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

Run = Callable[..., Any]

_MAIN = "from dind_webhook.cli import main; main()"

Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return the function that starts the playground on a free port and returns it with its URL."""
    started = []

    def start_(*arguments: str | Path) -> tuple["subprocess.Popen[str]", str]:
        command = [sys.executable, "-c", _MAIN, "playground", "--no-browser", "--port=0", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().split()[2]

    yield start_
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_answers_until_it_is_told_to_stop(number: signal.Signals, start: Start, text: str) -> None:
    process, url = start()
    question = Request(
        f"{url}api/answer", json.dumps({"manifest": text}).encode(), {"Content-Type": "application/json"}
    )
    with urlopen(question) as response:
        assert [pod["outcome"] for pod in json.load(response)["pods"]] == ["injected"]
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_the_page_begins_with_the_settings_of_the_file(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("injection:\n  modes: [sidecar] # only\n")
    _, url = start("--config", config)
    with urlopen(f"{url}api/form") as response:
        assert json.load(response)["settings"] == config.read_text()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "example.com"])
def test_an_address_that_others_reach_is_refused(host: str, run: Run) -> None:
    ran = run("playground", "--no-browser", "--host", host)
    assert ran.exit_code == 2
    assert ran.stderr == (
        f"error: --host: {host} is not a loopback address; the playground is for this machine only: use 127.0.0.1\n"
    )


def test_a_port_that_is_taken_is_named(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("playground", "--no-browser", "--port", str(port))
    assert ran.exit_code == 2
    assert ran.stderr == f"error: --port: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_bad_settings_end_it_before_it_begins(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("injection: {modes: [swarm]}\n")
    ran = run("playground", "--no-browser", "--config", config)
    assert ran.exit_code == 2
    assert "injection.modes.0: must be one of 'sidecar' or 'daemonset'" in ran.stderr
