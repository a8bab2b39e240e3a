"""The pages on commands have each flag and exit code of the help."""

import re
from typing import Any

import pytest
import typer
from pages import DOCS

from dind_webhook.cli.main import cli

COMMANDS = typer.main.get_command(cli).commands  # type: ignore[attr-defined]  # the command is a group
PAGES = {
    "inject": "cli.md",
    "explain": "cli.md",
    "check": "check.md",
    "migrate": "cli.md",
    "list": "cli.md",
    "policy": "policies.md",
    "golden": "golden-volumes.md",
}
CELLS = {
    page: re.findall(r"^\| (`-[^|]*) \|", (DOCS / page).read_text("utf-8"), re.MULTILINE) for page in PAGES.values()
}


def _flags(command: str) -> set[str]:
    parameters: list[Any] = COMMANDS[command].params
    return {name for each in parameters if each.param_type_name == "option" for name in each.opts} - {"--help", "-h"}


def _documented(page: str) -> set[str]:
    """Return the flags in the first column of the table, without their values."""
    return {span.split()[0] for cell in CELLS[page] for span in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize(("command", "page"), PAGES.items())
def test_each_flag_of_the_help_is_on_the_page(command: str, page: str) -> None:
    assert len(_flags(command)) > 6
    assert _flags(command) - _documented(page) == set()


@pytest.mark.parametrize("page", CELLS)
def test_each_flag_on_the_page_is_in_the_help(page: str) -> None:
    commands = [command for command, shown_on in PAGES.items() if shown_on == page]
    assert _documented(page) <= set().union(*map(_flags, commands))


def test_the_exit_codes_of_check_are_those_of_its_help() -> None:
    sentence = COMMANDS["check"].help.partition("Exit code ")[2].partition(".")[0]
    codes = dict(part.split(": ") for part in sentence.split("; "))
    rows = dict(re.findall(r"^\| (\d) \| (.*) \|$", (DOCS / "check.md").read_text("utf-8"), re.MULTILINE))
    assert codes.keys() == rows.keys() == {"0", "1", "2"}
    for code, meaning in codes.items():
        assert rows[code].startswith(meaning)
