"""The entry point: version, help, completion, and exit codes of wrong usage."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dind_webhook import __version__

Run = Callable[..., Any]
Write = Callable[..., Path]

DIND_WEBHOOK = Path(sys.executable).with_name("dind-webhook")
PACKAGES_OF_THE_SERVER = ("fastapi", "starlette", "uvicorn", "prometheus_client")


def imported_by(*arguments: str | Path) -> set[str]:
    command = [sys.executable, "-X", "importtime", DIND_WEBHOOK, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_version_prints_the_version_alone(run: Run) -> None:
    assert run("--version") == (0, f"{__version__}\n", "")


def test_version_prints_program_python_and_platform(run: Run) -> None:
    assert run("version").stdout.startswith(f"dind-webhook {__version__} (Python {platform.python_version()}, ")


def test_version_is_printed_alone_or_for_programs(run: Run) -> None:
    assert run("version", "-o", "short").stdout == f"{__version__}\n"
    tree = json.loads(run("version", "-o", "json").stdout)
    assert list(tree) == ["version", "python", "platform"]
    assert yaml.safe_load(run("version", "--output", "yaml").stdout) == tree
    assert tree["version"] == __version__


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -F _dind_webhook_completion dind-webhook"),
        ("zsh", "#compdef dind-webhook"),
        ("fish", "complete --command dind-webhook"),
    ],
)
def test_completion_prints_the_script_of_a_shell(run: Run, shell: str, line: str) -> None:
    ran = run("completion", shell)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert line in ran.stdout


def test_bash_completes_commands_with_the_printed_script() -> None:
    script = (
        f"PATH={DIND_WEBHOOK.parent}:$PATH; source <(dind-webhook completion bash); COMP_WORDS=(dind-webhook inj)"
        '; COMP_CWORD=1; _dind_webhook_completion dind-webhook; echo "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "inject\n"


def test_completion_of_an_unknown_shell_is_wrong_usage(run: Run) -> None:
    ran = run("completion", "tcsh")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "'tcsh' is none of bash, zsh, fish" in ran.stderr


@pytest.mark.parametrize(
    "command", ["inject", "explain", "check", "serve", "certs", "settings", "playground", "completion"]
)
def test_help_shows_no_types_of_python_and_breaks_no_sentence(run: Run, command: str) -> None:
    printed = run(command, "--help").stdout
    assert re.findall(r"<\w+>", printed) == []
    prose = [line.strip() for line in printed.partition("╭")[0].splitlines()]
    # A line that is shorter than the terminal's width ends a paragraph.
    assert [line for line in prose if line and len(line) < 90 and not line.endswith(".") and "Usage" not in line] == []


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command(run: Run, flag: str) -> None:
    ran = run(flag)
    assert ran.exit_code == 0
    assert [command for command in ("serve", "inject", "explain") if f"│ {command} " not in ran.stdout] == []


def test_without_a_command_the_help_is_shown_and_the_exit_code_says_usage(run: Run) -> None:
    ran = run()
    assert ran.exit_code == 2
    assert "Usage: " in ran.stdout
    assert "│ inject " in ran.stdout


@pytest.mark.parametrize("command", ["inject", "explain"])
def test_a_command_without_a_manifest_is_wrong_usage(run: Run, command: str) -> None:
    ran = run(command)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--filename" in ran.stderr


def test_an_unknown_command_is_wrong_usage(run: Run) -> None:
    assert run("injcet").exit_code == 2


def test_patch_and_diff_exclude_each_other(run: Run, pod: Path) -> None:
    ran = run("inject", "-f", pod, "--patch", "--diff")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--patch, --diff and --output exclude each other" in ran.stderr


def test_a_colour_that_is_none_is_wrong_usage(run: Run, pod: Path) -> None:
    assert run("inject", "-f", pod, "--color=sometimes").exit_code == 2


def test_serve_without_a_certificate_says_what_it_needs(run: Run) -> None:
    ran = run("serve")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: ")
    assert "tls_cert_file" in ran.stderr
    assert "--dev" in ran.stderr


def test_a_reader_that_has_gone_away_is_no_error(pod: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout:
        command = [DIND_WEBHOOK, "inject", "-f", pod]
        ran = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    # Exit code 1 means that a pod was denied.
    assert (ran.returncode, ran.stderr) == (0, "pod/ci: injected (sidecar)\n")


@pytest.mark.parametrize(
    ("command", "works_offline"),
    [("serve", False), ("inject", True), ("explain", True)],
    ids=["serve", "inject", "explain"],
)
def test_a_command_imports_only_what_it_needs(command: str, works_offline: bool, pod: Path) -> None:
    imported = imported_by(command, *(["-f", pod] if works_offline else ["--help"]))
    unwanted = {"kubernetes", *(PACKAGES_OF_THE_SERVER if works_offline else ())}
    assert "dind_webhook.cli.main" in imported
    assert {name for name in imported if name.split(".")[0] in unwanted} == set()


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"TERM": "xterm"}, b"\x1b[32mpod/ci: injected (sidecar)\x1b[0m"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, b"pod/ci: injected (sidecar)"),
        ({"TERM": "dumb"}, b"pod/ci: injected (sidecar)"),
    ],
    ids=["xterm", "NO_COLOR", "dumb"],
)
def test_auto_colours_on_a_terminal_that_has_and_a_user_who_wants_them(
    pod: Path, environ: dict[str, str], line: bytes
) -> None:
    reader, writer = os.openpty()
    with os.fdopen(reader, "rb", buffering=0) as terminal, os.fdopen(writer, "wb", buffering=0) as stderr:
        command = [DIND_WEBHOOK, "inject", "-f", pod, "--diff"]
        env = {"PATH": os.environ["PATH"], **environ}
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=stderr, timeout=60, check=True, env=env)
        stderr.write(b"|")
        shown = b"".join(iter(lambda: terminal.read(1), b"|"))
    assert shown == line + b"\r\n"
