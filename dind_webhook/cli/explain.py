"""`dind-webhook explain`, on manifests."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import typer

from dind_webhook.cli.exit_codes import FAILED
from dind_webhook.cli.files import describe_unknown, read_manifests, unknown_as_tree
from dind_webhook.cli.namespace_labels import NamespaceLabels, parse_namespace_labels
from dind_webhook.cli.output import ExplainOutput, describe, print_exactly, print_json, print_line, style_of
from dind_webhook.injection import (
    INJECT,
    RULES,
    Decision,
    Outcome,
    Policy,
    Reason,
    Rule,
    RuleState,
    decide_for_namespace,
    trace_rules,
)
from dind_webhook.manifests import ManifestPod, UnknownObject, dump_yaml
from dind_webhook.model import JsonObject, as_object
from dind_webhook.settings import load_policy

_MARKS = {RuleState.PASSED: "✓", RuleState.STOPPED: "✗", RuleState.NOT_REACHED: "-", RuleState.NOT_CHECKED: "?"}


class Explanation(NamedTuple):
    """A pod, the inputs of the decision on it, the decision, and its remedy.

    `verdict` replaces the decision's own words. `configuration_known` says whether the webhook configuration was
    read.
    """

    title: str
    name: str
    namespace: str
    inputs: tuple[tuple[str, str], ...]
    decision: Decision
    remedy: str
    verdict: str = ""
    notes: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = RULES
    configuration_known: bool = False


def run_explain(
    filenames: list[str],
    *,
    recursive: bool,
    namespace: str,
    namespace_label: str,
    output: ExplainOutput,
    strict: bool,
    color: str,
    config: Path | None,
) -> int:
    """Explain the pods of these files; return the exit code: 0, or 1 if a pod would be denied.

    `strict` says whether an object of an unknown kind counts as a denial.
    """
    labels = parse_namespace_labels(namespace_label)
    policy = load_policy(config, os.environ)
    manifests = read_manifests("explain", filenames, recursive=recursive, namespace=namespace)
    explained = [_explain(template, labels, policy) for manifest in manifests for template in manifest.templates()]
    unknown = [each for manifest in manifests for each in manifest.unknown_objects()]
    code = print_explained(explained, unknown, output, color)
    for each in unknown:
        print_line(describe_unknown(each), file=sys.stderr)
    if not explained:
        print_line("no pod or workload in these files", file=sys.stderr)
    return FAILED if strict and unknown else code


def _explain(template: ManifestPod, labels: NamespaceLabels, policy: Policy) -> Explanation:
    policy = policy.for_namespace(template.namespace)
    decision = decide_for_namespace(
        template.pod, labels.inject, policy, node_socket_label=labels.node_socket, claim_names=template.claim_names
    )
    name, _, _ = template.name.partition(" ")
    # A note gives the remedy then: move the key to the pod template.
    is_misplaced = decision.reason is Reason.NOT_REQUESTED and any(each.key == INJECT for each in template.misplaced)
    return Explanation(
        title=template.name,
        name=name,
        namespace=template.namespace,
        inputs=inputs_of(labels.inject, template.pod, policy),
        decision=decision,
        remedy="" if is_misplaced else decision.remedy_in(template.namespace or "NAME"),
        notes=tuple(map(str, template.misplaced)),
    )


def inputs_of(namespace_label: str, pod: JsonObject, policy: Policy) -> tuple[tuple[str, str], ...]:
    """Return the inputs that decide who is injected: namespace label, annotation, label.

    If the operator has other settings for the namespace, the inputs say so. `policy` is the one in force there.
    """
    metadata = as_object(pod.get("metadata"))
    inputs = [(f"namespace label {INJECT}", namespace_label or "absent")]
    for name, member in (("pod annotation", "annotations"), ("pod label", "labels")):
        value = as_object(metadata.get(member)).get(INJECT, "absent")
        inputs.append((f"{name} {INJECT}", value if isinstance(value, str) else json.dumps(value)))
    if policy.scope == "namespace":
        inputs.append(("settings", "those of this namespace"))
    return tuple(inputs)


def print_explained(
    explained: Sequence[Explanation], unknown: Iterable[UnknownObject], output: ExplainOutput, color: str
) -> int:
    """Print explanations, and return the exit code: 0, or 1 if a pod would be denied."""
    if output is ExplainOutput.TEXT:
        for index, each in enumerate(explained):
            if index:
                print_line()
            _print(each, color)
    else:
        tree = {
            "pods": [_as_tree(each) for each in explained],
            "unknown": [unknown_as_tree(each) for each in unknown],
        }
        if output is ExplainOutput.JSON:
            print_json(tree)
        else:
            print_exactly(dump_yaml(tree))
    return FAILED if any(each.decision.outcome is Outcome.DENIED for each in explained) else 0


def _as_tree(explained: Explanation) -> JsonObject:
    decision = explained.decision
    rules = trace_rules(decision, explained.rules, configuration_known=explained.configuration_known)
    return {
        "name": explained.name,
        "namespace": explained.namespace or None,
        "outcome": decision.outcome.value,
        "mode": decision.mode.value if decision.mode else None,
        "isolation": decision.isolation.value if decision.isolation else None,
        "reason": decision.reason.slug,
        "message": explained.verdict or decision.message or decision.reason.meaning,
        "rules": [{"statement": rule.statement, "state": state.value} for rule, state in rules],
        "warnings": list(decision.warnings),
        "notes": list(explained.notes),
        "remedy": explained.remedy or None,
    }


def _print(explained: Explanation, color: str) -> None:
    decision = explained.decision
    print_line((explained.title, typer.colors.CYAN), color=color)
    for name, value in explained.inputs:
        print_line(f"  {name:<30} {value}")
    print_line()
    for rule, state in trace_rules(decision, explained.rules, configuration_known=explained.configuration_known):
        style = (
            style_of(decision)
            if state is RuleState.STOPPED
            else typer.colors.GREEN
            if state is RuleState.PASSED
            else None
        )
        more = f": {state}" if state is RuleState.NOT_CHECKED else ""
        print_line((f"  {_MARKS[state]} {rule.statement}{more}", style), color=color)
    print_line((f"  => {explained.verdict or describe(decision)}", style_of(decision)), color=color)
    for warning in decision.warnings:
        print_line((f"     warning: {warning}", typer.colors.YELLOW), color=color)
    for note in explained.notes:
        print_line(f"     {note}")
    if explained.remedy:
        print_line(f"     to change that: {explained.remedy}")
