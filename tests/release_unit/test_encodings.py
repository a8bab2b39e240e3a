"""A release does not depend on the locale: all its text is UTF-8."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dind_webhook import __version__

ROOT = Path(__file__).parents[2]
# Methods of text, and how many arguments come before the encoding
METHODS = {"read_text": 0, "write_text": 1}
# Calls of the chart's module with a text that is not ASCII, in a folder
STAMP = """
import sys
from pathlib import Path
from release import chart
assert sys.flags.utf8_mode == 0 and open(0, closefd=False).encoding != "utf-8"
chart.stamp(Path("chart"), chart.Publication(sys.argv[1], "o/n", "r/o/n", "sha256:x"), [("added", "Pods \\u2026")])
"""


def _depends_on_the_locale(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    keywords = {word.arg for word in call.keywords}
    if name in METHODS:
        return "encoding" not in keywords and len(call.args) <= METHODS[name]
    if name == "open":
        # Files are opened as bytes, and tar files with the bytes that are already there.
        return "fileobj" not in keywords and not any(ast.unparse(argument) == "'rb'" for argument in call.args)
    return bool(keywords & {"text", "universal_newlines"}) and "encoding" not in keywords


@pytest.mark.parametrize("module", sorted((ROOT / "release").glob("*.py")), ids=lambda path: path.name)
def test_each_call_states_the_encoding(module: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(module.read_text("utf-8"))) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls if _depends_on_the_locale(call)] == []


def test_the_chart_is_stamped_in_a_locale_without_utf_8(tmp_path: Path) -> None:
    chart = Path(shutil.copytree(ROOT / "charts/dind-webhook", tmp_path / "chart"))
    files = [chart / name for name in ("values.yaml", "README.md")]
    before = [sum(not letter.isascii() for letter in file.read_text("utf-8")) for file in files]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-X", "utf8=0", "-c", STAMP, __version__]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdin=subprocess.DEVNULL)
    assert all(before)
    assert [sum(not letter.isascii() for letter in file.read_text("utf-8")) for file in files] == before
    assert "description: Pods …" in (chart / "Chart.yaml").read_text("utf-8")
