"""All messages for people, in one file for reviewers: `messages.txt`."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from diagnostics.broken import BROKEN
from golden import CASES, compare_or_update

from dind_webhook.diagnostics import CHECKS, Snapshot, run_checks
from dind_webhook.injection import Outcome, Policy, Reason, inject

FILE = Path(__file__).with_name("messages.txt")
MAX_EVENT = 1024
MAX_WARNING = 120
# The beginning of the event of a Job or a ReplicaSet
EVENT = 'Error creating: admission webhook "daemonset.inject.dind.io" denied the request: '


def report_lines() -> Iterator[str]:
    for report in sorted(CASES.glob("*/report.txt")):
        yield from report.read_text("utf-8").splitlines()


def denials() -> dict[str, list[str]]:
    """Return the messages of each reason to deny a pod, without the prefix of the command line."""
    found: dict[str, list[str]] = {}
    for line in report_lines():
        if match := re.search(r"denied \(([a-z-]+)\): (.*)$", line):
            found.setdefault(match[1], []).append(match[2])
    return {slug: list(dict.fromkeys(messages)) for slug, messages in sorted(found.items())}


def warnings() -> list[str]:
    return sorted({line.partition("warning: ")[2] for line in report_lines() if "warning: " in line})


def findings() -> Iterator[str]:
    """Yield the finding and the hint of a check for each broken cluster."""
    for name, snapshot, sentence, _ in BROKEN:
        for finding in findings_of(name, snapshot):
            if sentence in finding[0]:
                yield f"{name}: {finding[0]}\n  → {finding[1]}"


def findings_of(name: str, snapshot: Snapshot) -> Iterable[tuple[str, str]]:
    return next(result for result in run_checks(CHECKS, snapshot) if result.check.name == name).findings


def render_messages() -> str:
    parts = ["DENIALS, as the event of a Job or a ReplicaSet has them\n"]
    parts += [f"{slug}\n" + "".join(f"  {EVENT}{text}\n" for text in texts) for slug, texts in denials().items()]
    parts += ["WARNINGS, as kubectl prints them\n", "".join(f"  Warning: {text}\n" for text in warnings())]
    parts += ["FINDINGS of check\n", *(f"{text}\n" for text in findings())]
    changes = "".join(f"  {reason.slug}: to change that: {text}\n" for reason in Reason if (text := reason.remedy))
    return "\n".join([*parts, "CHANGES that explain proposes\n", changes])


def test_messages_are_what_was_read(update: bool) -> None:
    compare_or_update(FILE, render_messages(), update)


def test_every_reason_to_deny_a_pod_is_among_them() -> None:
    assert set(denials()) == {reason.slug for reason in Reason if reason.outcome is Outcome.DENIED}


def test_every_check_is_among_them() -> None:
    assert {text.partition(":")[0] for text in findings()} == {check.name for check in CHECKS}


@pytest.mark.parametrize("message", [text for texts in denials().values() for text in texts])
def test_a_denial_fits_into_an_event(message: str) -> None:
    assert len(EVENT + message) <= MAX_EVENT


@pytest.mark.parametrize("warning", warnings())
def test_a_warning_is_passed_on_whole(warning: str) -> None:
    assert len(warning) <= MAX_WARNING


LONG = "x" * 200
ANNOTATIONS: list[dict[str, str]] = [
    {f"dind.io/{LONG}{number}": LONG for number in range(50)},
    {f"dind.io/cpu-limi{number}": LONG for number in range(50)},
    {"dind.io/inject": LONG},
    {"dind.io/containers": ",".join(f"c{number}-{'x' * 50}" for number in range(50))},
    {f"dind.io/{name}": LONG for name in ("mtu", "cpu-limit", "memory-limit", "group", "wait", "storage-size")},
    {"dind.io/registry-mirrors": LONG, "dind.io/share-volumes": LONG, "dind.io/placement": LONG},
]


@pytest.mark.parametrize("annotations", ANNOTATIONS, ids=range(len(ANNOTATIONS)))
def test_the_longest_denials_fit_too(annotations: dict[str, str], policy: Policy) -> None:
    metadata = {"annotations": {"dind.io/inject": "sidecar", **annotations}}
    names = [f"container-{number}-{'x' * 40}" for number in range(50)]
    decision = inject({"metadata": metadata, "spec": {"containers": [{"name": name} for name in names]}}, None, policy)
    assert decision.outcome is Outcome.DENIED
    assert len(EVENT + decision.message) <= MAX_EVENT
