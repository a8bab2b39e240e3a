"""Text of pods and clusters cannot control the terminal of its reader."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Write = Callable[..., Path]

_EVIL = r"\e]0;owned\a\e[2J\u202e\x9b31m"
_POD = f"""\
apiVersion: v1
kind: Pod
metadata:
  name: "evil{_EVIL}"
  annotations:
    dind.io/inject: "{_EVIL}"
    "dind.io/{_EVIL}": x
spec:
  containers:
    - name: "build{_EVIL}"
      image: registry.example/ci/build:7
"""


@pytest.fixture
def evil(write: Write) -> Path:
    return write(_POD, "evil.yaml")


def _is_safe(text: str) -> bool:
    return text.replace("\n", "").isprintable()


@pytest.mark.parametrize("command", [["explain"], ["inject"], ["inject", "--diff"], ["inject", "--patch"]])
@pytest.mark.parametrize("label", ["enabled", "sidecar", ""])
def test_a_manifest_is_shown_escaped(run: Run, evil: Path, command: list[str], label: str) -> None:
    ran = run(*command, "-f", evil, f"--namespace-label={label}")
    assert r"\x1b]0;owned" in ran.stdout + ran.stderr
    assert _is_safe(ran.stdout)
    assert _is_safe(ran.stderr)


def test_an_error_is_shown_escaped(run: Run) -> None:
    ran = run("inject", "-f", "no\x1b[2Jfile")
    assert ran.exit_code == 2
    assert _is_safe(ran.stderr)


def test_settings_are_shown_escaped(run: Run, write: Write) -> None:
    config = write(f'injection: {{defaults: {{env: {{A: "{_EVIL}"}}}}}}', "settings.yaml")
    assert _is_safe(run("settings", "--config", config).stdout)
    listed = run("settings", "--config", config, "-o", "json").stdout
    assert _is_safe(listed)
    assert "\u202e" in json.loads(json.loads(listed)["injection.defaults.env"]["value"])["A"]


def test_a_manifest_is_exact_in_a_pipe_and_escaped_on_a_terminal(write: Write) -> None:
    manifest = write(_POD.replace(_EVIL, "\u202e").replace('inject: "\u202e"', "inject: disabled"), "pod.yaml")
    command = [Path(sys.executable).with_name("dind-webhook"), "inject", "-f", manifest]
    piped = subprocess.run(command, check=True, capture_output=True).stdout
    assert piped == manifest.read_bytes()
    mine, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        shown = b""
        while part := _read(mine):
            shown += part
        process.wait()
    os.close(mine)
    assert "\u202e" not in shown.decode()
    assert r"\u202e" in shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:
        # Linux raises this error when the other side is closed.
        return b""
