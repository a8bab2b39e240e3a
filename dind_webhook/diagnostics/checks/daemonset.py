"""The DaemonSet of Docker daemons, in daemonset mode."""

from collections.abc import Iterator

from dind_webhook.diagnostics.check import Category, Check, Problem
from dind_webhook.diagnostics.checks.server import has_condition
from dind_webhook.diagnostics.snapshot import Snapshot, container_statuses_of, labels_of, name_of
from dind_webhook.injection import INJECT, Mode, join_first
from dind_webhook.model import JsonObject, clean_path


def check_daemonset(snapshot: Snapshot) -> Iterator[Problem]:
    is_on = any(Mode.DAEMONSET in policy.modes for policy in snapshot.injection_policy.variants)
    if is_on and snapshot.daemonset is None:
        yield Problem("daemonset mode is on, but this release has no DaemonSet")


def check_daemonset_path(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.daemonset is None:
        return
    volumes = snapshot.daemonset["spec"]["template"]["spec"].get("volumes") or []
    paths = [volume["hostPath"]["path"] for volume in volumes if volume.get("hostPath")]
    expected = snapshot.injection_policy.host_path
    if clean_path(expected) not in map(clean_path, paths):
        yield Problem(
            f"pods mount {expected} of the node, but the DaemonSet mounts {', '.join(paths) or 'no hostPath'}"
        )


def check_daemonset_ready(snapshot: Snapshot) -> Iterator[Problem]:
    for daemon in snapshot.daemons:
        if not has_condition(daemon, "Ready"):
            node = daemon["spec"].get("nodeName") or "no node"
            yield Problem(
                f"the daemon on {node} is not ready: pod {name_of(daemon)}{_waiting_reasons(daemon)}",
                {"pod": name_of(daemon)},
            )


def _waiting_reasons(pod: JsonObject) -> str:
    states = [container.get("state") or {} for container in container_statuses_of(pod)]
    reasons = [state["waiting"].get("reason") for state in states if state.get("waiting")]
    return f" ({', '.join(filter(None, reasons))})" if any(reasons) else ""


def check_daemonset_coverage(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.daemonset is None:
        return
    nodes_with_daemon = {daemon["spec"].get("nodeName") for daemon in snapshot.daemons}
    nodes_without_daemon = sorted(
        name_of(node) for node in snapshot.nodes if accepts_pods(node) and name_of(node) not in nodes_with_daemon
    )
    if nodes_without_daemon:
        names = join_first(nodes_without_daemon, str, ", ")
        yield Problem(
            f"no daemon on {names}: pods with {INJECT}: daemonset do not start there",
            {"node": nodes_without_daemon[0]},
        )


def accepts_pods(node: JsonObject) -> bool:
    """Return whether a node accepts users' pods: not cordoned, Linux, without the taint of a control plane."""
    spec = node.get("spec") or {}
    taints = {taint["key"] for taint in spec.get("taints") or [] if taint.get("effect") != "PreferNoSchedule"}
    return (
        not spec.get("unschedulable")
        and labels_of(node).get("kubernetes.io/os", "linux") == "linux"
        and "node-role.kubernetes.io/control-plane" not in taints
    )


CHECKS: tuple[Check, ...] = (
    Check(
        name="daemonset",
        category=Category.DAEMONSET,
        statement="The release has a DaemonSet if daemonset mode is on",
        fatal=True,
        hint="set the chart's daemonset.enabled to true, or remove daemonset from settings.injection.modes",
        requires=("injection_policy", "daemonset"),
        after=("installed",),
        find_problems=check_daemonset,
    ),
    Check(
        name="daemonset-path",
        category=Category.DAEMONSET,
        statement="Pods and daemons use the same directory for the socket",
        fatal=True,
        hint="set the directory only in the chart's daemonset.hostPath, then "
        "`kubectl -n {system} rollout restart deploy/{server}`",
        requires=("injection_policy", "daemonset"),
        after=("installed", "daemonset"),
        find_problems=check_daemonset_path,
    ),
    Check(
        name="daemonset-ready",
        category=Category.DAEMONSET,
        statement="Every daemon is ready",
        fatal=True,
        hint="see `kubectl -n {system} describe pod {pod}` and `kubectl -n {system} logs {pod} -c dind`",
        requires=("daemons",),
        after=("installed", "daemonset"),
        find_problems=check_daemonset_ready,
    ),
    Check(
        name="daemonset-coverage",
        category=Category.DAEMONSET,
        statement="Every node that accepts pods has a daemon",
        hint="set the chart's daemonset.tolerations and daemonset.nodeSelector; "
        "`kubectl describe node {node}` shows its taints and labels",
        requires=("daemonset", "daemons", "nodes"),
        after=("installed", "daemonset"),
        find_problems=check_daemonset_coverage,
    ),
)
