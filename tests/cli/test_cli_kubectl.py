"""`kubectl dind`: the programs that kubectl finds on the PATH, and completion."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dind_webhook.cli.kubectl import complete

BIN = Path(sys.executable).parent


def plugin(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "kubectl-dind", *arguments], check=False, capture_output=True, text=True, timeout=60)


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Return the function that completes words, in this process; the environment is put back afterwards."""

    def completed_(*words: str) -> list[str]:
        for name in ("_DIND_WEBHOOK_COMPLETE", "_TYPER_COMPLETE_FISH_ACTION", "_TYPER_COMPLETE_ARGS"):
            monkeypatch.setenv(name, "")
        monkeypatch.setattr(sys, "argv", ["kubectl_complete-dind", *words])
        complete()
        printed = capfd.readouterr()
        assert printed.err == ""
        return [line.partition("\t")[0] for line in printed.out.splitlines()]

    return completed_


def test_the_plugin_is_the_same_program_under_kubectls_name() -> None:
    ran = plugin("nonsense")
    assert ran.returncode == 2
    assert ran.stderr.startswith("Usage: kubectl dind [OPTIONS] COMMAND [ARGS]...\n")


def test_the_plugin_explains_a_manifest(pod: Path) -> None:
    ran = plugin("explain", "-f", str(pod))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("  => injected (sidecar)\n")


@pytest.mark.parametrize(
    ("words", "ways"),
    [
        (("ch",), ["check", ":4"]),
        (("check", "--wa"), ["--wait", ":4"]),
        (("migrate", "--mode", "d"), ["daemonset", ":4"]),
        (("check", "-o", ""), ["table", "short", "json", ":4"]),
        (("explain", "po"), ["pod/", ":4"]),
        (("inject", "--namespace-label", "s"), ["sidecar", ":4"]),
        (("inject", "-f", ""), [":0"]),
    ],
)
def test_words_are_completed_in_kubectls_format(
    words: tuple[str, ...], ways: list[str], completed: Callable[..., list[str]]
) -> None:
    assert completed(*words) == ways


def test_a_command_is_completed_with_what_it_does() -> None:
    ran = subprocess.run([BIN / "kubectl_complete-dind", "ch"], check=True, capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines()[0].startswith("check\tCheck an installation and suggest fixes.")
