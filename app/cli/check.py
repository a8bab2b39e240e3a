"""`dind-webhook check`."""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from itertools import groupby
from pathlib import Path

import orjson
from rich.console import Console
from rich.text import Text

from app.checks import CHECKS, Result, Scope, Status, judge, read_snapshot
from app.errors import NoClusterError
from app.kube import Cluster

# Exit code where a check failed; warnings do not count
FAILED = 1
_PAUSE_SECONDS = 2.0
_MARKS = {
    Status.PASSED: ("✓", "green"),
    Status.WARNING: ("!", "yellow"),
    Status.FAILED: ("✗", "red"),
    Status.SKIPPED: ("-", "bright_black"),
}


class Output(StrEnum):
    """How the results are printed."""

    TABLE = "table"
    SHORT = "short"
    JSON = "json"


def console(color: str, stderr: bool = False) -> Console:
    """Return where people are written to: in colour where that is wanted (`always`) or seen (`auto`)."""
    return Console(
        stderr=stderr,
        highlight=False,
        soft_wrap=True,
        force_terminal=True if color == "always" else None,
        no_color=True if color == "never" else None,
    )


def run(kubeconfig: Path | None, context: str | None, scope: Scope, wait: timedelta, output: Output, color: str) -> int:
    """Check a live install; return the exit code: 0, or 1 where a check failed.

    Tries again until none does, or `wait` is over.
    """
    end = time.monotonic() + wait.total_seconds()
    while True:
        results: list[Result] | NoClusterError
        try:
            results = _check(Cluster(kubeconfig, context), scope, color)
        except NoClusterError as error:
            results = error
        failed = isinstance(results, NoClusterError) or any(one.status is Status.FAILED for one in results)
        if not failed or time.monotonic() + _PAUSE_SECONDS > end:
            break
        _tell_of_waiting(results, end, color)
        time.sleep(_PAUSE_SECONDS)
    if isinstance(results, NoClusterError):
        raise results
    print_results(results, output, color)
    return FAILED if failed else 0


def _check(cluster: Cluster, scope: Scope, color: str) -> list[Result]:
    progress = console(color, stderr=True)
    if scope.pod and scope.namespace is None:
        scope = scope._replace(namespace=cluster.namespace)
    with progress.status("asking the API server") as status:
        snapshot = read_snapshot(cluster, scope, lambda what: status.update(f"reading {what}"))
        return list(judge(CHECKS, snapshot))


def _tell_of_waiting(results: list[Result] | NoClusterError, end: float, color: str) -> None:
    left = round(end - time.monotonic())
    if isinstance(results, NoClusterError):
        what = str(results)
    else:
        what = ", ".join(one.check.name for one in results if one.status is Status.FAILED)
    console(color, stderr=True).print(f"waiting, {left} s at most, for: {what}", markup=False)


def print_results(results: list[Result], output: Output, color: str) -> None:
    """Print results for people, for grep or for programs."""
    match output:
        case Output.JSON:
            print(as_json(results))
        case Output.SHORT:
            _print_short(results, console(color))
        case Output.TABLE:
            _print_table(results, console(color))


def as_json(results: Iterable[Result]) -> str:
    """Return results for programs."""
    tree = [
        {
            "name": one.check.name,
            "category": one.check.category,
            "statement": one.check.statement,
            "fatal": one.check.fatal,
            "status": one.status,
            "skipped": one.skipped or None,
            "findings": [finding._asdict() for finding in one.findings],
        }
        for one in results
    ]
    failed = any(one.status is Status.FAILED for one in results)
    return orjson.dumps({"success": not failed, "checks": tree}, option=orjson.OPT_INDENT_2).decode()


def _print_short(results: list[Result], out: Console) -> None:
    """One line for each finding, as compilers do; nothing where all is well."""
    for one in results:
        for finding in one.findings:
            style = _MARKS[one.status][1]
            line = Text.assemble((str(one.status), style), f" {one.check.name}: {finding.sentence}. {finding.hint}")
            out.print(line)


def _print_table(results: list[Result], out: Console) -> None:
    for number, (category, members) in enumerate(groupby(results, lambda one: one.check.category)):
        if number:
            out.print()
        out.print(Text(category, "bold"))
        for skipped, group in groupby(members, lambda one: one.skipped):
            alike = list(group)
            if skipped:
                statements = f"{len(alike)} checks" if len(alike) > 1 else alike[0].check.statement
                out.print(Text(f"  - {statements}: skipped, {skipped}", _MARKS[Status.SKIPPED][1]))
                continue
            for one in alike:
                _print_result(one, out)
    out.print()
    out.print(summary(results))


def _print_result(one: Result, out: Console) -> None:
    mark, style = _MARKS[one.status]
    out.print(Text.assemble("  ", (mark, style), f" {one.check.statement}"), end="")
    out.print(Text(f" ({one.check.name})" if one.findings else "", "bright_black"))
    for hint, findings in groupby(one.findings, lambda finding: finding.hint):
        # Never wrapped: commands in it are to be copied.
        for finding in findings:
            out.print(Text(f"      {finding.sentence}"))
        out.print(Text(f"      → {hint}", "cyan"))


def summary(results: Iterable[Result]) -> Text:
    """Return the last line: how many of each."""
    counts = Counter(one.status for one in results)
    parts = [
        Text(f"{counts[status]} {_plural(status, counts[status])}", _MARKS[status][1] if counts[status] else "")
        for status in (Status.FAILED, Status.WARNING, Status.SKIPPED, Status.PASSED)
        if counts[status] or status is Status.FAILED
    ]
    return Text(", ").join(parts)


def _plural(status: Status, count: int) -> str:
    return "warnings" if status is Status.WARNING and count != 1 else str(status)
