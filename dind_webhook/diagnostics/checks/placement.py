"""Whether pods in sidecar mode find a node, with the operator's node selector and tolerations."""

from collections.abc import Iterator

from dind_webhook.diagnostics.check import Category, Check, Problem
from dind_webhook.diagnostics.snapshot import Snapshot, labels_of, name_of
from dind_webhook.injection import join_first
from dind_webhook.model import JsonObject, selects


def check_node_placement(snapshot: Snapshot) -> Iterator[Problem]:
    policy = snapshot.injection_policy
    if not policy.node_selector:
        return
    labels = ", ".join(f"{key}={value}" for key, value in policy.node_selector.items())
    nodes = [node for node in snapshot.nodes if selects({"matchLabels": policy.node_selector}, labels_of(node))]
    if not nodes:
        yield Problem(f"no node has {labels}: pods in sidecar mode stay Pending", {"node": "NODE"})
        return
    refused = {name_of(node): taint for node in nodes if (taint := _refusing_taint(node, policy.tolerations))}
    if len(refused) == len(nodes):
        names = join_first([f"{name} ({_describe_taint(taint)})" for name, taint in refused.items()], str, ", ")
        yield Problem(
            f"all nodes with {labels} have a taint that tolerations lacks: {names}", {"node": next(iter(refused))}
        )


def _refusing_taint(node: JsonObject, tolerations: tuple[JsonObject, ...]) -> JsonObject | None:
    """Return a taint that keeps pods with these tolerations off a node, or None."""
    taints = (node.get("spec") or {}).get("taints") or []
    return next(
        (
            taint
            for taint in taints
            if taint.get("effect") != "PreferNoSchedule" and not any(_tolerates(each, taint) for each in tolerations)
        ),
        None,
    )


def _tolerates(toleration: JsonObject, taint: JsonObject) -> bool:
    """Return whether a toleration matches a taint (`ToleratesTaint` in k8s.io/component-helpers)."""
    if toleration.get("effect") not in {None, "", taint.get("effect")}:
        return False
    if toleration.get("key") not in {None, "", taint.get("key")}:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == (taint.get("value") or "")


def _describe_taint(taint: JsonObject) -> str:
    value = taint.get("value")
    return f"{taint.get('key')}{f'={value}' if value else ''}:{taint.get('effect')}"


CHECKS: tuple[Check, ...] = (
    Check(
        name="node-placement",
        category=Category.NODES,
        statement="A node takes pods in sidecar mode, if the operator's settings choose the nodes",
        fatal=False,
        hint="`kubectl describe node {node}` shows labels and taints; correct settings.injection.node_selector and "
        "settings.injection.tolerations, or the nodes",
        requires=("injection_policy", "nodes"),
        after=("installed",),
        find_problems=check_node_placement,
    ),
)
