"""The isolation of a sidecar's daemon from the node: which one a pod gets, and what that needs (docs/decisions/0033).

| isolation | the daemon |
|---|---|
| `none` | is privileged on the node |
| `userns` | is root in a user namespace only (KEP-127): to the node, that is a user without rights |
| `auto` | as with `userns`; if the pod cannot have a user namespace, as with `none`, and with a warning |
| `sysbox`, `kata`, `gvisor` | is behind the runtime of that name |
"""

from typing import NamedTuple

from dind_webhook.injection.constants import INJECT, ISOLATION
from dind_webhook.injection.decision import Denial, Reason
from dind_webhook.injection.message_parts import quote, truncate_warning
from dind_webhook.injection.options import Isolation, Options
from dind_webhook.injection.policy import Policy
from dind_webhook.model import JsonObject, Pod, SpecShape

METRICS_PORT = 9323
# kubelet maps 65536 users and groups for each pod, unless userNamespaces.idsPerPod is set.
LARGEST_ID = 65535
# kubelet cannot mount these volumes in a user namespace: their file systems have no idmapped mounts.
NOT_IDMAPPABLE = {"nfs": "NFS", "azureFile": "SMB"}
# What Docker needs in gVisor, which keeps these capabilities from the node.
_GVISOR_CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE",
    "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE",
)  # fmt: skip
# Complete: members of a restrictive securityContext of the pod would apply to the daemon, and other webhooks fill in
# absent members. The API server refuses a privileged container that may not escalate its privileges. Dropped
# capabilities, SELinux options and AppArmor profiles have no effect on a privileged container.
_PRIVILEGED: JsonObject = {
    "privileged": True,
    "allowPrivilegeEscalation": True,
    "runAsUser": 0,
    "runAsGroup": 0,
    "runAsNonRoot": False,
    "readOnlyRootFilesystem": False,
    "procMount": "Default",
    "seccompProfile": {"type": "Unconfined"},
}
_UNPRIVILEGED: JsonObject = {**_PRIVILEGED, "privileged": False, "appArmorProfile": {"type": "Unconfined"}}


class Profile(NamedTuple):
    """What an isolation needs: the `securityContext` of the daemon, arguments of dockerd, and a user namespace.

    `has_exec` tells whether kubelet can run commands in the container, as for probes and hooks.
    """

    security_context: JsonObject = _PRIVILEGED
    dockerd_arguments: tuple[str, ...] = ()
    needs_user_namespace: bool = False
    has_exec: bool = True


def metrics_flag(port: int) -> str:
    """Return the flag with which dockerd serves its metrics on a port of the pod."""
    return f"--metrics-addr=0.0.0.0:{port}"


_PROFILES = {
    Isolation.NONE: Profile(),
    Isolation.USERNS: Profile(needs_user_namespace=True),
    Isolation.SYSBOX: Profile(_UNPRIVILEGED, needs_user_namespace=True),
    Isolation.GVISOR: Profile(
        {**_UNPRIVILEGED, "capabilities": {"add": list(_GVISOR_CAPABILITIES)}},
        ("--iptables=false", "--ip6tables=false"),
    ),
    # kata-agent cannot start a process in a cgroup that has child cgroups with controllers.
    Isolation.KATA: Profile(dockerd_arguments=(metrics_flag(METRICS_PORT),), has_exec=False),
}
IN_USER_NAMESPACE = frozenset(isolation for isolation, profile in _PROFILES.items() if profile.needs_user_namespace)
# The isolations that are other container runtimes
NEED_RUNTIME_CLASS = frozenset({Isolation.SYSBOX, Isolation.KATA, Isolation.GVISOR})
# With a RuntimeClass for userns, whose handler makes the container's cgroup writable. The API server accepts Unmasked
# only with hostUsers: false.
_USERNS_WITH_CGROUP = Profile(
    {**_UNPRIVILEGED, "procMount": "Unmasked", "capabilities": {"add": ["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"]}},
    needs_user_namespace=True,
)


class ChosenIsolation(NamedTuple):
    """The isolation of a pod, never `auto`, and warnings about the choice."""

    isolation: Isolation
    warnings: tuple[str, ...] = ()


def profile_of(isolation: Isolation, policy: Policy) -> Profile:
    """Return what an isolation other than `auto` needs."""
    if isolation is Isolation.USERNS and isolation in policy.runtime_classes:
        return _USERNS_WITH_CGROUP
    return _PROFILES[isolation]


def pod_members(isolation: Isolation, policy: Policy) -> JsonObject:
    """Return the members of the pod spec that an isolation needs."""
    members: JsonObject = {}
    if profile_of(isolation, policy).needs_user_namespace:
        members["hostUsers"] = False
    if runtime_class := policy.runtime_classes.get(isolation):
        members["runtimeClassName"] = runtime_class
    return members


