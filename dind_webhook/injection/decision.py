"""The decisions about a pod and their reasons. The log, metric, audit annotation, CLI and docs use the slugs."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TypeAlias

from dind_webhook.injection.constants import INJECT
from dind_webhook.injection.options import Isolation
from dind_webhook.model import Operation


class Mode(StrEnum):
    """The two ways to give a pod a Docker daemon."""

    SIDECAR = "sidecar"
    DAEMONSET = "daemonset"


class Outcome(StrEnum):
    """The three answers to a request."""

    UNTOUCHED = "untouched"
    INJECTED = "injected"
    DENIED = "denied"


STATE_NO_DOCKER = f"add the annotation {INJECT}: disabled to state that the pod needs no Docker"

_ReasonValue: TypeAlias = tuple[str, Outcome, int, str, str]


def _untouched(slug: str, meaning: str, remedy: str = "") -> _ReasonValue:
    return slug, Outcome.UNTOUCHED, 0, meaning, remedy


def _denied(slug: str, code: int, meaning: str) -> _ReasonValue:
    # No remedy here: the message of each denial says what to do.
    return slug, Outcome.DENIED, code, meaning, ""


class Reason(Enum):
    """The reason for a decision: slug, outcome, status code of a denial, meaning for the reference page, remedy.

    A pod that does not ask for Docker itself is left alone where another pod would be denied.
    """

    NOT_A_POD_CREATE = _untouched("not-a-pod-create", "The request does not create a pod.")
    SUBRESOURCE = _untouched("subresource", "The request is for a subresource of a pod.")
    NAMESPACE_NOT_OPTED_IN = _untouched(
        "namespace-not-opted-in",
        f"The namespace has no label `{INJECT}` of `enabled`, `sidecar` or `daemonset`, so the webhook is not called.",
        # Without --overwrite, kubectl does not change a label that has another value.
        f"kubectl label namespace {{namespace}} {INJECT}=enabled --overwrite",
    )
    NOT_SELECTED = _untouched(
        "not-selected",
        "The webhook configuration's selectors or conditions exclude the pod, so the webhook is not called.",
        "run `dind-webhook check` to see whether the webhook configuration was changed; if not, its operator excludes "
        "the pod on purpose",
    )
    MIRROR_POD = _untouched("mirror-pod", "The pod mirrors a static pod of a kubelet and cannot be changed.")
    OPTED_OUT = _untouched("opted-out", f"The pod has `{INJECT}: disabled`.", f"remove {INJECT}: disabled")
    NOT_REQUESTED = _untouched(
        "not-requested",
        "Neither the pod nor its namespace asks for Docker.",
        f"add the annotation {INJECT}: sidecar (or daemonset) to the pod, or to the pod template of its workload",
    )
    UNCHANGED = _untouched("unchanged", "The pod already has everything that injection adds.")

    INJECTED = "injected", Outcome.INJECTED, 0, "The pod got a Docker daemon.", ""

    MALFORMED_POD = _denied("malformed-pod", 400, "A member of the pod has the wrong JSON type, or is too large.")
    UNKNOWN_VALUE = _denied("unknown-value", 400, f"`{INJECT}` has a value that is not accepted.")
    UNKNOWN_ANNOTATION = _denied("unknown-annotation", 400, "A `dind.io/*` annotation does not exist.")
    INVALID_OPTION = _denied("invalid-option", 400, "An option has a value that is not accepted.")
    UNKNOWN_CONTAINER = _denied(
        "unknown-container", 400, "`dind.io/containers` names a container that the pod does not have."
    )
    WINDOWS_POD = _denied("windows-pod", 422, "The pod runs on Windows, where the Docker daemon does not.")
    MODE_OFF = _denied("mode-off", 403, "The operator has switched this mode off.")
    OPTION_NOT_ALLOWED = _denied(
        "option-not-allowed", 403, "The operator does not let pods set this option, or not to this value."
    )
    IMAGE_NOT_ALLOWED = _denied("image-not-allowed", 403, "The operator does not allow this image.")
    NODE_DOCKER_SOCKET = _denied(
        "node-docker-socket", 403, "The pod mounts the node's own Docker socket, or a directory that leads to it."
    )
    HOST_NETWORK = _denied(
        "host-network",
        403,
        "A sidecar daemon in a `hostNetwork` pod would put its bridge and firewall rules on the node.",
    )
    HOST_PID = _denied(
        "host-pid", 403, "A sidecar daemon in a `hostPID` pod would see, and could end, every process of the node."
    )
    HOST_IPC = _denied("host-ipc", 403, "A sidecar daemon in a `hostIPC` pod would share the node's IPC namespace.")
    HOST_USERS = _denied(
        "host-users", 403, "`hostUsers: false` asks for isolation `userns`, which the operator does not allow."
    )
    ISOLATION = _denied("isolation", 422, "The pod cannot have the isolation that is asked for.")
    NODE_SELECTOR = _denied(
        "node-selector", 422, "The pod asks for other nodes than those on which the operator runs Docker."
    )
    OWN_DAEMON = _denied("own-daemon", 422, "A container of the pod runs a Docker daemon already.")
    STALE_STATUS = _denied(
        "stale-status",
        422,
        "The pod has the annotation `dind.io/status`, which only the webhook writes, but lacks what the webhook adds.",
    )
    NAME_TAKEN = _denied(
        "name-taken",
        422,
        "The pod uses the name of a container, volume or label that injection needs for something else.",
    )
    MOUNT_PATH_TAKEN = _denied(
        "mount-path-taken",
        422,
        "A container mounts another volume at or near a path of the socket, the Docker client or its configuration.",
    )
    TLS_VARIABLE = _denied(
        "tls-variable", 422, "A variable makes the Docker client of a container require TLS, which the daemon lacks."
    )
    POD_RESOURCES = _denied("pod-resources", 422, "The daemon does not fit into the pod's own `spec.resources`.")

    def __init__(self, slug: str, outcome: Outcome, code: int, meaning: str, remedy: str) -> None:
        self.slug = slug
        self.outcome = outcome
        self.code = code
        self.meaning = meaning
        self.remedy = remedy
        """A command or change that leads to another outcome, or empty; `{namespace}` stands for the pod's namespace."""


@dataclass
class Denial:
    """A denial: its reason, a sentence that a person can act on, and `detail`, the part of it that names the fault."""

    reason: Reason
    message: str
    detail: str = ""


@dataclass
class Decision:
    """The decision about a pod. Only the outcome injected has `operations`, and denials have no `warnings`."""

    reason: Reason
    mode: Mode | None = None
    message: str = ""
    detail: str = ""
    operations: tuple[Operation, ...] = ()
    warnings: tuple[str, ...] = ()
    isolation: Isolation | None = None
    """The isolation of the daemon in sidecar mode, or None if no rule has chosen it."""
    stopped_by: int | None = None
    """The index in `RULES` of the rule that stopped the pod, or None if no rule did."""
    is_left_alone: bool = False
    """Whether the pod would be denied, but is left alone because only its namespace asks for Docker."""

    @property
    def outcome(self) -> Outcome:
        return Outcome.UNTOUCHED if self.is_left_alone else self.reason.outcome

    def remedy_in(self, namespace: str) -> str:
        """Return how to get another outcome for a pod in this namespace; empty if the message of a denial says it."""
        return STATE_NO_DOCKER if self.is_left_alone else self.reason.remedy.replace("{namespace}", namespace)
