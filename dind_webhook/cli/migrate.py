"""`dind-webhook migrate`, on manifests."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from dind_webhook.cli.changes import print_diff, report_lost_comments
from dind_webhook.cli.exit_codes import ERROR, FAILED
from dind_webhook.cli.files import describe_unknown, read_manifests, write_file
from dind_webhook.cli.migrate_report import ReportedFinding, print_findings, print_findings_as_json
from dind_webhook.cli.output import MigrateOutput, print_to_stderr
from dind_webhook.errors import ManifestError, NoObjectError
from dind_webhook.injection import Mode
from dind_webhook.manifests import Manifest, OtherObject, UnknownObject, display_name, namespace_in_metadata
from dind_webhook.migration import Finding, MigrationRequest, Verdict, examine, examine_unknown
from dind_webhook.model import JsonObject
from dind_webhook.settings import load_policy

# An action of a Helm template: a value, a function or the start of a block. Other tools use braces without the dot.
_HELM_ACTION = re.compile(
    r"\{\{-?[ \t]{0,8}(?:[.$(]|/\*|(?:if|else|end|range|with|define|include|template|block|toYaml|default|quote)\b)"
)


def run_migrate(
    filenames: list[str],
    *,
    recursive: bool,
    namespace: str,
    mode: Mode,
    output: MigrateOutput,
    write: bool,
    strict: bool,
    color: str,
    config: Path | None,
) -> int:
    """Find what to migrate in these files, and with `write` rewrite them; return the exit code.

    It is 0, 1 if something is left, or 2 if a file in a directory cannot be read. `strict` says whether an object of an
    unknown kind counts as left.
    """
    request = MigrationRequest(mode, load_policy(config, os.environ))
    unreadable: list[ManifestError] = []
    try:
        manifests = read_manifests(
            "migrate", filenames, recursive=recursive, namespace=namespace, unreadable=unreadable
        )
    except ManifestError as error:
        raise _name_helm_template(error) from None
    unreadable = [_name_helm_template(error) for error in unreadable]
    reported: list[ReportedFinding] = []
    unknown: list[UnknownObject] = []
    for manifest in manifests:
        findings = [*_examine_pods(manifest, namespace, request), *_examine_others(manifest, namespace, unknown)]
        if write:
            findings = _write(manifest, findings)
        reported += findings
    report_lost_comments(manifests, color)
    _report_not_understood(unknown, unreadable, color)
    if output is MigrateOutput.JSON:
        print_findings_as_json(reported, unknown, map(str, unreadable))
    elif output is MigrateOutput.DIFF:
        print_findings(reported, color, file=sys.stderr)
        for change in (change for manifest in manifests for change in manifest.changes()):
            print_diff(change, "migrated", color)
    else:
        print_findings(reported, color)
    if any(not isinstance(error, NoObjectError) for error in unreadable):
        return ERROR
    return FAILED if any(each.is_left for each in reported) or (strict and (unknown or unreadable)) else 0


def _name_helm_template(error: ManifestError) -> ManifestError:
    """Return the error with what to do if its file is an unrendered template of a Helm chart."""
    if error.line is None:
        return error
    name = str(error).partition(f": line {error.line}, ")[0]
    try:
        text = Path(name).read_text("utf-8")
    except (OSError, ValueError):
        # Standard input cannot be read twice.
        return error
    if not _HELM_ACTION.search(text):
        return error
    return ManifestError(
        f"{error}; this looks like a Helm template: use `helm template ... | dind-webhook migrate -f -`",
        line=error.line,
    )


def _examine_pods(manifest: Manifest, namespace: str, request: MigrationRequest) -> Iterator[ReportedFinding]:
    for template in manifest.templates():
        own_request = request.for_namespace(template.namespace)
        finding = examine(template.pod, str(template.owner.get("kind")), own_request, template.claim_names)
        if finding is None:
            continue
        if finding.verdict is Verdict.CONVERTS:
            manifest.inject(template, finding.operations)
        yield _report(manifest, template.owner, namespace, finding)


def _examine_others(manifest: Manifest, namespace: str, unknown: list[UnknownObject]) -> Iterator[ReportedFinding]:
    """Yield the findings about objects without a pod template; add the other objects of unknown kinds to `unknown`."""
    for other in manifest.other_objects():
        if finding := examine_unknown(other.resource):
            yield _report(manifest, other.resource, namespace, finding)
        else:
            unknown += _unknown(other)


def _unknown(other: OtherObject) -> list[UnknownObject]:
    return [other.unknown] if other.unknown else []


def _report(manifest: Manifest, resource: JsonObject, namespace: str, finding: Finding) -> ReportedFinding:
    kind = str(resource.get("kind") or "object")
    where = namespace_in_metadata(resource) or namespace
    return ReportedFinding(kind, where, display_name(resource), "", manifest.name, finding)


def _write(manifest: Manifest, reported: list[ReportedFinding]) -> list[ReportedFinding]:
    """Rewrite the file if it has changes, and return the findings with those that were rewritten."""
    if not any(manifest.changes()):
        return reported
    write_file(manifest.name, manifest.text)
    return [each._replace(is_changed=each.finding.verdict is Verdict.CONVERTS) for each in reported]


def _report_not_understood(unknown: list[UnknownObject], unreadable: list[ManifestError], color: str) -> None:
    for each in unknown:
        print_to_stderr(describe_unknown(each), typer.colors.YELLOW, color)
    for error in unreadable:
        print_to_stderr(f"not read: {error}", typer.colors.YELLOW, color)
