"""Which pods are injected: the truth table.

| namespace label | `dind.io/inject` of the pod | result |
|---|---|---|
| `enabled` | absent | not-requested |
| `enabled`, `sidecar`, `daemonset` | `sidecar` / `daemonset` | that mode |
| `sidecar` / `daemonset` | absent | the namespace's mode |
| any of these | `disabled` | opted-out |
| any of these | anything else | unknown-value |

The pod sets `dind.io/inject` as an annotation or as a label; the annotation wins. A pod with the annotation
`dind.io/node-socket: replace` asks too, and gets the namespace's mode, or `sidecar`. In a namespace with that label, so
does a pod that mounts the node's Docker socket. A mirror pod is never touched. A pod
that cannot be injected is denied if it asks for Docker itself, with any `dind.io/*` annotation, and left alone if only
its namespace asks.
"""

from typing import NamedTuple

from dind_webhook.injection.constants import INJECT, NODE_SOCKET, PREFIX, STATUS
from dind_webhook.injection.decision import Denial, Mode, Reason
from dind_webhook.injection.message_parts import quote
from dind_webhook.injection.options import NodeSocketTreatment
from dind_webhook.injection.policy import Policy
from dind_webhook.model import Metadata, Pod, nearest_word

DISABLED = "disabled"
# Where Kubernetes runs its own pods: nothing is injected there
EXEMPT_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
NAMESPACE_VALUES = ("enabled", *Mode)
POD_VALUES = (*Mode, DISABLED)

_MODES_BY_VALUE = {str(mode): mode for mode in Mode}
_MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


class DockerRequest(NamedTuple):
    """A request for Docker: its value, the mode that it names, and its source (annotation, label or namespace)."""

    value: str
    mode: Mode | None
    source: str


def mode_of_label(label: str) -> Mode | None:
    """Return the mode that a namespace's label asks for, or None if the namespace only opts in."""
    return _MODES_BY_VALUE.get(label)


def is_mirror_pod(metadata: Metadata) -> bool:
    """Return whether a pod mirrors a static pod of a kubelet."""
    return _MIRROR_ANNOTATION in metadata.annotations


def default_socket_mode(policy: Policy) -> Mode:
    """Return the mode that replaces the node's socket where nobody names one: `sidecar`, unless it is switched off."""
    return Mode.DAEMONSET if policy.modes == {Mode.DAEMONSET} else Mode.SIDECAR


def read_docker_request(metadata: Metadata, namespace_mode: Mode | None, policy: Policy) -> DockerRequest | Denial:
    """Return the request of a pod or its namespace, or a denial if its value is not accepted."""
    for source, values in (("annotation", metadata.annotations), ("label", metadata.labels)):
        if INJECT in values:
            value = values[INJECT] or ""
            mode = _MODES_BY_VALUE.get(value)
            if mode is None and value != DISABLED:
                return Denial(Reason.UNKNOWN_VALUE, _describe_unknown_value(source, value))
            return DockerRequest(value, mode, source)
    if metadata.annotations.get(NODE_SOCKET) == NodeSocketTreatment.REPLACE:
        return DockerRequest("", namespace_mode or default_socket_mode(policy), "annotation")
    return DockerRequest("", namespace_mode, "namespace")


def only_namespace_asks(metadata: Metadata, request: DockerRequest) -> bool:
    """Return whether a pod says nothing of Docker itself: neither that it wants Docker, nor how.

    The status annotation is the webhook's own.
    """
    if request.source != "namespace":
        return False
    return not any(key.startswith(PREFIX) and key != STATUS for key in metadata.annotations)


def deny_windows_pod(pod: Pod) -> Denial | None:
    """Return a denial if a pod says that it runs on Windows, or None."""
    os, selector = pod.spec.os, pod.spec.node_selector
    is_windows = (os is not None and os.name == "windows") or (
        selector is not None and selector.get("kubernetes.io/os") == "windows"
    )
    if not is_windows:
        return None
    return Denial(
        Reason.WINDOWS_POD, f"the pod runs on Windows, where this Docker daemon does not; set {INJECT}: {DISABLED}"
    )


def deny_disabled_mode(request: DockerRequest, policy: Policy) -> Denial:
    """Return the denial of a pod that asks for a mode that the operator has switched off."""
    modes = ", ".join(sorted(policy.modes)) or "none"
    source = "label of the namespace" if request.source == "namespace" else request.source
    return Denial(
        Reason.MODE_OFF,
        f"{source} {INJECT}: mode {request.mode} is switched off in this {policy.scope} (modes that are on: {modes})",
    )


def deny_socket_replacement(policy: Policy) -> Denial:
    """Return the denial of a pod whose namespace asks for a replacement that the operator has not switched on."""
    return Denial(
        Reason.OPTION_NOT_ALLOWED,
        f"label of the namespace {NODE_SOCKET}: replace is switched off in this {policy.scope}; its operator can add "
        "node-socket to allowed_options",
    )


def _describe_unknown_value(source: str, value: str) -> str:
    guess = nearest_word(value, POD_VALUES)
    hint = f' (did you mean "{guess}"?)' if guess else ""
    return f"{source} {INJECT}: {quote(value)} is not accepted{hint}; use one of {', '.join(POD_VALUES)}"
