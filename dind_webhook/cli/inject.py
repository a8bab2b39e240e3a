"""`dind-webhook inject`."""

import difflib
import json
import os
import sys
from pathlib import Path

import orjson
import typer

from dind_webhook.cli.exit_codes import FAILED
from dind_webhook.cli.files import describe_unknown, read_manifests
from dind_webhook.cli.namespace_labels import NamespaceLabels, parse_namespace_labels
from dind_webhook.cli.output import InjectOutput, describe, print_exactly, print_line, style_of
from dind_webhook.injection import Decision, Outcome, Policy, decide_for_namespace, join_first
from dind_webhook.manifests import Change, Manifest, ManifestPod, join
from dind_webhook.model import prefix_paths
from dind_webhook.settings import load_policy

# Limits on the list of lost comments
_MAX_COMMENTS = 3
_MAX_COMMENT = 60
_COLORS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "@": typer.colors.CYAN}


def run_inject(
    filenames: list[str],
    *,
    recursive: bool,
    namespace: str,
    namespace_label: str,
    output: InjectOutput,
    strict: bool,
    color: str,
    config: Path | None,
) -> int:
    """Inject the pods of these files; return the exit code: 0, or 1 if a pod was denied.

    `strict` says whether an object of an unknown kind counts as a denial.
    """
    labels = parse_namespace_labels(namespace_label)
    policy = load_policy(config, os.environ)
    manifests = read_manifests("inject", filenames, recursive=recursive, namespace=namespace)
    patches: list[str] = []
    failed = False
    _warn_of_missing_namespaces(manifests, policy, color)
    for manifest in manifests:
        decisions = _inject(manifest, labels, policy)
        for template, decision in decisions:
            failed |= decision.outcome is Outcome.DENIED
            _report(template, decision, color)
            if decision.operations:
                patches.append(_patch(template, decision))
        for unknown in manifest.unknown_objects():
            failed |= strict
            _print_to_stderr(describe_unknown(unknown), typer.colors.YELLOW, color)
        if not decisions:
            where = "this file" if len(manifests) == 1 else manifest.name
            _print_to_stderr(f"no pod or workload in {where}, nothing to do", typer.colors.YELLOW, color)
    if output not in {InjectOutput.PATCH, InjectOutput.JSON}:
        _report_lost_comments(manifests, color)
    if output is InjectOutput.DIFF:
        for change in (change for manifest in manifests for change in manifest.changes()):
            _print_diff(change, color)
    elif not failed:
        print_exactly("".join(patches) if output is InjectOutput.PATCH else _render(manifests, output))
    return FAILED if failed else 0


def _inject(manifest: Manifest, labels: NamespaceLabels, policy: Policy) -> list[tuple[ManifestPod, Decision]]:
    decisions = []
    for template in manifest.templates():
        decision = decide_for_namespace(
            template.pod,
            labels.inject,
            policy.for_namespace(template.namespace),
            node_socket_label=labels.node_socket,
            claim_names=template.claim_names,
        )
        if decision.operations:
            manifest.inject(template, decision.operations)
        decisions.append((template, decision))
    return decisions


def _warn_of_missing_namespaces(manifests: list[Manifest], policy: Policy, color: str) -> None:
    """Say which objects the settings of the whole cluster decide about, because nothing names their namespace."""
    names = [template.name for manifest in manifests for template in manifest.templates() if not template.namespace]
    if policy.namespaces and names:
        _print_to_stderr(
            f"no namespace in {join_first(names, str, ', ')}: the settings of single namespaces do not count; set "
            "--namespace",
            typer.colors.YELLOW,
            color,
        )


def _render(manifests: list[Manifest], output: InjectOutput) -> str:
    if output is not InjectOutput.JSON:
        return join(manifests, as_yaml=output is InjectOutput.YAML)
    objects = [each for manifest in manifests for each in manifest.objects()]
    # As kubectl prints several objects
    tree = objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": objects}
    return json.dumps(tree, ensure_ascii=False, indent=4) + "\n"


def _patch(template: ManifestPod, decision: Decision) -> str:
    operations = prefix_paths(template.pointer, decision.operations)
    return orjson.dumps(operations, option=orjson.OPT_INDENT_2).decode() + "\n"


def _print_diff(change: Change, color: str) -> None:
    names = ", ".join(change.names)
    lines = difflib.unified_diff(
        change.before.splitlines(), change.after.splitlines(), f"{names} as written", f"{names} injected", lineterm=""
    )
    for line in lines:
        print_line((line, _COLORS.get(line[:1])), color=color)


def _report(template: ManifestPod, decision: Decision, color: str) -> None:
    _print_to_stderr(f"{template.name}: {describe(decision)}", style_of(decision), color)
    for warning in decision.warnings:
        _print_to_stderr(f"  warning: {warning}", typer.colors.YELLOW, color)
    for note in template.misplaced:
        _print_to_stderr(f"  note: {note}", typer.colors.YELLOW, color)


def _report_lost_comments(manifests: list[Manifest], color: str) -> None:
    for change in (change for manifest in manifests for change in manifest.changes() if change.lost_comments):
        shown = [comment[:_MAX_COMMENT] for comment in change.lost_comments[:_MAX_COMMENTS]]
        more = ["..."] if len(change.lost_comments) > _MAX_COMMENTS else []
        names, comments = ", ".join(change.names), ", ".join(shown + more)
        _print_to_stderr(f"{names}: comments are lost: {comments}", typer.colors.YELLOW, color)


def _print_to_stderr(text: str, style: str, color: str) -> None:
    print_line((text, style), color=color, file=sys.stderr)
