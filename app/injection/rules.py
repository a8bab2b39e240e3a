"""The rules that a pod passes on its way, in the order they are applied, for people to read."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from app.injection.decision import Decision, Reason
from app.injection.names import INJECT

# What changes an outcome, where that can be told from the reason alone; {namespace} is the pod's.
TO_CHANGE: Mapping[Reason, str] = {
    Reason.NAMESPACE_NOT_OPTED_IN: f"kubectl label namespace {{namespace}} {INJECT}=enabled",
    Reason.NOT_SELECTED: "see with `dind-webhook check` whether the webhook configuration was changed; "
    "if not, its operator means it so",
    Reason.NOT_REQUESTED: f"add the annotation {INJECT}: sidecar (or daemonset) to the pod, "
    "or to the pod template of its workload",
    Reason.OPTED_OUT: f"remove {INJECT}: disabled",
    Reason.WINDOWS_POD: f"add the annotation {INJECT}: disabled to be clear about it",
}


class Rule(NamedTuple):
    """What has to hold, and the reasons with which a pod stops where it does not."""

    statement: str
    stops: tuple[Reason, ...]


RULES: tuple[Rule, ...] = (
    Rule("The namespace has opted in", (Reason.NAMESPACE_NOT_OPTED_IN,)),
    Rule("The webhook configuration selects it", (Reason.NOT_SELECTED,)),
    Rule("The request creates a pod", (Reason.NOT_A_POD_CREATE, Reason.SUBRESOURCE)),
    Rule("The pod can be read", (Reason.MALFORMED_POD,)),
    Rule("It is no mirror of a static pod", (Reason.MIRROR_POD,)),
    Rule("What it says in dind.io/inject is accepted", (Reason.UNKNOWN_VALUE,)),
    Rule("It asks for Docker, or its namespace does", (Reason.OPTED_OUT, Reason.NOT_REQUESTED)),
    Rule("It runs on Linux", (Reason.WINDOWS_POD, Reason.WINDOWS_REQUESTED)),
    Rule("The operator has this mode on", (Reason.MODE_OFF,)),
    Rule("Its dind.io/* annotations exist", (Reason.UNKNOWN_ANNOTATION,)),
    Rule("The operator lets pods set them", (Reason.OPTION_NOT_ALLOWED, Reason.IMAGE_NOT_ALLOWED)),
    Rule("Their values are accepted", (Reason.INVALID_OPTION,)),
    Rule("Its namespaces are its own", (Reason.HOST_NETWORK, Reason.HOST_PID, Reason.HOST_IPC, Reason.HOST_USERS)),
    Rule("It has the containers that are to get Docker", (Reason.UNKNOWN_CONTAINER,)),
    Rule("It was not injected elsewhere", (Reason.STALE_STATUS,)),
    Rule("It does not mount the node's Docker socket", (Reason.NODE_DOCKER_SOCKET,)),
    Rule("The names and paths that are needed are free", (Reason.NAME_TAKEN, Reason.MOUNT_PATH_TAKEN)),
    Rule("The daemon fits into the pod's own resources", (Reason.POD_RESOURCES,)),
    Rule("Something is left to add", (Reason.UNCHANGED,)),
)

# What only a cluster can tell; the API server sees to it before it asks us.
ONLY_IN_A_CLUSTER = frozenset({Reason.NOT_SELECTED})


class State(StrEnum):
    """How a pod fares with a rule."""

    PASSED = "passed"
    STOPPED = "stopped"
    NOT_REACHED = "not reached"
    NOT_CHECKED = "not checked here"


def fare(
    decision: Decision, rules: tuple[Rule, ...] = RULES, unseen: frozenset[Reason] = frozenset()
) -> Iterator[tuple[Rule, State]]:
    """Yield each rule with how a pod fared; nobody looked whether it stops with one of the `unseen` reasons."""
    stopped = False
    for rule in rules:
        if stopped:
            yield rule, State.NOT_REACHED
        elif decision.reason in rule.stops:
            stopped = True
            yield rule, State.STOPPED
        else:
            yield rule, State.NOT_CHECKED if unseen.issuperset(rule.stops) else State.PASSED