def describe_forbidden(isolation: Isolation, policy: Policy) -> str:
    """Return the end of a sentence about an isolation that the operator does not allow, or an empty text."""
    allowed = {policy.defaults.isolation, *policy.allowed_isolations}
    if Isolation.AUTO in allowed:
        allowed.add(Isolation.USERNS)
    if isolation in allowed:
        return ""
    return f"is not allowed by this {policy.scope}'s operator (isolations that are: {', '.join(sorted(allowed))})"


def choose_isolation(pod: Pod, options: Options, policy: Policy, *, by_annotation: bool) -> ChosenIsolation | Denial:
    """Return the isolation of a pod's daemon, or a denial if the pod cannot have the one that is requested.

    `by_annotation` tells whether the pod sets the option. A pod with `hostUsers: false` requests `userns`, whatever the
    operator's default is.
    """
    requested = options.isolation
    if pod.spec.host_users is False and requested in {Isolation.NONE, Isolation.AUTO}:
        if by_annotation and requested is Isolation.NONE:
            return Denial(
                Reason.ISOLATION, f"annotation {ISOLATION}: none contradicts spec.hostUsers: false; remove one of them"
            )
        if requested is Isolation.NONE and (problem := describe_forbidden(Isolation.USERNS, policy)):
            return Denial(Reason.HOST_USERS, f"spec.hostUsers: false asks for isolation userns, which {problem}")
        requested = Isolation.USERNS
    isolation = Isolation.USERNS if requested is Isolation.AUTO else requested
    obstacle = _find_obstacle(pod, isolation, options, policy)
    if obstacle is None:
        return ChosenIsolation(isolation)
    # Who asks for the node's users needs the right to have no isolation.
    asks_for_none = pod.spec.host_users is True and describe_forbidden(Isolation.NONE, policy)
    if requested is Isolation.AUTO and not asks_for_none:
        return ChosenIsolation(Isolation.NONE, (truncate_warning(f"isolation none instead of userns: {obstacle}"),))
    return Denial(Reason.ISOLATION, f"isolation {isolation} is not possible: {obstacle}")


def deny_isolation_of_daemonset(requested: Isolation) -> Denial | None:
    """Return a denial if a pod requests an isolation in daemonset mode, or None."""
    if requested is Isolation.NONE:
        return None
    return Denial(
        Reason.ISOLATION,
        f"annotation {ISOLATION}: {requested} is not possible in daemonset mode, in which all pods share one daemon; "
        f"use {INJECT}: sidecar",
    )


def _find_obstacle(pod: Pod, isolation: Isolation, options: Options, policy: Policy) -> str | None:
    """Return why a pod cannot have an isolation, or None."""
    required_class, pod_class = policy.runtime_classes.get(isolation), pod.spec.runtime_class_name
    if required_class and pod_class not in {None, "", required_class}:
        return f"spec.runtimeClassName is {quote(pod_class or '')}, but it needs {quote(required_class)}"
    if not profile_of(isolation, policy).needs_user_namespace:
        return None
    if not policy.start_script:
        # The script makes sure that there is a user namespace.
        return "it needs the operator's setting start_script"
    return _find_host_member(pod.spec) or _find_unmappable_volume(pod) or _find_unmappable_id(pod, options)


def _find_host_member(spec: SpecShape) -> str | None:
    """Return a statement about a member that the API server refuses in a pod with a user namespace, or None."""
    members = {
        "hostUsers": spec.host_users,
        "hostNetwork": spec.host_network,
        "hostPID": spec.host_pid,
        "hostIPC": spec.host_ipc,
    }
    return next((f"spec.{member} is true" for member, value in members.items() if value is True), None)


def _find_unmappable_volume(pod: Pod) -> str | None:
    """Return a statement about a volume whose users cannot be those of the user namespace, or None."""
    for container in pod.all_containers:
        if container.raw.volume_devices:
            return f"container {quote(container.name)} has volumeDevices, which have no place in a user namespace"
    for name, volume in pod.volumes.items():
        if volume.kind in NOT_IDMAPPABLE:
            return f"{NOT_IDMAPPABLE[volume.kind]} volume {quote(name)} cannot be mounted in a user namespace"
    return None


def _find_unmappable_id(pod: Pod, options: Options) -> str | None:
    """Return a statement about a user or group that a user namespace does not have, or None."""
    contexts = [container.raw.security_context for container in pod.all_containers]
    ids = [value for context in contexts if context for value in (context.run_as_user, context.run_as_group)]
    if security := pod.spec.security_context:
        ids += [security.run_as_user, security.run_as_group, security.fs_group, *(security.supplemental_groups or ())]
    ids.append(options.group)
    largest = max((value for value in ids if value is not None), default=0)
    if largest > LARGEST_ID:
        return f"user or group {largest} is above {LARGEST_ID}, the largest one in a user namespace"
    return None
