"""`dind-webhook explain`."""

import sys
from pathlib import Path

import typer

from app.cli.judge import DENIED, describe, load_policy, painted, style_of
from app.injection import INJECT, RULES, Decision, Outcome, Reason
from app.manifests import Template, judge, read_manifest

_HINTS = {
    Reason.NAMESPACE_NOT_OPTED_IN: f"to change that: kubectl label namespace NAME {INJECT}=enabled",
    Reason.NOT_REQUESTED: f"to change that: add the annotation {INJECT}: sidecar (or daemonset) to the pod, "
    "or to the pod template of its workload",
    Reason.OPTED_OUT: f"to change that: remove {INJECT}: disabled",
    Reason.WINDOWS_POD: "to be clear about it, the pod can say so: add the annotation " + f"{INJECT}: disabled",
}


def run(filenames: list[str], namespace_label: str, color: str, config: Path | None) -> int:
    """Explain the pods of these files; return the exit code: 0, or 1 where one would be denied."""
    policy = load_policy(config)
    manifests = [read_manifest(filename) for filename in filenames]
    denied = False
    first = True
    for manifest in manifests:
        for template in manifest.templates():
            decision = judge(template.pod, namespace_label, policy)
            denied |= decision.outcome is Outcome.DENIED
            if not first:
                print()
            first = False
            _explain(template, namespace_label, decision, color)
    if first:
        print("no pod or workload in these files", file=sys.stderr)
    return DENIED if denied else 0


def _explain(template: Template, namespace_label: str, decision: Decision, color: str) -> None:
    terminal = sys.stdout.isatty()
    print(painted(template.name, typer.colors.CYAN, color, terminal))
    metadata = template.pod.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    inputs = [("namespace label", namespace_label or "absent")]
    for name, member in (("pod annotation", "annotations"), ("pod label", "labels")):
        values = metadata.get(member)
        inputs.append((name, str(values[INJECT]) if isinstance(values, dict) and INJECT in values else "absent"))
    for name, value in inputs:
        print(f"  {name + ' ' + INJECT:<30} {value}")
    print()
    stopped = False
    for rule in RULES:
        stops = decision.reason in rule.stops
        mark = "-" if stopped else "✗" if stops else "✓"
        style = None if stopped else style_of(decision) if stops else typer.colors.GREEN
        print(painted(f"  {mark} {rule.statement}", style, color, terminal))
        stopped |= stops
    print(painted(f"  => {describe(decision)}", style_of(decision), color, terminal))
    for warning in decision.warnings:
        print(painted(f"     warning: {warning}", typer.colors.YELLOW, color, terminal))
    if hint := _HINTS.get(decision.reason):
        print(f"     {hint}")
