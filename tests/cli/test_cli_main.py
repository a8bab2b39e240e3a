"""The entry point: version, help, and which mistakes end with which exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import __version__

DIND_WEBHOOK = Path(sys.executable).with_name("dind-webhook")
PACKAGES_OF_THE_SERVER = ("fastapi", "starlette", "uvicorn", "prometheus_client")


def imported_by(*arguments: str | Path) -> set[str]:
    command = [sys.executable, "-X", "importtime", DIND_WEBHOOK, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_version_prints_the_version_alone(run):
    assert run("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command(run, flag):
    ran = run(flag)
    assert ran.exit_code == 0
    assert [command for command in ("serve", "inject", "explain") if f"│ {command} " not in ran.stdout] == []


def test_without_a_command_the_help_is_shown_and_the_exit_code_says_usage(run):
    ran = run()
    assert ran.exit_code == 2
    assert "Usage: dind-webhook" in ran.stdout


@pytest.mark.parametrize("command", ["inject", "explain"])
def test_a_command_without_a_manifest_is_wrong_usage(run, command):
    ran = run(command)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--filename" in ran.stderr


def test_an_unknown_command_is_wrong_usage(run):
    assert run("injcet").exit_code == 2


def test_patch_and_diff_exclude_each_other(run, pod):
    ran = run("inject", "-f", pod, "--patch", "--diff")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--patch and --diff exclude each other" in ran.stderr


def test_a_colour_that_is_none_is_wrong_usage(run, pod):
    assert run("inject", "-f", pod, "--color=sometimes").exit_code == 2


def test_serve_without_a_certificate_says_what_it_needs(run):
    ran = run("serve")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: ")
    assert "tls_cert_file" in ran.stderr
    assert "--dev" in ran.stderr


def test_a_reader_that_goes_away_is_no_error(pod):
    # More than a pipe holds, so that the command is still writing when nobody reads any more.
    files = [argument for _ in range(60) for argument in ("-f", str(pod))]
    command = [str(DIND_WEBHOOK), "inject", *files]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read()
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in stderr
    assert "BrokenPipe" not in stderr


@pytest.mark.parametrize("arguments", [["serve", "--help"], ["inject", "-f"], ["explain", "-f"]], ids=lambda a: a[0])
def test_nothing_here_imports_the_client_of_the_api_server(arguments, pod):
    arguments = [*arguments, pod] if arguments[-1] == "-f" else arguments
    imported = imported_by(*arguments)
    assert "app.cli.main" in imported
    assert {name for name in imported if name.split(".")[0] == "kubernetes"} == set()


@pytest.mark.parametrize("command", ["inject", "explain"])
def test_what_works_offline_does_not_import_the_server(command, pod):
    imported = imported_by(command, "-f", pod)
    assert f"app.cli.{command}" in imported
    assert {name for name in imported if name.split(".")[0] in PACKAGES_OF_THE_SERVER} == set()


def test_auto_colours_on_a_terminal(pod):
    ours, theirs = os.openpty()
    try:
        command = [DIND_WEBHOOK, "inject", "-f", pod, "--diff"]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, timeout=60, check=True)
        assert os.read(ours, 1000).decode().rstrip() == "\x1b[32mpod/ci: injected (sidecar)\x1b[0m"
    finally:
        os.close(ours)
        os.close(theirs)
