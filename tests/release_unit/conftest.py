"""A repository of Git with the files that a release reads first."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

FILES = {
    ".gitignore": "ignored\n",
    "CHANGELOG.md": "## Unreleased\n\n## 1.2.3 - 2026-01-01\n\n### Added\n\n- It.\n",
    "charts/dind-webhook/Chart.yaml": 'name: dind-webhook\nversion: 1.2.3\nappVersion: "1.2.3"\n',
    "dind_webhook/__init__.py": '"""Docker — in pods."""\n\n__version__ = "1.2.3"\n',
    "release/__init__.py": "",
    "release/debian.lock.json": '{"time": "20260101T000000Z", "packages": []}\n',
    "tests/install-go-tools.sh": "#!/bin/sh\n",
}
Repository = Callable[[Mapping[str, str]], Path]


def _git(root: Path, *arguments: str) -> None:
    variables = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    names = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(
        ["git", *names, *arguments], cwd=root, check=True, capture_output=True, env={**os.environ, **variables}
    )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a function that makes a repository whose one commit has these files instead of the usual ones."""

    def make(other: Mapping[str, str]) -> Path:
        root = tmp_path / "repository"
        for name, text in (FILES | dict(other)).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")
        (root / "tests/install-go-tools.sh").chmod(0o755)
        _git(root, "init", "--quiet")
        _git(root, "add", "--all")
        _git(root, "commit", "--quiet", "--message=first")
        return root

    return make
