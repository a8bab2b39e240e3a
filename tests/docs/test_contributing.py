"""CONTRIBUTING lists the packages in the order of the layers, and names only existing files."""

import re
import tomllib

from pages import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_packages_stand_in_the_order_of_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rank = {module: number for number, layer in enumerate(layers) for module in layer.split(" | ")}
    rows = re.findall(r"^\| (`app/.*?) \|", PAGE, re.MULTILINE)
    named = [re.sub(r"\.py$", "", path).replace("/", ".") for row in rows for path in re.findall(r"`([^`]+)`", row)]
    assert sorted(named) == sorted(rank)
    assert [rank[module] for module in named] == sorted(rank.values())


def test_the_files_that_it_names_exist() -> None:
    named = re.findall(r"`((?:app|tests|docs)/[\w./-]+)`", PAGE)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_each_package_has_a_folder_of_unit_tests_except_the_commands() -> None:
    packages = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}
    folders = {path.name for path in (ROOT / "tests/unit").iterdir() if any(path.glob("test_*.py"))}
    assert folders == packages - {"cli"}
