"""Pattern pods, and what the core does with them: the additions of a mode, and the messages of denials."""

from collections.abc import Container, Mapping
from copy import deepcopy
from typing import NamedTuple, TypeAlias

import jsonpatch

from dind_webhook.injection import INJECT, Decision, Mode, Outcome, Policy, Reason, decide_for_namespace
from dind_webhook.model import JsonObject
from dind_webhook.mutating_policy.quantities import (
    variables_of_markers,
    variables_of_variant_markers,
    with_markers,
)
from dind_webhook.strict_policy import cel_literal

# Expressions, by the words of a pattern pod that they replace
Words: TypeAlias = Mapping[str, str]
# The container of every pattern pod. No object has such a name, and no operator names one so.
MAIN = "Example-Container"
# Other words of pattern pods, which no object has either
VALUE = "Example value"
VOLUME = "Example-Volume"
HOST_MEMBERS = ("hostNetwork", "hostPID", "hostIPC")
_INIT = {"name": "Example-Init", "image": "example"}
# Those that an isolation needs
_ISOLATION_MEMBERS = ("hostUsers", "runtimeClassName")
_POD_MEMBERS = frozenset(
    {
        "containers",
        "initContainers",
        "volumes",
        "securityContext",
        "nodeSelector",
        "tolerations",
        "imagePullSecrets",
        *_ISOLATION_MEMBERS,
    }
)
_CLIENT_MEMBERS = frozenset({"name", "image", "env", "volumeMounts"})


class HomelessAdditions(NamedTuple):
    """What pods get whose clients may be unable to make `~/.docker` (`find_config_directories`).

    Each such client gets `mount`, whose `subPath` is the name of the client. One with a read-only root file system gets
    those of `buildx_variables` that it lacks, too.
    """

    volume: JsonObject
    mount: JsonObject
    buildx_variables: list[JsonObject]
    # All annotations of such a pod
    annotations: dict[str, str]


class ClientEnv(NamedTuple):
    """The variables of clients.

    | variables | a client gets each |
    |---|---|
    | `plain`, of which the first is `DOCKER_HOST` | that it does not set |
    | `of_any_case` | whose name it sets neither in capitals nor in small letters |
    | `of_config` | that it does not set, and none if it has a configuration of the Docker client of its own |

    `MAIN` in a value stands for the name of the client.
    """

    plain: list[JsonObject]
    of_any_case: list[JsonObject]
    of_config: list[JsonObject]


class Additions(NamedTuple):
    """Everything that a mode adds to a pod whose own members do not matter.

    `container` is None, and `container_name` empty, if the mode adds none. It has neither its mounts nor the members of
    `variants`: in a pod to which the condition of the mode applies, the container has the first of the two maps,
    otherwise the second. Each client gets `client_mounts` and those variables of `client_env` that it lacks; init
    containers are clients if `serves_init`. `homeless` is None if no client gets a directory at `/.docker`. The pod's
    spec gets those of `pod_members` that it lacks.
    """

    mode: Mode
    container_name: str
    container: JsonObject | None
    variants: tuple[JsonObject, JsonObject]
    as_container: bool
    container_mounts: list[JsonObject]
    client_env: ClientEnv
    client_mounts: list[JsonObject]
    serves_init: bool
    volumes: list[JsonObject]
    annotations: dict[str, str]
    labels: dict[str, str]
    group: int | None
    pod_members: JsonObject
    node_selector: dict[str, str]
    tolerations: list[JsonObject]
    image_pull_secrets: list[JsonObject]
    homeless: HomelessAdditions | None
    # The expressions of quantities, by their markers in `container` and `volumes`, and in `variants`
    quantities: Words
    variant_quantities: Words


def pattern_pod(
    mode: Mode | str | None,
    annotations: Mapping[str, str] | None = None,
    *,
    container: JsonObject | None = None,
    spec: JsonObject | None = None,
) -> JsonObject:
    """Return a pod that asks for a mode. `container` has more members of its container, `spec` of its spec."""
    own = {INJECT: str(mode)} if mode else {}
    main = {"name": MAIN, "image": "example", **(container or {})}
    return {"metadata": {"annotations": {**own, **(annotations or {})}}, "spec": {"containers": [main], **(spec or {})}}


