"""Examines a pod template that uses the node's container runtime, or a Docker daemon of its own.

The first row that holds decides:

| pod template | verdict |
|---|---|
| uses neither, or belongs to this project | not a finding |
| has `dind.io/inject: disabled` | is no build |
| is a static pod of a node | is no build |
| all that use a socket are known agents | is no build |
| belongs to a DaemonSet, runs no daemon of its own, and is no known CI runner | is no build |
| something is in the way of the rewrite | needs a person |
| the webhook would not inject the rewritten pod | needs a person |
| the daemon would not get a volume that a client mounts | needs a person |
| anything else | converts |
"""

from collections.abc import Mapping
from typing import NamedTuple

import jsonpatch

from dind_webhook.injection import (
    DISABLED,
    INJECT,
    POD_VALUES,
    PREFIX,
    STATUS,
    Mode,
    Outcome,
    Policy,
    Reason,
    abbreviate,
    decide_for_namespace,
    is_mirror_pod,
    join_first,
    quote,
)
from dind_webhook.migration.daemon_removal import plan_daemon_removal
from dind_webhook.migration.finding import LEFT_ON_PURPOSE, Finding, Verdict
from dind_webhook.migration.known_images import KnownAgent, find_agent, is_runner
from dind_webhook.migration.nested import examine_unknown
from dind_webhook.migration.operations import render_operations
from dind_webhook.migration.removal import Removal
from dind_webhook.migration.socket_removal import plan_socket_removal
from dind_webhook.migration.usage import PART_OF_LABEL, Usage, find_usage
from dind_webhook.model import (
    Container,
    JsonObject,
    MalformedPodError,
    Metadata,
    Operation,
    Pod,
    as_object,
    read_metadata,
    read_pod,
)

_CONTAINERS = f"{PREFIX}containers"
# How the warnings of the webhook about volumes begin (dind_webhook/injection/shared_volumes.py)
_NOT_SHARED = "not shared with "


class MigrationRequest(NamedTuple):
    """The mode that converted pods ask for, and the policy of the webhook that they are for."""

    mode: Mode
    policy: Policy

    def for_namespace(self, name: str) -> "MigrationRequest":
        """Return the request with the policy that is in force in a namespace."""
        return self._replace(policy=self.policy.for_namespace(name))


def examine(
    template: JsonObject, kind: str, request: MigrationRequest, claim_names: tuple[str, ...] = ()
) -> Finding | None:
    """Return the finding about a pod or pod template of an object of this kind, or None if there is none.

    `claim_names` is as in `read_pod`.
    """
    try:
        metadata, pod = read_metadata(template), read_pod(template, claim_names)
    except MalformedPodError as error:
        finding = examine_unknown(template)
        if finding is None or finding.verdict is Verdict.IS_NO_BUILD:
            return finding
        return finding.needing_a_person(f"the pod cannot be read: {error}")
    usage = find_usage(pod, metadata, request.policy)
    if usage is None or _is_own_object(metadata) or _is_injected(template, metadata, request, claim_names):
        return None
    finding = _describe(pod, usage)
    if reason := _describe_other_purpose(pod, metadata, usage, kind):
        return finding._replace(verdict=Verdict.IS_NO_BUILD, reason=reason)
    return _convert(template, pod, metadata, usage, kind, request, claim_names, finding)


def _is_own_object(metadata: Metadata) -> bool:
    key, value = PART_OF_LABEL
    return metadata.labels.get(key) == value


def _is_injected(
    template: JsonObject, metadata: Metadata, request: MigrationRequest, claim_names: tuple[str, ...]
) -> bool:
    if STATUS not in metadata.annotations:
        return False
    decision = decide_for_namespace(template, "enabled", request.policy, claim_names=claim_names)
    return decision.reason is Reason.UNCHANGED


def _describe(pod: Pod, usage: Usage) -> Finding:
    names = [user.name for user in usage.socket_users(pod)]
    if usage.daemon:
        names.append(usage.daemon.container)
    return Finding(
        tuple(dict.fromkeys(names)),
        tuple(dict.fromkeys(volume.path for volume in usage.sockets)),
        tuple(dict.fromkeys(volume.socket.runtime for volume in usage.sockets)),
        usage.daemon.evidence if usage.daemon else "",
        Verdict.NEEDS_A_PERSON,
        "",
    )


def _describe_other_purpose(pod: Pod, metadata: Metadata, usage: Usage, kind: str) -> str:
    """Return why a pod is no build, or an empty text if it may be one."""
    request = metadata.annotations.get(INJECT) or metadata.labels.get(INJECT)
    if request == DISABLED:
        return LEFT_ON_PURPOSE
    if is_mirror_pod(metadata):
        return "it is a static pod of a node, which no webhook changes"
    if usage.daemon:
        return ""
    users = usage.socket_users(pod)
    agents = [find_agent(user.raw.image or "") for user in users]
    if agents and all(agents):
        return _describe_agents(users, [agent for agent in agents if agent])
    if kind == "DaemonSet" and not any(is_runner(each.raw.image or "") for each in pod.all_containers):
        return (
            "a DaemonSet works on the node itself, which a Docker daemon in the pod cannot show; let it use the socket "
            "of the node's CRI runtime"
        )
    return ""


