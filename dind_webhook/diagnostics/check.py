"""A check is a row of a table: a statement, the fix if it is false, and a function that finds problems."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from dind_webhook.diagnostics.snapshot import Snapshot, name_of, release_name, release_namespace

# Without --force-conflicts, helm 4 keeps the changes of others; helm 3 does not have the flag.
REINSTALL = (
    "`helm upgrade {release} CHART --namespace {system} --reuse-values --force-conflicts` restores it "
    "(helm 3: without --force-conflicts)"
)


class Category(StrEnum):
    """The groups of checks, in the order of the report."""

    API_SERVER = "API server"
    CONFIGURATION = "Webhook configuration"
    SERVER = "Server"
    CERTIFICATE = "Certificate"
    DAEMONSET = "DaemonSet"
    NODES = "Nodes"
    NAMESPACES = "Namespaces"
    DRY_RUN = "Dry-run"
    PODS = "Pods"


class Problem(NamedTuple):
    """A sentence that says what is wrong, and texts for the placeholders of the check's hint."""

    sentence: str
    placeholders: Mapping[str, str] = {}


class Check(NamedTuple):
    """A row of the table; its function is called `check_<name>`.

    `requires` names the members of Snapshot that `find_problems` reads. The check is skipped if one is unavailable, or
    if a check in `after` has failed or was skipped. `hint` is the fix; it may have the placeholders of the problem and
    {release}, {system} (its namespace), {server} (its Deployment). A check that is not `fatal` only warns. One
    `of_webhook` is skipped in an installation that has only policies, without effect on the checks after it.
    """

    name: str
    category: Category
    statement: str
    hint: str
    requires: tuple[str, ...]
    find_problems: Callable[[Snapshot], Iterable[Problem]]
    after: tuple[str, ...] = ()
    fatal: bool = False
    of_webhook: bool = False


class Status(StrEnum):
    """The outcome of a check."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(NamedTuple):
    """A problem and its fix."""

    sentence: str
    hint: str


class Result(NamedTuple):
    """A check and its outcome; `skipped` is the reason why the check was skipped, empty if it was not."""

    check: Check
    status: Status
    findings: tuple[Finding, ...] = ()
    skipped: str = ""


def run_checks(checks: Iterable[Check], snapshot: Snapshot) -> Iterator[Result]:
    """Yield the result of each check, in order."""
    skip_reasons: dict[str, str] = {}
    for check in checks:
        if check.of_webhook and snapshot.has_only_policies:
            yield Result(check, Status.SKIPPED, skipped="policies of the API server inject the pods")
            continue
        result = _run_check(check, snapshot, skip_reasons)
        if result.status is Status.FAILED:
            skip_reasons[check.name] = f"see {check.name}"
        elif result.status is Status.SKIPPED:
            skip_reasons[check.name] = result.skipped
        yield result


def _run_check(check: Check, snapshot: Snapshot, skip_reasons: Mapping[str, str]) -> Result:
    """Run a check; `skip_reasons` has the checks before it that failed or were skipped."""
    for names, reasons in ((check.after, skip_reasons), (check.requires, snapshot.unavailable)):
        if reason := next((reasons[name] for name in names if name in reasons), None):
            return Result(check, Status.SKIPPED, skipped=reason)
    findings = tuple(
        Finding(problem.sentence, _fill_in(check.hint, {**problem.placeholders, **_release_placeholders(snapshot)}))
        for problem in check.find_problems(snapshot)
    )
    if not findings:
        return Result(check, Status.PASSED)
    return Result(check, Status.FAILED if check.fatal else Status.WARNING, findings)


def _release_placeholders(snapshot: Snapshot) -> dict[str, str]:
    configuration = snapshot.configuration or next(iter(snapshot.injecting_policies), None)
    return {
        "release": release_name(configuration),
        "system": release_namespace(configuration) or "NAMESPACE",
        "server": name_of(snapshot.deployment or snapshot.service or {}) or "dind-webhook",
    }


def _fill_in(hint: str, placeholders: Mapping[str, str]) -> str:
    for name, text in placeholders.items():
        hint = hint.replace(f"{{{name}}}", text)
    return hint