def decide_pattern(policy: Policy, pod: JsonObject, namespace_label: str = "enabled") -> Decision:
    """Return the core's decision about a pattern pod."""
    return decide_for_namespace(pod, namespace_label, policy)


def injected_pattern(policy: Policy, pod: JsonObject) -> JsonObject:
    """Return a pattern pod after injection. Raise LookupError if the core does not inject it."""
    decision = decide_pattern(policy, pod)
    if decision.outcome is not Outcome.INJECTED:
        raise LookupError(f"the pattern pod is not injected: {decision.message or decision.reason.slug}")
    injected: JsonObject = jsonpatch.apply_patch(pod, list(decision.operations))
    return injected


def find_message(policy: Policy, pod: JsonObject, reasons: Container[Reason], words: Words | None = None) -> str | None:
    """Return the message with which the core denies a pattern pod for one of `reasons`, as CEL, or None.

    `words` has the expressions that replace words of the pattern pod.
    """
    decision = decide_pattern(policy, pod)
    if decision.outcome is not Outcome.DENIED or decision.reason not in reasons:
        return None
    return cel_literal(decision.message, dict(words or {}))


def read_message(policy: Policy, pod: JsonObject, reason: Reason, words: Words | None = None) -> str:
    """Return the message of `find_message`. Raise LookupError if the core does not deny the pod for that reason."""
    message = find_message(policy, pod, {reason}, words)
    if message is None:
        raise LookupError(f"the core does not deny the pattern pod for {reason.slug}")
    return message


def read_additions(policy: Policy, mode: Mode) -> Additions:
    """Return what the core adds to pods in a mode. Raise LookupError if it adds what no policy could place."""
    quantities, variant_quantities = variables_of_markers(policy), variables_of_variant_markers(policy)
    policy = with_markers(policy)
    pod = injected_pattern(policy, pattern_pod(mode, spec={"initContainers": [_INIT]}))
    spec, metadata = pod["spec"], pod["metadata"]
    own = policy.container_name if mode is Mode.SIDECAR else policy.wait_container_name
    # Without a container of ours, one of that name is a client.
    name = own if any(each["name"] == own for each in (*spec["containers"], *spec["initContainers"])) else ""
    main, init = (_find_container(spec[member], own) for member, own in _CLIENTS)
    if unknown := sorted({*(spec.keys() - _POD_MEMBERS), *((main.keys() | init.keys()) - _CLIENT_MEMBERS)}):
        raise LookupError(f"injection adds {', '.join(unknown)}, which no policy places")
    container, container_mounts = _take_container(spec, name)
    variants = _find_variants(policy, mode, name, container)
    return Additions(
        mode=mode,
        container_name=name,
        container={key: value for key, value in container.items() if key not in {*variants[0], *variants[1]}}
        if container
        else None,
        variants=variants,
        as_container=any(each["name"] == name for each in spec["containers"]),
        container_mounts=container_mounts,
        client_env=_read_client_env(policy, mode, main["env"]),
        client_mounts=main["volumeMounts"],
        serves_init="env" in init,
        volumes=spec.get("volumes", []),
        annotations={key: text for key, text in metadata["annotations"].items() if key != INJECT},
        labels=metadata.get("labels", {}),
        group=next(iter(spec.get("securityContext", {}).get("supplementalGroups", ())), None),
        pod_members={member: spec[member] for member in _ISOLATION_MEMBERS if member in spec},
        node_selector=spec.get("nodeSelector", {}),
        tolerations=spec.get("tolerations", []),
        image_pull_secrets=spec.get("imagePullSecrets", []),
        homeless=_read_homeless_additions(policy, mode, pod),
        quantities=quantities,
        variant_quantities=variant_quantities,
    )


