"""No function changes a value after its construction. The type checker holds that for frozen dataclasses only.

The constructor of a frozen dataclass takes six times as long, and one review needs dozens (docs/decisions/0016).
"""

import ast
from pathlib import Path

import pytest

import dind_webhook

PACKAGES = ("model", "injection", "admission")
FILES = sorted(path for package in PACKAGES for path in (Path(dind_webhook.__file__).parent / package).glob("*.py"))


def find_member_assignments(source: str) -> list[int]:
    """Return the lines that set a member outside of a constructor, except members of `context`."""
    line_numbers = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and function.name != "__init__":
            for node in ast.walk(function):
                targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [getattr(node, "target", None)]
                members = [target for target in targets if isinstance(target, ast.Attribute)]
                line_numbers += [member.lineno for member in members if ast.unparse(member.value) != "context"]
    return line_numbers


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_member_is_set(path: Path) -> None:
    assert find_member_assignments(path.read_text("utf-8")) == []


@pytest.mark.parametrize("statement", ["pod.spec = {}", "pod.count += 1", "pod.spec: dict = {}", "del pod.spec"])
def test_one_that_is_set_would_be_found(statement: str) -> None:
    assert find_member_assignments(f"def change(pod):\n    {statement}\n") == [2]
