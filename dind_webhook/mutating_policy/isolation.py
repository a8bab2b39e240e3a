"""The pods that cannot have the isolation of the operator, as CEL (`injection.isolation`)."""

from collections.abc import Iterator
from typing import Any

from dind_webhook.injection import LARGEST_ID, NOT_IDMAPPABLE, Policy, Reason
from dind_webhook.mutating_policy.expressions import cel_literal, when
from dind_webhook.mutating_policy.patterns import (
    HOST_MEMBERS,
    MAIN,
    VALUE,
    VOLUME,
    Additions,
    Words,
    find_message,
    pattern_pod,
)

_ID = LARGEST_ID + 1


def isolation_messages(policy: Policy, additions: Additions) -> Iterator[str]:
    """Yield lists of messages about pods that the core denies because they cannot have their isolation."""

    def message_about(words: Words, **pod: Any) -> str | None:
        return find_message(policy, pattern_pod(additions.mode, **pod), {Reason.ISOLATION}, words)

    name = "object.spec.?runtimeClassName.orValue('')"
    own = additions.pod_members.get("runtimeClassName")
    if own and (message := message_about({VALUE: name}, spec={"runtimeClassName": VALUE})):
        yield when(f"!({name} in {cel_literal(['', own])})", message)
    if message := message_about({}, spec={"hostUsers": False}):
        yield when("!object.spec.?hostUsers.orValue(true)", message)
    for member in ("hostUsers", *HOST_MEMBERS):
        if message := message_about({}, spec={member: True}):
            yield when(f"object.spec.?{member}.orValue(false)", message)
    devices = [{"name": VOLUME, "devicePath": "/dev/example"}]
    if message := message_about({MAIN: "c.name"}, container={"volumeDevices": devices}):
        yield f"variables.containers.filter(c, size(c.?volumeDevices.orValue([])) > 0).map(c, {message})"
    for kind in NOT_IDMAPPABLE:
        if message := message_about({VOLUME: "v.name"}, spec={"volumes": [{"name": VOLUME, kind: {}}]}):
            yield f"variables.volumes.filter(v, has(v.{kind})).map(v, {message})"
    if message := message_about({str(_ID): "string(id)"}, container={"securityContext": {"runAsUser": _ID}}):
        yield f"[{_largest_id()}].filter(id, id >= {_ID}).map(id, {message})"


def _largest_id() -> str:
    users, pod = ("runAsUser", "runAsGroup"), "object.spec.?securityContext"
    of_containers = ", ".join(f"c.?securityContext.?{member}.orValue(0)" for member in users)
    of_pod = ", ".join(f"{pod}.?{member}.orValue(0)" for member in (*users, "fsGroup"))
    groups = f"{pod}.?supplementalGroups.orValue([])"
    return f"(variables.containers.map(c, [{of_containers}]).flatten() + [{of_pod}] + {groups}).max()"
