"""Whether the nodes can isolate daemons as the operator's settings want it."""

from collections.abc import Iterator

from dind_webhook.diagnostics.check import Category, Check, Problem
from dind_webhook.diagnostics.checks.daemonset import accepts_pods
from dind_webhook.diagnostics.snapshot import Snapshot, name_of
from dind_webhook.injection import Isolation, join_first
from dind_webhook.model import JsonObject

_IN_USER_NAMESPACE = (Isolation.USERNS, Isolation.AUTO)


def check_node_user_namespaces(snapshot: Snapshot) -> Iterator[Problem]:
    isolations = {policy.defaults.isolation for policy in snapshot.injection_policy.variants}
    isolation = next((each for each in _IN_USER_NAMESPACE if each in isolations), None)
    # A RuntimeClass may choose the nodes of these pods.
    if isolation is None or Isolation.USERNS in snapshot.injection_policy.runtime_classes:
        return
    without = sorted(name_of(node) for node in snapshot.nodes if accepts_pods(node) and not _has_user_namespaces(node))
    if without:
        names = join_first(without, str, ", ")
        yield Problem(
            f"no user namespaces on {names}: pods with isolation {isolation} do not start there", {"node": without[0]}
        )


def _has_user_namespaces(node: JsonObject) -> bool:
    """Return whether kubelet reports user namespaces (KEP-127) for the default handler, which has no name."""
    handlers = (node.get("status") or {}).get("runtimeHandlers") or []
    default: JsonObject = next((handler for handler in handlers if not handler.get("name")), {})
    return (default.get("features") or {}).get("userNamespaces") is True


CHECKS: tuple[Check, ...] = (
    Check(
        name="node-user-namespaces",
        category=Category.NODES,
        statement="Nodes have user namespaces if the default isolation needs them",
        fatal=False,
        hint="the page Isolation has what nodes need, and `kubectl get node {node} -o yaml` what this one has "
        "(status.runtimeHandlers); or set settings.injection.defaults.isolation to none",
        requires=("injection_policy", "nodes"),
        after=("installed",),
        find_problems=check_node_user_namespaces,
    ),
)
