"""`dind-webhook check`."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from dind_webhook.cli.exit_codes import FAILED
from dind_webhook.cli.output import CheckOutput, Part, print_json, print_line
from dind_webhook.diagnostics import CHECKS, Result, Scope, Status, read_snapshot, run_checks
from dind_webhook.errors import NoClusterError
from dind_webhook.kube import KubeClient
from dind_webhook.model import JsonObject
from dind_webhook.printable import printable

_PAUSE_SECONDS = 2.0
_SUMMARIZED = (Status.FAILED, Status.WARNING, Status.SKIPPED, Status.PASSED)
_MARKS = {
    Status.PASSED: ("✓", "green"),
    Status.WARNING: ("!", "yellow"),
    Status.FAILED: ("✗", "red"),
    Status.SKIPPED: ("-", "bright_black"),
}


def run_check(
    kubeconfig: Path | None, context: str | None, scope: Scope, wait: timedelta, output: CheckOutput, color: str
) -> int:
    """Check an installation; return the exit code: 0, or 1 if a check failed.

    Failed checks are repeated until none fails, or `wait` is over.
    """
    end = time.monotonic() + wait.total_seconds()
    while True:
        results: list[Result] | NoClusterError
        try:
            results = _check(KubeClient(kubeconfig, context), scope, color)
        except NoClusterError as error:
            results = error
        failed = isinstance(results, NoClusterError) or any(result.status is Status.FAILED for result in results)
        if not failed or time.monotonic() + _PAUSE_SECONDS > end:
            break
        _report_waiting(results, end)
        time.sleep(_PAUSE_SECONDS)
    if isinstance(results, NoClusterError):
        raise results
    print_results(results, output, color)
    return FAILED if failed else 0


def _check(cluster: KubeClient, scope: Scope, color: str) -> list[Result]:
    if scope.pod and scope.namespace is None:
        scope = scope._replace(namespace=cluster.namespace)
    progress = Console(stderr=True, force_terminal=color == "always" or None, no_color=color == "never" or None)
    with progress.status("asking the API server") as status:
        snapshot = read_snapshot(cluster, scope, lambda name: status.update(escape(f"reading {printable(name)}")))
        return list(run_checks(CHECKS, snapshot))


def _report_waiting(results: list[Result] | NoClusterError, end: float) -> None:
    seconds = round(end - time.monotonic())
    if isinstance(results, NoClusterError):
        cause = str(results)
    else:
        cause = ", ".join(result.check.name for result in results if result.status is Status.FAILED)
    print_line(f"waiting, {seconds} s at most, for: {cause}", file=sys.stderr)


def print_results(results: list[Result], output: CheckOutput, color: str) -> None:
    """Print results for people, for grep or for programs."""
    match output:
        case CheckOutput.JSON:
            print_json(_as_tree(results))
        case CheckOutput.SHORT:
            _print_short(results, color)
        case CheckOutput.TABLE:
            _print_table(results, color)


def _as_tree(results: Iterable[Result]) -> JsonObject:
    checks = [
        {
            "name": result.check.name,
            "category": result.check.category,
            "statement": result.check.statement,
            "fatal": result.check.fatal,
            "status": result.status,
            "skipped": result.skipped or None,
            "findings": [finding._asdict() for finding in result.findings],
        }
        for result in results
    ]
    failed = any(result.status is Status.FAILED for result in results)
    return {"success": not failed, "checks": checks}


def _print_short(results: list[Result], color: str) -> None:
    """Print one line for each finding, as compilers do; nothing if there is none."""
    for result in results:
        for finding in result.findings:
            status = (str(result.status), _MARKS[result.status][1])
            print_line(status, f" {result.check.name}: {finding.sentence}. {finding.hint}", color=color)


def _print_table(results: list[Result], color: str) -> None:
    for number, (category, members) in enumerate(groupby(results, lambda result: result.check.category)):
        if number:
            print_line()
        print_line((category, "bold"), color=color)
        for skipped, group in groupby(members, lambda result: result.skipped):
            alike = list(group)
            if skipped:
                statements = f"{len(alike)} checks" if len(alike) > 1 else alike[0].check.statement
                print_line((f"  - {statements}: skipped, {skipped}", _MARKS[Status.SKIPPED][1]), color=color)
                continue
            for result in alike:
                _print_result(result, color)
    print_line()
    print_line(*_summary(results), color=color)


def _print_result(result: Result, color: str) -> None:
    mark, style = _MARKS[result.status]
    name: Part = (f" ({result.check.name})" if result.findings else "", "bright_black")
    print_line("  ", (mark, style), f" {result.check.statement}", name, color=color)
    for hint, findings in groupby(result.findings, lambda finding: finding.hint):
        # Lines are never wrapped, so that people can copy the commands in them.
        for finding in findings:
            print_line(f"      {finding.sentence}")
        print_line((f"      → {hint}", "cyan"), color=color)


def _summary(results: Iterable[Result]) -> Iterator[Part]:
    """Yield the parts of the last line: the number of checks with each status."""
    counts = Counter(result.status for result in results)
    shown = [status for status in _SUMMARIZED if counts[status] or status is Status.FAILED]
    for status in shown:
        count = counts[status]
        yield f"{count} {_plural(status, count)}", _MARKS[status][1] if count else None
        if status is not shown[-1]:
            yield ", "


def _plural(status: Status, count: int) -> str:
    return "warnings" if status is Status.WARNING and count != 1 else str(status)
