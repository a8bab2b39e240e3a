"""Running `dind-webhook` in this process, from its own entry point, with what it prints caught."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from samples import POD, written

from app.cli import main

class Ran(NamedTuple):
    """What a run left behind."""

    exit_code: int | str | None
    stdout: str
    stderr: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what a developer or a CI system has set: settings, colours, the width of the terminal."""
    for name in os.environ:
        if name.startswith("DIND_WEBHOOK_") or name in {"FORCE_COLOR", "NO_COLOR", "PY_COLORS", "GITHUB_ACTIONS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return the function that runs a command line, `stdin` being what is piped into it."""

    def run_(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["dind-webhook", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        capfd.readouterr()
        with pytest.raises(SystemExit) as exited:
            main()
        return Ran(exited.value.code or 0, *capfd.readouterr())

    return run_


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """Return a manifest of a pod that asks for a sidecar."""
    return written(tmp_path / "pod.yaml", POD)


@pytest.fixture
def denied_pod(tmp_path: Path) -> Path:
    """Return a manifest of a pod that is denied."""
    return written(tmp_path / "denied.yaml", POD.replace("sidecar", "sidcar"))
