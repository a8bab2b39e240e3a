"""Fixtures that run `dind-webhook` in this process from its entry point, and capture its output."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from dind_webhook.cli import main

_POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: ci
  annotations:
    dind.io/inject: sidecar
spec:
  containers:
    - name: build
      image: registry.example/ci/build:7
"""


class Ran(NamedTuple):
    """The exit code and the output of a run."""

    exit_code: int | str | None
    stdout: str
    stderr: str


Run = Callable[..., Ran]
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove settings and colours that a developer or a CI system has set; fix the width of the terminal."""
    for name in os.environ:
        if name.startswith("DIND_WEBHOOK_") or name in {"FORCE_COLOR", "NO_COLOR", "PY_COLORS", "GITHUB_ACTIONS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    logs_as_before: None,  # noqa: ARG001  # `serve` and `certs` configure logging
) -> Run:
    """Return the function that runs a command line; `stdin` is piped into it."""

    def run_(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["dind-webhook", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        capfd.readouterr()
        with pytest.raises(SystemExit) as exited:
            main()
        return Ran(exited.value.code or 0, *capfd.readouterr())

    return run_


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return the function that writes a file and returns its path."""

    def write_(text: str, name: str = "pod.yaml") -> Path:
        (tmp_path / name).write_text(text, "utf-8")
        return tmp_path / name

    return write_


@pytest.fixture
def text() -> str:
    """Return the manifest that most of these tests vary: a pod that requests a sidecar."""
    return _POD


@pytest.fixture
def pod(write: Write, text: str) -> Path:
    """Return a file with that manifest."""
    return write(text)


@pytest.fixture
def denied_pod(write: Write, text: str) -> Path:
    """Return a file with a pod that is denied."""
    return write(text.replace("sidecar", "sidcar"), "denied.yaml")
