"""The entry points of the webhook, the command line and the tests. All of them run the same rules."""

from typing import Any

from dind_webhook.injection.decision import Decision, Mode
from dind_webhook.injection.options import NodeSocketTreatment
from dind_webhook.injection.policy import Policy
from dind_webhook.injection.rules import RuleContext, decide


def inject(json: Any, namespace_mode: Mode | None, policy: Policy) -> Decision:
    """Return the decision about a pod that the API server has sent to the webhook.

    `json` is a pod that was read already (`PodShape`), JSON text (`msgspec.Raw`), or the output of a JSON parser. It is
    never changed: the caller applies the operations. `namespace_mode` is the mode that the label of the namespace asks
    for, or None if the namespace only opts in.
    """
    return decide(RuleContext(json, policy, namespace_mode))


def decide_for_namespace(  # noqa: PLR0913  # one parameter for each fact
    json: Any,
    namespace_label: str,
    policy: Policy,
    *,
    node_socket_label: str = "",
    claim_names: tuple[str, ...] = (),
    exclusion: str | None = None,
) -> Decision:
    """Return the decision about a pod in a namespace with these labels, as a cluster would decide.

    `namespace_label` is the value of the namespace's label dind.io/inject, `node_socket_label` that of
    dind.io/node-socket; empty if the namespace has no such label. `claim_names` is as in `read_pod`. `exclusion` names
    the part of the webhook configuration that excludes the pod. It is empty if the configuration selects the pod, and
    None if nobody has read it.
    """
    context = RuleContext(json, policy)
    context.namespace_label = namespace_label
    context.namespace_replaces_socket = node_socket_label == NodeSocketTreatment.REPLACE
    context.exclusion = exclusion
    context.claim_names = claim_names
    return decide(context)


def decide_request(  # noqa: PLR0913  # one parameter for each fact
    json: Any,
    namespace_mode: Mode | None,
    policy: Policy,
    *,
    replaces_socket: bool,
    creates_pod: bool,
    is_subresource: bool,
) -> Decision:
    """Return the decision about a request of the API server, which may be another than the creation of a pod.

    `replaces_socket` tells whether a label of the namespace asks to replace the node's Docker socket.
    """
    context = RuleContext(json, policy, namespace_mode)
    context.namespace_replaces_socket = replaces_socket
    context.creates_pod = creates_pod
    context.is_subresource = is_subresource
    return decide(context)
