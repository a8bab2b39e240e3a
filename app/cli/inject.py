"""`dind-webhook inject`."""

import difflib
import sys
from enum import Enum
from pathlib import Path

import orjson
import typer

from app.cli.judge import describe, judge, load_policy, painted, style_of
from app.cli.manifests import Manifest, Template, apply, read_manifest
from app.injection import Decision, Outcome
from app.model import add

_DENIED = 1
_COLORS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "@": typer.colors.CYAN}


class Output(Enum):
    """What is printed of an injected object."""

    MANIFEST = "manifest"
    PATCH = "patch"
    DIFF = "diff"


def run(filenames: list[str], namespace_label: str, output: Output, color: str, config: Path | None) -> int:
    """Inject the pods of these files; return the exit code: 0, or 1 where one was denied."""
    policy = load_policy(config)
    manifests = [read_manifest(filename) for filename in filenames]
    printed: list[str] = []
    denied = False
    for manifest in manifests:
        count = 0
        for template in manifest.templates():
            count += 1
            decision = judge(template.pod, namespace_label, policy)
            denied |= decision.outcome is Outcome.DENIED
            _report(template, decision, color)
            printed += _show(manifest, template, decision, output, color)
        if count == 0:
            _say("no pod or workload in this file, nothing to do", typer.colors.YELLOW, color)
        if output is Output.MANIFEST:
            printed.append(manifest.dump())
    if denied and output is not Output.DIFF:
        return _DENIED
    separator = "---\n" if output is Output.MANIFEST else ""
    sys.stdout.write(separator.join(printed))
    return _DENIED if denied else 0


def _show(manifest: Manifest, template: Template, decision: Decision, output: Output, color: str) -> list[str]:
    """Apply a decision to its document; return what is printed of it."""
    if not decision.operations:
        return []
    before = manifest.dump(template.owner) if output is Output.DIFF else ""
    apply(template.target, decision.operations)
    if output is Output.PATCH:
        operations = [
            add(template.pointer + operation["path"], operation["value"]) for operation in decision.operations
        ]
        return [orjson.dumps(operations, option=orjson.OPT_INDENT_2).decode() + "\n"]
    if output is Output.DIFF:
        return [_diff(template.name, before, manifest.dump(template.owner), color)]
    return []


def _diff(name: str, before: str, after: str, color: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} as written", f"{name} injected", lineterm=""
    )
    return "".join(painted(line, _COLORS.get(line[:1]), color, sys.stdout.isatty()) + "\n" for line in lines)


def _report(template: Template, decision: Decision, color: str) -> None:
    _say(f"{template.name}: {describe(decision)}", style_of(decision), color)
    for warning in decision.warnings:
        _say(f"  warning: {warning}", typer.colors.YELLOW, color)


def _say(text: str, style: str, color: str) -> None:
    print(painted(text, style, color, sys.stderr.isatty()), file=sys.stderr)
