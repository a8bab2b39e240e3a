"""`dind-webhook inject`."""

import json
import os
from pathlib import Path

import orjson
import typer

from app.cli.changes import print_diff, report_lost_comments
from app.cli.exit_codes import FAILED
from app.cli.files import describe_unknown, read_manifests
from app.cli.output import InjectOutput, describe, print_exactly, print_to_stderr, style_of
from app.injection import Decision, Outcome, Policy, decide_for_namespace
from app.manifests import Manifest, ManifestPod, join
from app.model import prefix_paths
from app.settings import load_policy


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
    policy = load_policy(config, os.environ)
    manifests = read_manifests("inject", filenames, recursive=recursive, namespace=namespace)
    patches: list[str] = []
    failed = False
    for manifest in manifests:
        decisions = _inject(manifest, namespace_label, policy)
        for template, decision in decisions:
            failed |= decision.outcome is Outcome.DENIED
            _report(template, decision, color)
            if decision.operations:
                patches.append(_patch(template, decision))
        for unknown in manifest.unknown_objects():
            failed |= strict
            print_to_stderr(describe_unknown(unknown), typer.colors.YELLOW, color)
        if not decisions:
            where = "this file" if len(manifests) == 1 else manifest.name
            print_to_stderr(f"no pod or workload in {where}, nothing to do", typer.colors.YELLOW, color)
    if output not in {InjectOutput.PATCH, InjectOutput.JSON}:
        report_lost_comments(manifests, color)
    if output is InjectOutput.DIFF:
        for change in (change for manifest in manifests for change in manifest.changes()):
            print_diff(change, "injected", color)
    elif not failed:
        print_exactly("".join(patches) if output is InjectOutput.PATCH else _render(manifests, output))
    return FAILED if failed else 0


def _inject(manifest: Manifest, namespace_label: str, policy: Policy) -> list[tuple[ManifestPod, Decision]]:
    decisions = []
    for template in manifest.templates():
        decision = decide_for_namespace(template.pod, namespace_label, policy, claim_names=template.claim_names)
        if decision.operations:
            manifest.inject(template, decision.operations)
        decisions.append((template, decision))
    return decisions


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


def _report(template: ManifestPod, decision: Decision, color: str) -> None:
    print_to_stderr(f"{template.name}: {describe(decision)}", style_of(decision), color)
    for warning in decision.warnings:
        print_to_stderr(f"  warning: {warning}", typer.colors.YELLOW, color)
    for note in template.misplaced:
        print_to_stderr(f"  note: {note}", typer.colors.YELLOW, color)
