"""What can become of a pod, and why. The slugs stand in log, metric, audit annotation, CLI and docs."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from app.model import Operation


class Mode(StrEnum):
    """The two ways to give a pod a Docker daemon."""

    SIDECAR = "sidecar"
    DAEMONSET = "daemonset"


class Outcome(StrEnum):
    """The three answers to a request."""

    UNTOUCHED = "untouched"
    INJECTED = "injected"
    DENIED = "denied"


class Reason(Enum):
    """Why: a slug, the outcome, the status code of a refusal, and a sentence for the reference page."""

    NOT_A_POD_CREATE = "not-a-pod-create", Outcome.UNTOUCHED, 0, "The request does not create a pod."
    SUBRESOURCE = "subresource", Outcome.UNTOUCHED, 0, "The request is for a subresource of a pod."
    NAMESPACE_NOT_OPTED_IN = (
        "namespace-not-opted-in",
        Outcome.UNTOUCHED,
        0,
        "The namespace has no label `dind.io/inject` of `enabled`, `sidecar` or `daemonset`: nobody asks the webhook.",
    )
    NOT_SELECTED = (
        "not-selected",
        Outcome.UNTOUCHED,
        0,
        "The webhook configuration's selectors or conditions leave the pod out: nobody asks the webhook.",
    )
    MIRROR_POD = "mirror-pod", Outcome.UNTOUCHED, 0, "The pod mirrors a static pod of a kubelet and cannot be changed."
    OPTED_OUT = "opted-out", Outcome.UNTOUCHED, 0, "The pod says `dind.io/inject: disabled`."
    NOT_REQUESTED = "not-requested", Outcome.UNTOUCHED, 0, "Neither the pod nor its namespace asks for Docker."
    WINDOWS_POD = "windows-pod", Outcome.UNTOUCHED, 0, "A Windows pod in a namespace whose default asks for Docker."
    UNCHANGED = "unchanged", Outcome.UNTOUCHED, 0, "Everything is there already."

    INJECTED = "injected", Outcome.INJECTED, 0, "The pod was given a Docker daemon."

    MALFORMED_POD = "malformed-pod", Outcome.DENIED, 400, "A member of the pod has the wrong JSON type."
    UNKNOWN_VALUE = "unknown-value", Outcome.DENIED, 400, "`dind.io/inject` has a value that is not accepted."
    UNKNOWN_ANNOTATION = "unknown-annotation", Outcome.DENIED, 400, "A `dind.io/*` annotation that does not exist."
    INVALID_OPTION = "invalid-option", Outcome.DENIED, 400, "An option has a value that is not accepted."
    UNKNOWN_CONTAINER = (
        "unknown-container",
        Outcome.DENIED,
        400,
        "`dind.io/containers` names a container that the pod does not have.",
    )
    WINDOWS_REQUESTED = "windows-requested", Outcome.DENIED, 422, "A Windows pod asks for Docker itself."
    MODE_OFF = "mode-off", Outcome.DENIED, 403, "The operator has switched this mode off."
    OPTION_NOT_ALLOWED = "option-not-allowed", Outcome.DENIED, 403, "The operator does not let pods set this option."
    IMAGE_NOT_ALLOWED = "image-not-allowed", Outcome.DENIED, 403, "The image is not among those the operator allows."
    NODE_DOCKER_SOCKET = (
        "node-docker-socket",
        Outcome.DENIED,
        403,
        "The pod mounts the node's own Docker socket, or a directory above it.",
    )
    HOST_NETWORK = (
        "host-network",
        Outcome.DENIED,
        403,
        "A sidecar daemon in a `hostNetwork` pod would put its bridge and firewall rules on the node.",
    )
    HOST_PID = (
        "host-pid",
        Outcome.DENIED,
        403,
        "A sidecar daemon in a `hostPID` pod would see, and could end, every process of the node.",
    )
    HOST_IPC = (
        "host-ipc",
        Outcome.DENIED,
        403,
        "A sidecar daemon in a `hostIPC` pod would share the node's IPC namespace.",
    )
    HOST_USERS = "host-users", Outcome.DENIED, 403, "A privileged daemon does not work with `hostUsers: false`."
    STALE_STATUS = (
        "stale-status",
        Outcome.DENIED,
        422,
        "The pod carries `dind.io/status`, which only the webhook writes, but not what it would have added.",
    )
    NAME_TAKEN = "name-taken", Outcome.DENIED, 422, "The pod has a container or volume of a name that injection needs."
    MOUNT_PATH_TAKEN = (
        "mount-path-taken",
        Outcome.DENIED,
        422,
        "A container mounts something else where the socket goes.",
    )
    POD_RESOURCES = "pod-resources", Outcome.DENIED, 422, "The daemon does not fit into the pod's own `spec.resources`."

    def __init__(self, slug: str, outcome: Outcome, code: int, meaning: str) -> None:
        self.slug = slug
        self.outcome = outcome
        self.code = code
        self.meaning = meaning


@dataclass
class Denial:
    """A refusal: its reason and a sentence that a person can act on."""

    reason: Reason
    message: str


@dataclass
class Decision:
    """What to do with a pod. `operations` and `warnings` belong to the outcome injected."""

    reason: Reason
    mode: Mode | None = None
    message: str = ""
    operations: tuple[Operation, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        return self.reason.outcome
