"""The daemons of the nodes, in daemonset mode."""

from collections.abc import Iterator

from app.diagnostics.check import Category, Check, Problem
from app.diagnostics.checks.server import has_condition
from app.diagnostics.snapshot import Snapshot, labels_of, name_of
from app.injection import INJECT, Mode
from app.model import JsonObject, clean_path

_MANY = 5


def _exists(snapshot: Snapshot) -> Iterator[Problem]:
    if Mode.DAEMONSET in snapshot.policy.modes and snapshot.daemonset is None:
        yield Problem("daemonset mode is on, and there is no DaemonSet of this release")


def _path(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.daemonset is None:
        return
    volumes = snapshot.daemonset["spec"]["template"]["spec"].get("volumes") or []
    paths = [volume["hostPath"]["path"] for volume in volumes if volume.get("hostPath")]
    wanted = snapshot.policy.host_path
    if clean_path(wanted) not in map(clean_path, paths):
        yield Problem(f"pods mount {wanted} of the node, the DaemonSet has {', '.join(paths) or 'no hostPath'}")


def _ready(snapshot: Snapshot) -> Iterator[Problem]:
    for daemon in snapshot.daemons:
        if not has_condition(daemon, "Ready"):
            node = daemon["spec"].get("nodeName") or "no node yet"
            yield Problem(f"the daemon on {node} is not ready: pod {name_of(daemon)}{_why(daemon)}", _blanks(daemon))


def _why(pod: JsonObject) -> str:
    status = pod.get("status") or {}
    states = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    reasons = [one["state"]["waiting"].get("reason") for one in states if (one.get("state") or {}).get("waiting")]
    return f" ({', '.join(filter(None, reasons))})" if any(reasons) else ""


def _blanks(pod: JsonObject) -> dict[str, str]:
    return {"pod": name_of(pod)}


def _coverage(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.daemonset is None:
        return
    covered = {daemon["spec"].get("nodeName") for daemon in snapshot.daemons}
    bare = sorted(name_of(node) for node in snapshot.nodes if _takes_pods(node) and name_of(node) not in covered)
    if bare:
        more = f" and {len(bare) - _MANY} more" if len(bare) > _MANY else ""
        yield Problem(
            f"no daemon on {', '.join(bare[:_MANY])}{more}: pods with {INJECT}: daemonset do not start there",
            {"node": bare[0]},
        )


def _takes_pods(node: JsonObject) -> bool:
    """Whether pods of users come to a node: not cordoned, on Linux, without the taint of a control plane."""
    spec = node.get("spec") or {}
    taints = {taint["key"] for taint in spec.get("taints") or [] if taint.get("effect") != "PreferNoSchedule"}
    return (
        not spec.get("unschedulable")
        and labels_of(node).get("kubernetes.io/os", "linux") == "linux"
        and "node-role.kubernetes.io/control-plane" not in taints
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "daemonset",
        Category.DAEMONSET,
        "Where daemonset mode is on, there is a DaemonSet",
        True,
        "set the chart's daemonset.enabled to true, or take daemonset out of settings.injection.modes",
        ("policy", "daemonset"),
        _exists,
        ("installed",),
    ),
    Check(
        "daemonset-path",
        Category.DAEMONSET,
        "Pods and daemons agree on the directory of the socket",
        True,
        "set it in one place only, the chart's daemonset.hostPath, then "
        "`kubectl -n {system} rollout restart deploy/{server}`",
        ("policy", "daemonset"),
        _path,
        ("installed", "daemonset"),
    ),
    Check(
        "daemonset-ready",
        Category.DAEMONSET,
        "Every daemon is ready",
        True,
        "`kubectl -n {system} describe pod {pod}` and `kubectl -n {system} logs {pod} -c dind` say why",
        ("daemons",),
        _ready,
        ("installed", "daemonset"),
    ),
    Check(
        "daemonset-coverage",
        Category.DAEMONSET,
        "Every node that takes pods has a daemon",
        False,
        "set the chart's daemonset.tolerations and daemonset.nodeSelector; "
        "`kubectl describe node {node}` shows its taints and labels",
        ("daemonset", "daemons", "nodes"),
        _coverage,
        ("installed", "daemonset"),
    ),
)
