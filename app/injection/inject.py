"""The one function that the webhook, the command line and the tests share."""

from typing import Any

from app.injection.decision import Decision, Mode
from app.injection.options import Policy
from app.injection.rules import Case, decide


def inject(json: Any, namespace_mode: Mode | None, policy: Policy) -> Decision:
    """Decide what becomes of a pod that the API server has sent to the webhook.

    `json` is a pod that was read (`PodShape`) or its JSON, text (`msgspec.Raw`) or from a parser. `namespace_mode` is
    the mode that the label of the pod's namespace asks for, None where it only opts in. The pod is read, never changed;
    applying the operations is the caller's.
    """
    return decide(Case(json, policy, namespace_mode))


def decide_for_namespace(json: Any, namespace_label: str, policy: Policy, exclusion: str | None = None) -> Decision:
    """Decide what becomes of a pod in a namespace with this label (empty: none), as a cluster would.

    `exclusion` says what in the webhook configuration leaves the pod out; it is empty where nothing does, and None
    where nobody has looked.
    """
    case = Case(json, policy)
    case.namespace_label = namespace_label
    case.exclusion = exclusion
    return decide(case)


def decide_request(
    json: Any, namespace_mode: Mode | None, policy: Policy, *, creates_pod: bool, is_subresource: bool
) -> Decision:
    """Decide on a request of the API server, which may be about something else than the creation of a pod."""
    case = Case(json, policy, namespace_mode)
    case.creates_pod = creates_pod
    case.is_subresource = is_subresource
    return decide(case)
