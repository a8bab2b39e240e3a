"""The report of `dind-webhook migrate`, for people and for programs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TextIO

from dind_webhook.cli.files import unknown_as_tree
from dind_webhook.cli.output import Part, print_json, print_line
from dind_webhook.injection import join_first
from dind_webhook.manifests import UnknownObject
from dind_webhook.migration import Finding, Verdict
from dind_webhook.model import JsonObject

_CONVERTED = "converted"
# The title, the mark and the colour of each group, in the order in which they are printed
_GROUPS = (
    (str(Verdict.NEEDS_A_PERSON), "✗", "red"),
    (str(Verdict.CONVERTS), "!", "yellow"),
    (_CONVERTED, "✓", "green"),
    (str(Verdict.IS_NO_BUILD), "-", "bright_black"),
)


class ReportedFinding(NamedTuple):
    """A finding with its object: where it is, its owner of a kind that is not known, and its state.

    The state is that in the cluster, or the name of the file. `is_changed` says that the object was rewritten.
    """

    kind: str
    namespace: str
    name: str
    owner: str
    state: str
    finding: Finding
    is_changed: bool = False

    @property
    def is_left(self) -> bool:
        """Return whether somebody must still do something."""
        return self.finding.verdict is not Verdict.IS_NO_BUILD and not self.is_changed

    @property
    def title(self) -> str:
        """The name of the object, as kubectl and `inject` show it."""
        name = f"{self.kind.lower()}/{self.name}"
        return f"{name} in namespace {self.namespace}" if self.namespace else name

    @property
    def group(self) -> str:
        """The title of the group that the finding is printed in."""
        return _CONVERTED if self.is_changed else str(self.finding.verdict)


def print_findings(reported: Sequence[ReportedFinding], color: str, file: TextIO | None = None) -> None:
    """Print the findings in groups, and their numbers in the last line; to standard output, unless `file` is given."""
    if not reported:
        print_line("nothing to migrate", file=file)
        return
    for title, mark, style in _GROUPS:
        members = [each for each in reported if each.group == title]
        if members:
            print_line((title, "bold"), color=color, file=file)
        for each in members:
            print_line("  ", (mark, style), f" {each.title}", color=color, file=file)
            print_line(f"      {'; '.join(_facts(each))}", file=file)
            print_line((f"      → {each.finding.reason}", "cyan"), color=color, file=file)
        if members:
            print_line(file=file)
    print_line(*_summary(reported), color=color, file=file)


def print_findings_as_json(
    reported: Iterable[ReportedFinding], unknown: Iterable[UnknownObject], unreadable: Iterable[str]
) -> None:
    """Print one object with all findings, for programs."""
    findings = list(reported)
    print_json(
        {
            "findings": [_as_tree(each) for each in findings],
            "unknown": [unknown_as_tree(each) for each in unknown],
            "unreadable": list(unreadable),
            "left": sum(each.is_left for each in findings),
        }
    )


def _facts(reported: ReportedFinding) -> Iterator[str]:
    finding = reported.finding
    if finding.containers:
        yield f"containers {join_first(finding.containers, str, ', ')}"
    if finding.paths:
        yield f"{join_first(finding.paths, str, ', ')} of the node ({', '.join(finding.runtimes)})"
    if finding.daemon:
        yield f"a Docker daemon of its own ({finding.daemon})"
    if reported.owner:
        yield f"owner {reported.owner}"
    yield reported.state


def _summary(reported: Sequence[ReportedFinding]) -> Iterator[Part]:
    counts = [(title, style, sum(each.group == title for each in reported)) for title, _, style in _GROUPS]
    shown = [row for row in counts if row[2]]
    for title, style, count in shown:
        yield f"{count} {title}", style
        if title != shown[-1][0]:
            yield ", "


def _as_tree(reported: ReportedFinding) -> JsonObject:
    finding = reported.finding
    return {
        "kind": reported.kind,
        "namespace": reported.namespace or None,
        "name": reported.name,
        "owner": reported.owner or None,
        "containers": list(finding.containers),
        "paths": list(finding.paths),
        "runtimes": list(finding.runtimes),
        "daemon": finding.daemon or None,
        "state": reported.state,
        "verdict": str(finding.verdict),
        "reason": finding.reason,
        "changed": reported.is_changed,
    }
