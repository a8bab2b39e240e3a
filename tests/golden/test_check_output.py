"""The output of `dind-webhook check` in each format equals the files under `check/`."""

from pathlib import Path

import pytest
from diagnostics.healthy import healthy, namespace, opted_in, pod
from golden import compare_or_update

from dind_webhook.cli.check import CheckOutput, print_results
from dind_webhook.diagnostics import CHECKS, Result, run_checks
from dind_webhook.diagnostics.snapshot import ServerEndpoint

FOLDER = Path(__file__).with_name("check")


def make_results() -> list[Result]:
    """Return results of each status: one check fails, some warn, and some cannot run or wait for others."""
    snapshot = healthy(
        namespaces=(opted_in(**{"pod-security.kubernetes.io/enforce": "baseline"}), namespace("default")),
        pods=(pod(namespace="default"), pod("other", namespace="default")),
        endpoints=(ServerEndpoint("pod a", connection_error="the connection broke: timed out"),),
        unavailable={"nodes": "you may not list nodes"},
    )
    return list(run_checks(CHECKS, snapshot))


@pytest.mark.parametrize("output", CheckOutput)
def test_results_are_printed_as_they_were(
    output: CheckOutput, update: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    print_results(make_results(), output, "never")
    compare_or_update(FOLDER / f"{output}.txt", capsys.readouterr().out, update)


def test_colours_are_there_when_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_results(make_results(), CheckOutput.TABLE, "always")
    assert "\x1b[31m✗\x1b[0m" in capsys.readouterr().out


def test_nothing_is_wrapped_since_commands_are_to_be_copied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_results(make_results(), CheckOutput.TABLE, "always")
    assert (
        "kubectl label namespace ci pod-security.kubernetes.io/enforce=privileged --overwrite"
        in capsys.readouterr().out
    )


def test_short_is_silent_where_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    print_results(list(run_checks(CHECKS, healthy())), CheckOutput.SHORT, "never")
    assert capsys.readouterr().out == ""
