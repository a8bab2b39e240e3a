"""`dind-webhook inject`."""

import difflib
import sys
from enum import Enum
from pathlib import Path

import orjson
import typer

from app.cli.judge import DENIED, describe, load_policy, painted, style_of
from app.injection import Decision, Outcome
from app.manifests import Change, Template, join, judge, read_manifest
from app.model import add

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
    patches: list[str] = []
    denied = False
    for filename, manifest in zip(filenames, manifests, strict=True):
        count = 0
        for template in manifest.templates():
            count += 1
            decision = judge(template.pod, namespace_label, policy)
            denied |= decision.outcome is Outcome.DENIED
            _report(template, decision, color)
            if decision.operations:
                manifest.inject(template, decision.operations)
                patches.append(_patch(template, decision))
        if count == 0:
            where = "this file" if len(filenames) == 1 else filename
            _say(f"no pod or workload in {where}, nothing to do", typer.colors.YELLOW, color)
    if output is Output.DIFF:
        _write("".join(_diff(change, color) for manifest in manifests for change in manifest.changes()))
    elif not denied:
        _write(join(manifests) if output is Output.MANIFEST else "".join(patches))
    return DENIED if denied else 0


def _patch(template: Template, decision: Decision) -> str:
    operations = [add(template.pointer + operation["path"], operation["value"]) for operation in decision.operations]
    return orjson.dumps(operations, option=orjson.OPT_INDENT_2).decode() + "\n"


def _diff(change: Change, color: str) -> str:
    names = ", ".join(change.names)
    lines = difflib.unified_diff(
        change.before.splitlines(), change.after.splitlines(), f"{names} as written", f"{names} injected", lineterm=""
    )
    return "".join(painted(line, _COLORS.get(line[:1]), color, sys.stdout.isatty()) + "\n" for line in lines)


def _write(text: str) -> None:
    # Bytes: manifests are UTF-8 whatever the locale is, and keep their line ends whatever the system has.
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _report(template: Template, decision: Decision, color: str) -> None:
    _say(f"{template.name}: {describe(decision)}", style_of(decision), color)
    for warning in decision.warnings:
        _say(f"  warning: {warning}", typer.colors.YELLOW, color)


def _say(text: str, style: str, color: str) -> None:
    print(painted(text, style, color, sys.stderr.isatty()), file=sys.stderr)
