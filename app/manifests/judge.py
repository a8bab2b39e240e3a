"""Deciding on the pod of a manifest as a cluster would, the namespace's label included."""

from app.injection import NAMESPACE_VALUES, Decision, Mode, Policy, Reason, inject
from app.model import JsonObject


def judge(pod: JsonObject, namespace_label: str, policy: Policy) -> Decision:
    """Return the decision on a pod in a namespace with this label; the API server looks at it before us."""
    if namespace_label not in NAMESPACE_VALUES:
        return Decision(Reason.NAMESPACE_NOT_OPTED_IN)
    mode = Mode(namespace_label) if namespace_label in set(Mode) else None
    return inject(pod, mode, policy)
