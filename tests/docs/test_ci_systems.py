"""docs/ci.md says of each CI system how it is known, as tests/ci_systems does: the tests, and the versions."""

import ast
import re

import pytest
from pages import DOCS, ROOT
from scripts import load

FOLDER = ROOT / "tests/ci_systems"
SYSTEMS = load(FOLDER / "systems.py")
PAGE = (DOCS / "ci.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
MARKS = {"tried": "*Tried*", "expected": "*Expected*", "inject": "*Checked by `inject`*"}
# The rows of the first table: the heading that it links, and how the system is known
ROWS = re.findall(r"^\| \[[^\]]+\]\(#([a-z-]+)\).* \| (\w+) \|$", PAGE.partition("\n## ")[0], re.MULTILINE)


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def _tried(file: str) -> dict[str, str]:
    """Return the columns of which a file has tests, with the modes in which they run."""
    found: dict[str, str] = {}
    for function in ast.walk(ast.parse((FOLDER / file).read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef):
            decorators = " ".join(map(ast.unparse, function.decorator_list))
            both = "BOTH_MODES" in decorators or "'daemonset'" in decorators
            for column in re.findall(r"pytest\.mark\.tried\('([^']+)'\)", decorators):
                found[column] = "both" if both else found.get(column, "sidecar")
    return found


def _table() -> str:
    header = ("system", "evidence", "version", *SYSTEMS.COLUMNS)
    rows = [header, ["---"] * len(header)]
    for system in SYSTEMS.SYSTEMS:
        tried = _tried(system.tests)
        cells = [tried.pop(column, "") for column in SYSTEMS.COLUMNS]
        assert not tried, f"{system.tests} has columns that do not exist"
        rows.append([f"[{system.name}](#{_anchor(system.section)})", system.how, system.version, *cells])
    return "".join(f"| {' | '.join(row)} |\n".replace("|  ", "| ") for row in rows)


def test_the_table_has_the_tests_and_versions_of_the_systems() -> None:
    table = _table()
    assert table.count("both") > 15
    assert table in PAGE, f"the table in docs/ci.md should be:\n{table}"


def test_each_file_with_tests_of_a_column_is_in_the_table() -> None:
    files = {file.name for file in FOLDER.glob("test_*.py") if _tried(file.name)}
    assert files == {system.tests for system in SYSTEMS.SYSTEMS}


def test_each_column_is_explained() -> None:
    explained = re.findall(r"^\| ([a-z -]+) \| [^|]* \|$", SECTIONS["How the systems were tried"], re.MULTILINE)
    assert explained == ["column", *SYSTEMS.COLUMNS]


def test_the_first_table_says_how_each_system_is_known() -> None:
    known = {_anchor(system.section): system.how for system in SYSTEMS.SYSTEMS}
    assert len(ROWS) == len(dict(ROWS)) > 15
    assert dict(ROWS) == {anchor: known.get(anchor, "inject") for anchor, _ in ROWS}


@pytest.mark.parametrize(("anchor", "how"), ROWS)
def test_each_section_says_how_its_system_is_known(anchor: str, how: str) -> None:
    (section,) = [text for heading, text in SECTIONS.items() if _anchor(heading) == anchor]
    assert [mark for mark in MARKS.values() if mark in section] == [MARKS[how]]


def test_the_last_run_names_its_date_versions_and_result() -> None:
    cluster = (ROOT / "tests/e2e/cluster/cluster.py").read_text("utf-8")
    (kubernetes,) = re.findall(r'^VERSION = "v(.*)"$', cluster, re.MULTILINE)
    pattern = (
        rf"^Last run: \d{{4}}-\d\d-\d\d, Kubernetes {re.escape(kubernetes)}, Docker [\d.]+: [1-9]\d* tests passed\.$"
    )
    assert len(re.findall(pattern, PAGE, re.MULTILINE)) == 1
