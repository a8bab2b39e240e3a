"""Who is injected: the truth table.

| namespace label | what the pod says | result |
|---|---|---|
| `enabled` | nothing | not-requested |
| `enabled`, `sidecar`, `daemonset` | `sidecar` / `daemonset` | that mode |
| `sidecar` / `daemonset` | nothing | the namespace's mode |
| any of these | `disabled` | opted-out |
| any of these | anything else | unknown-value |

The pod says it by annotation or by label of the same key; the annotation wins. A mirror pod is left
alone whatever it says; a Windows pod is refused only where it asks itself.
"""

from dataclasses import dataclass

from app.injection.decision import Decision, Denial, Mode, Reason
from app.injection.messages import quote
from app.injection.names import INJECT
from app.injection.options import Policy
from app.model import Metadata, Pod, nearest

DISABLED = "disabled"
NAMESPACE_VALUES = ("enabled", *Mode)
POD_VALUES = (*Mode, DISABLED)

_MODES = {str(mode): mode for mode in Mode}
_MIRROR = "kubernetes.io/config.mirror"


@dataclass
class Requested:
    """The mode a pod is to get, and what asked for it: `annotation`, `label` or `namespace`."""

    mode: Mode
    source: str


def requested_mode(metadata: Metadata, namespace_mode: Mode | None) -> Requested | Decision | Denial:
    """Return which mode a pod asks for, or the decision that ends its way here.

    `namespace_mode` is the default of the pod's namespace, None where the label is only `enabled`.
    """
    if _MIRROR in metadata.annotations:
        return Decision(Reason.MIRROR_POD)
    for source, values in (("annotation", metadata.annotations), ("label", metadata.labels)):
        if INJECT in values:
            value = values[INJECT] or ""
            if value == DISABLED:
                return Decision(Reason.OPTED_OUT)
            mode = _MODES.get(value)
            if mode:
                return Requested(mode, source)
            return Denial(Reason.UNKNOWN_VALUE, _unknown_value(source, value))
    if namespace_mode is None:
        return Decision(Reason.NOT_REQUESTED)
    return Requested(namespace_mode, "namespace")


def what_forbids(requested: Requested, pod: Pod, policy: Policy) -> Decision | Denial | None:
    """Return why a pod cannot have the mode that it asks for, None where it can."""
    if _is_windows(pod):
        if requested.source == "namespace":
            return Decision(Reason.WINDOWS_POD)
        return Denial(
            Reason.WINDOWS_REQUESTED,
            f"{requested.source} {INJECT}: the pod runs on Windows, where this Docker daemon does not; "
            f"remove the {requested.source}",
        )
    if requested.mode not in policy.modes:
        modes = ", ".join(sorted(policy.modes)) or "none"
        source = "label of the namespace" if requested.source == "namespace" else requested.source
        return Denial(
            Reason.MODE_OFF,
            f"{source} {INJECT}: mode {requested.mode} is switched off in this cluster (modes that are on: {modes})",
        )
    return None


def _unknown_value(source: str, value: str) -> str:
    guess = nearest(value, POD_VALUES)
    hint = f' (did you mean "{guess}"?)' if guess else ""
    return f"{source} {INJECT}: {quote(value)} is not accepted{hint}; use one of {', '.join(POD_VALUES)}"


def _is_windows(pod: Pod) -> bool:
    os, selector = pod.spec.os, pod.spec.node_selector
    return (os is not None and os.name == "windows") or (
        selector is not None and selector.get("kubernetes.io/os") == "windows"
    )
