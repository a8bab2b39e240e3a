"""`dind-webhook explain`, on manifests."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import typer

from app.cli.output import DENIED, describe, print_line, style_of
from app.injection import INJECT, RULES, Decision, Outcome, Rule, RuleState, decide_for_namespace, trace_rules
from app.manifests import read_manifest
from app.model import JsonObject
from app.settings import load_policy

_MARKS = {RuleState.PASSED: "✓", RuleState.STOPPED: "✗", RuleState.NOT_REACHED: "-", RuleState.NOT_CHECKED: "?"}


class Explained(NamedTuple):
    """A pod, what goes into the decision on it, the decision, and what changes it. `verdict` replaces its words.

    `configuration_known` says whether the webhook configuration was looked at.
    """

    title: str
    inputs: tuple[tuple[str, str], ...]
    decision: Decision
    change: str
    verdict: str = ""
    notes: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = RULES
    configuration_known: bool = False


def run_explain(filenames: list[str], namespace_label: str, color: str, config: Path | None) -> int:
    """Explain the pods of these files; return the exit code: 0, or 1 where one would be denied."""
    policy = load_policy(config, os.environ)
    explained = []
    for manifest in [read_manifest(filename) for filename in filenames]:
        for template in manifest.templates():
            decision = decide_for_namespace(template.pod, namespace_label, policy)
            change = decision.reason.remedy_in("NAME")
            inputs = inputs_of(namespace_label, template.pod)
            explained.append(Explained(template.name, inputs, decision, change))
    if not explained:
        print_line("no pod or workload in these files", file=sys.stderr)
    return print_all(explained, color)


def inputs_of(namespace_label: str, pod: JsonObject) -> tuple[tuple[str, str], ...]:
    """Return what decides who is injected: namespace label, annotation, label."""
    metadata = pod.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    inputs = [(f"namespace label {INJECT}", namespace_label or "absent")]
    for name, member in (("pod annotation", "annotations"), ("pod label", "labels")):
        values = metadata.get(member)
        said = str(values[INJECT]) if isinstance(values, dict) and INJECT in values else "absent"
        inputs.append((f"{name} {INJECT}", said))
    return tuple(inputs)


def print_all(explained: Iterable[Explained], color: str) -> int:
    """Print each, and return the exit code."""
    denied = False
    for index, one in enumerate(explained):
        if index:
            print_line()
        _print(one, color)
        denied |= one.decision.outcome is Outcome.DENIED
    return DENIED if denied else 0


def _print(one: Explained, color: str) -> None:
    decision = one.decision
    print_line((one.title, typer.colors.CYAN), color=color)
    for name, value in one.inputs:
        print_line(f"  {name:<30} {value}")
    print_line()
    for rule, state in trace_rules(decision, one.rules, configuration_known=one.configuration_known):
        style = (
            style_of(decision)
            if state is RuleState.STOPPED
            else typer.colors.GREEN
            if state is RuleState.PASSED
            else None
        )
        more = f": {state}" if state is RuleState.NOT_CHECKED else ""
        print_line((f"  {_MARKS[state]} {rule.statement}{more}", style), color=color)
    print_line((f"  => {one.verdict or describe(decision)}", style_of(decision)), color=color)
    for warning in decision.warnings:
        print_line((f"     warning: {warning}", typer.colors.YELLOW), color=color)
    for note in one.notes:
        print_line(f"     {note}")
    if one.change:
        print_line(f"     to change that: {one.change}")
