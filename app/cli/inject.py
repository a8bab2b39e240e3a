"""`dind-webhook inject`."""

import difflib
import os
import sys
from enum import Enum
from pathlib import Path

import orjson
import typer

from app.cli.output import DENIED, describe, print_exactly, print_line, style_of
from app.injection import Decision, Outcome, decide_for_namespace
from app.manifests import Change, Template, join, read_manifest
from app.model import prefix_paths
from app.settings import load_policy

_COLORS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "@": typer.colors.CYAN}


class InjectOutput(Enum):
    """What is printed of an injected object."""

    MANIFEST = "manifest"
    PATCH = "patch"
    DIFF = "diff"


def run_inject(
    filenames: list[str], namespace_label: str, output: InjectOutput, color: str, config: Path | None
) -> int:
    """Inject the pods of these files; return the exit code: 0, or 1 where one was denied."""
    policy = load_policy(config, os.environ)
    manifests = [read_manifest(filename) for filename in filenames]
    patches: list[str] = []
    denied = False
    for filename, manifest in zip(filenames, manifests, strict=True):
        count = 0
        for template in manifest.templates():
            count += 1
            decision = decide_for_namespace(template.pod, namespace_label, policy)
            denied |= decision.outcome is Outcome.DENIED
            _report(template, decision, color)
            if decision.operations:
                manifest.inject(template, decision.operations)
                patches.append(_patch(template, decision))
        if count == 0:
            where = "this file" if len(filenames) == 1 else filename
            _say(f"no pod or workload in {where}, nothing to do", typer.colors.YELLOW, color)
    if output is InjectOutput.DIFF:
        for change in (change for manifest in manifests for change in manifest.changes()):
            _print_diff(change, color)
    elif not denied:
        print_exactly(join(manifests) if output is InjectOutput.MANIFEST else "".join(patches))
    return DENIED if denied else 0


def _patch(template: Template, decision: Decision) -> str:
    operations = prefix_paths(template.pointer, decision.operations)
    return orjson.dumps(operations, option=orjson.OPT_INDENT_2).decode() + "\n"


def _print_diff(change: Change, color: str) -> None:
    names = ", ".join(change.names)
    lines = difflib.unified_diff(
        change.before.splitlines(), change.after.splitlines(), f"{names} as written", f"{names} injected", lineterm=""
    )
    for line in lines:
        print_line((line, _COLORS.get(line[:1])), color=color)


def _report(template: Template, decision: Decision, color: str) -> None:
    _say(f"{template.name}: {describe(decision)}", style_of(decision), color)
    for warning in decision.warnings:
        _say(f"  warning: {warning}", typer.colors.YELLOW, color)


def _say(text: str, style: str, color: str) -> None:
    print_line((text, style), color=color, file=sys.stderr)
