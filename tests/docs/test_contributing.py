"""CONTRIBUTING lists the packages with their layers, and names only existing files."""

import re
import tomllib

from pages import ROOT

import dind_webhook

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = [layer.split(" | ") for contract in CONTRACTS if contract["type"] == "layers" for layer in contract["layers"]]


def test_the_table_has_each_package_with_the_number_of_its_layer() -> None:
    rows = re.findall(r"^\| (\d+) \| `(dind_webhook/[\w.]+)` \|", PAGE, re.MULTILINE)
    named = [(int(number), path.removesuffix(".py").replace("/", ".")) for number, path in rows]
    numbered = [(number, package) for number, layer in enumerate(reversed(LAYERS), 1) for package in layer]
    assert sorted(named) == sorted(numbered)
    assert [number for number, _ in named] == sorted((number for number, _ in numbered), reverse=True)


def test_packages_of_a_layer_may_not_import_each_other() -> None:
    """import-linter allows it only where a layer is written with `:` instead of `|`."""
    assert all(re.fullmatch(r"dind_webhook\.\w+", package) for layer in LAYERS for package in layer)


def test_the_package_describes_the_same_layers() -> None:
    described = (dind_webhook.__doc__ or "").partition("from the top:")[2].partition(". A package")[0]
    layers = [re.findall(r"`(\w+)`", layer) for layer in described.split(";")]
    assert layers == [[package.removeprefix("dind_webhook.") for package in layer] for layer in LAYERS]


def test_the_files_that_it_names_exist() -> None:
    named = re.findall(r"`((?:dind_webhook|tests|docs)/[\w./-]+)`", PAGE)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_each_package_has_a_folder_of_unit_tests_except_the_commands() -> None:
    packages = {path.parent.name for path in (ROOT / "dind_webhook").glob("*/__init__.py")}
    folders = {path.name for path in (ROOT / "tests/unit").iterdir() if any(path.glob("test_*.py"))}
    assert folders == packages - {"cli"}