def _describe_agents(users: tuple[Container, ...], agents: list[KnownAgent]) -> str:
    texts = [
        f"container {quote(user.name)} is {agent.name}; {agent.instead}"
        for user, agent in zip(users, agents, strict=True)
    ]
    return join_first(texts, str)


def _convert(  # noqa: PLR0913, PLR0917  # what was read of the template, once
    template: JsonObject,
    pod: Pod,
    metadata: Metadata,
    usage: Usage,
    kind: str,
    request: MigrationRequest,
    claim_names: tuple[str, ...],
    finding: Finding,
) -> Finding:
    """Return the finding with the operations that rewrite the template, or with what is in the way."""
    if kind == "DaemonSet" and usage.daemon:
        return finding.needing_a_person(
            f"it is a Docker daemon on each node, run by hand (container {quote(usage.daemon.container)}); install the "
            "chart with daemonset.enabled instead, and let pods ask for mode daemonset"
        )
    removal = _plan_removal(template, pod, usage)
    if removal.problems:
        return finding.needing_a_person(join_first(removal.problems, str))
    annotations = _annotations(pod, metadata, usage, removal, request.mode)
    operations = render_operations(template, removal, annotations)
    problem, warnings = _check_result(template, operations, removal.clients, request.policy, claim_names)
    if problem:
        return finding.needing_a_person(problem)
    reason = "; ".join((_describe_changes(removal, pod, annotations), *warnings))
    return finding._replace(verdict=Verdict.CONVERTS, reason=reason, operations=operations)


def _plan_removal(template: JsonObject, pod: Pod, usage: Usage) -> Removal:
    sockets = plan_socket_removal(pod, usage) if usage.sockets else Removal()
    if not usage.daemon:
        return sockets
    return sockets.join(plan_daemon_removal(template, pod, usage.daemon))


def _annotations(pod: Pod, metadata: Metadata, usage: Usage, removal: Removal, mode: Mode) -> Mapping[str, str]:
    """Return the annotations to add. Those that the pod has already are kept as they are."""
    desired: dict[str, str] = {}
    if not {metadata.annotations.get(INJECT), metadata.labels.get(INJECT)} & set(POD_VALUES):
        desired[INJECT] = mode
    removed_name = usage.daemon.container if usage.daemon else None
    # Without the annotation, all containers except native sidecars get Docker.
    default = {each.name for each in pod.all_containers if each.name != removed_name and not each.is_native_sidecar}
    clients = [name for name in removal.clients if name != removed_name]
    if clients and set(clients) != default:
        desired[_CONTAINERS] = ",".join(clients)
    desired |= removal.annotations
    return {key: value for key, value in desired.items() if key == INJECT or metadata.annotations.get(key) is None}


def _check_result(
    template: JsonObject,
    operations: tuple[Operation, ...],
    clients: tuple[str, ...],
    policy: Policy,
    claim_names: tuple[str, ...],
) -> tuple[str, tuple[str, ...]]:
    """Return why the rewritten pod would not get what it had, or an empty text; and other warnings of the webhook."""
    rewritten = jsonpatch.apply_patch(template, list(operations))
    decision = decide_for_namespace(rewritten, "enabled", policy, claim_names=claim_names)
    if decision.outcome is not Outcome.INJECTED:
        return f"the webhook would not inject it: {decision.message or decision.reason.meaning}", ()
    injected = jsonpatch.apply_patch(rewritten, list(decision.operations))
    before, after = _containers_by_name(rewritten), _containers_by_name(injected)
    late = [name for name in clients if name in before and before[name] == after[name]]
    if late:
        return f"the webhook would give no Docker to container {join_first(late, quote, ', ')}", ()
    if remaining := find_usage(read_pod(rewritten, claim_names), read_metadata(rewritten), policy):
        return f"the rewritten pod would still have {_describe_usage(remaining)}", ()
    # A volume that the daemon lacks may hold the files that a build mounts into its containers.
    unshared = [warning for warning in decision.warnings if warning.startswith(_NOT_SHARED)]
    if unshared:
        return join_first(unshared, str), ()
    return "", tuple(warning for warning in decision.warnings if warning not in unshared)


def _describe_usage(usage: Usage) -> str:
    parts = [f"volume {quote(volume.name)} with {abbreviate(volume.path)} of the node" for volume in usage.sockets]
    if usage.daemon:
        parts.append(f"the Docker daemon of container {quote(usage.daemon.container)} ({usage.daemon.evidence})")
    return join_first(parts, str, ", ")


def _containers_by_name(template: JsonObject) -> dict[str, JsonObject]:
    spec = as_object(template["spec"])
    return {each["name"]: each for member in ("initContainers", "containers") for each in spec.get(member) or ()}


def _describe_changes(removal: Removal, pod: Pod, annotations: Mapping[str, str]) -> str:
    removed = [
        *(f"container {quote(each.name)}" for each in pod.all_containers if each.pointer in removal.pointers),
        *(f"volume {quote(name)}" for name in _removed_volumes(removal, pod)),
    ]
    added = [f"{key}: {value}" for key, value in annotations.items()]
    text = f"removes {join_first(removed, str, ', ')}"
    return f"{text}; adds {join_first(added, str, ', ')}" if added else text


def _removed_volumes(removal: Removal, pod: Pod) -> list[str]:
    volumes = enumerate(pod.spec.volumes or ())
    return [str(raw["name"]) for index, raw in volumes if f"/spec/volumes/{index}" in removal.pointers]