def shares_volumes(policy: Policy, additions: Additions) -> bool:
    """Return whether the daemon of a mode gets the clients' volumes."""
    return additions.mode is Mode.SIDECAR and policy.defaults.share_volumes is True


# The client of a pattern pod is not root and has no home.
HOMELESS: JsonObject = {"securityContext": {"runAsUser": 1000}}
_READ_ONLY: JsonObject = {"securityContext": {"readOnlyRootFilesystem": True}}


def _read_client_env(policy: Policy, mode: Mode, env: list[JsonObject]) -> ClientEnv:
    """Return the variables `env` of a plain client by the reasons for which other clients do not get them."""

    def added_beside(*names: str) -> list[JsonObject]:
        own = [{"name": name, "value": "example"} for name in names]
        pod = injected_pattern(policy, pattern_pod(mode, container={"env": own}))
        found: list[JsonObject] = _find_container(pod["spec"]["containers"], MAIN)["env"]
        return [each for each in found if each not in own]

    of_any_case = [each for each in env if each not in added_beside(*(variable["name"].title() for variable in env))]
    of_config = [each for each in env if each not in added_beside("DOCKER_CONFIG")]
    plain = [each for each in env if each not in of_any_case and each not in of_config]
    return ClientEnv(plain, of_any_case, of_config)


def _read_homeless_additions(policy: Policy, mode: Mode, plain: JsonObject) -> HomelessAdditions | None:
    """Return what a pod gets besides the additions of `plain` if its client is homeless."""
    pods = [
        injected_pattern(policy, pattern_pod(mode, container=container, spec={"initContainers": [_INIT]}))
        for container in (HOMELESS, _READ_ONLY)
    ]
    main, read_only, plain_main = (_find_container(each["spec"]["containers"], MAIN) for each in (*pods, plain))
    if main["volumeMounts"] == plain_main["volumeMounts"]:
        return None
    (mount,) = (each for each in main["volumeMounts"] if each not in plain_main["volumeMounts"])
    if mount not in read_only["volumeMounts"]:
        raise LookupError("a client with a read-only root file system does not get the directory of others")
    pod = pods[0]
    (volume,) = (each for each in pod["spec"]["volumes"] if each not in plain["spec"].get("volumes", []))
    if mount.pop("subPath") != MAIN:
        raise LookupError("the subPath of the client's directory is not the name of the client")
    variables = [each for each in read_only["env"] if each not in plain_main["env"]]
    annotations = {key: text for key, text in pod["metadata"]["annotations"].items() if key != INJECT}
    return HomelessAdditions(volume, mount, variables, annotations)


_CLIENTS = (("containers", MAIN), ("initContainers", _INIT["name"]))


def _find_container(containers: list[JsonObject], name: str) -> JsonObject:
    return next(container for container in containers if container["name"] == name)


def _take_container(spec: JsonObject, name: str) -> tuple[JsonObject, list[JsonObject]]:
    """Return the added container without its mounts, and its mounts; both empty if there is none."""
    containers = (*spec["containers"], *spec["initContainers"])
    found: JsonObject = deepcopy(next((each for each in containers if each["name"] == name), {}))
    mounts: list[JsonObject] = found.pop("volumeMounts", [])
    return found, mounts


def _find_variants(policy: Policy, mode: Mode, name: str, container: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Return the members of the container that differ in pods to which the condition of the mode applies."""
    resources = {"resources": _VARIANT_RESOURCES[mode]}
    pod = pattern_pod(mode, container=resources, spec={"initContainers": [{**_INIT, **resources}]})
    other, _ = _take_container(injected_pattern(policy, pod)["spec"], name)
    keys = {key for key in {*container, *other} if container.get(key) != other.get(key)}
    return (
        {key: value for key, value in other.items() if key in keys},
        {key: value for key, value in container.items() if key in keys},
    )


# With a sidecar, a limit of ephemeral storage; otherwise, the class Guaranteed
_VARIANT_RESOURCES = {
    Mode.SIDECAR: {"limits": {"ephemeral-storage": "1Gi"}},
    Mode.DAEMONSET: {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
}
