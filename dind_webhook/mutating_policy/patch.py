"""The JSON Patch of a pod, as CEL: each operation adds what the pod lacks, so that a second run adds nothing."""

from collections.abc import Iterator
from typing import Any

from dind_webhook.injection import DEFAULT_CONTAINER, TOKEN_PATH, TOKEN_VOLUME_PREFIX, Mode, Policy
from dind_webhook.model import JsonObject
from dind_webhook.mutating_policy.docker_config import (
    HAS_HOMELESS,
    buildx_variables,
    config_variables,
    homeless_entries,
)
from dind_webhook.mutating_policy.expressions import (
    add_operation,
    append_operations,
    cel_literal,
    closed,
    closed_path,
    let,
    member_operations,
)
from dind_webhook.mutating_policy.patterns import Additions, shares_volumes
from dind_webhook.mutating_policy.shared_volumes import mount_entry, shared_mount_variables

# No option of a pod begins so. The webhook does not know it.
DENIED = "policy.dind.io/denied"


def patch_variables(policy: Policy, additions: Additions) -> Iterator[tuple[str, str]]:
    """Yield the name and the expression of each variable that the patch uses besides those of `variables`."""
    yield "clientEnv", _json(additions.client_env.plain)
    yield "clientMounts", _mount_entries(additions.client_mounts)
    volumes = cel_literal(additions.volumes, additions.quantities)
    if homeless := additions.homeless:
        volumes += f" + ({HAS_HOMELESS} ? {_json([homeless.volume])} : [])"
    yield "addedVolumes", volumes
    yield "addedAnnotations", _annotations(additions)
    if additions.container is not None:
        yield "isVariant", _variant_condition(additions)
        if shares_volumes(policy, additions):
            yield from shared_mount_variables(policy, additions)
            shared = "variables.sharedMounts"
        else:
            shared = "[]"
        yield "tokenMounts", _token_mounts()
        constant = _mount_entries(additions.container_mounts)
        yield "daemonMounts", f"{constant} + {shared} + variables.tokenMounts"


def denial_mark() -> str:
    """Return the expression of the operations that mark a pod that the policies deny.

    The API server returns one denial, in no fixed order. The chart's policy for pods without Docker skips marked pods,
    so that the policy returns the reason (templates/validatingadmissionpolicy.yaml).
    """
    annotations = "object.metadata.annotations"
    mark = member_operations(
        _text("/metadata/annotations"), f"has({annotations})", annotations, _json({DENIED: "true"})
    )
    problems = "variables.stale + variables.denials + variables.limits"
    return f"(variables.isOfMode && variables.asksItself && ({problems}).size() > 0 ? {mark} : [])"


def patch_expression(additions: Additions) -> str:
    """Return the expression of the list of operations."""
    return "\n+ ".join(_operations(additions))


def _operations(additions: Additions) -> Iterator[str]:
    if additions.group is not None:
        yield _group_operations(additions.group)
    metadata = "object.metadata"
    # Another webhook may have changed what the pod was denied for.
    is_marked = f"{_text(DENIED)} in {metadata}.?annotations.orValue({{}})"
    mark = _text("/metadata/annotations/") + f" + jsonpatch.escapeKey({_text(DENIED)})"
    yield f"({is_marked} ? [JSONPatch{{op: 'remove', path: {mark}}}] : [])"
    for member, members in (("annotations", "variables.addedAnnotations"), ("labels", _json(additions.labels))):
        exists = f"has({metadata}.{member})"
        yield member_operations(_text(f"/metadata/{member}"), exists, f"{metadata}.{member}", members)
    for member, value in additions.pod_members.items():
        # The API server takes an empty name of a RuntimeClass for none.
        is_empty = f" || object.spec.{member} == ''" if isinstance(value, str) else ""
        operation = add_operation(_text(f"/spec/{member}"), cel_literal(value))
        yield f"(!has(object.spec.{member}){is_empty} ? [{operation}] : [])"
    if additions.node_selector:
        exists = "has(object.spec.nodeSelector)"
        labels = _json(additions.node_selector)
        yield member_operations(_text("/spec/nodeSelector"), exists, "object.spec.nodeSelector", labels)
    if additions.tolerations:
        missing = f"{_json(additions.tolerations)}.filter(t, !{_has_toleration()})"
        yield append_operations(_text("/spec/tolerations"), "has(object.spec.tolerations)", missing)
    if additions.image_pull_secrets:
        existing = "object.spec.?imagePullSecrets.orValue([])"
        missing = (
            f"{_json(additions.image_pull_secrets)}.filter(s, !{existing}.exists(e, e.?name.orValue('') == s.name))"
        )
        yield append_operations(_text("/spec/imagePullSecrets"), "has(object.spec.imagePullSecrets)", missing)
    yield _client_operations(additions, "containers", "object.spec.containers", "variables.isMainClient")
    if additions.serves_init:
        yield _client_operations(additions, "initContainers", "variables.initContainers", "variables.isInitClient")
    missing = "variables.addedVolumes.filter(v, !variables.volumes.exists(e, e.name == v.name))"
    yield append_operations(_text("/spec/volumes"), "has(object.spec.volumes)", missing)
    if additions.container is not None:
        # Last: a container in front moves the other init containers, which the operations before it name by index.
        yield _container_operations(additions, additions.container)


def _group_operations(group: int) -> str:
    security = "object.spec.securityContext"
    context = add_operation(_text("/spec/securityContext"), _json({"supplementalGroups": [group]}))
    groups = append_operations(
        _text("/spec/securityContext/supplementalGroups"),
        f"has({security}.supplementalGroups)",
        f"[{group}].filter(g, !(g in {security}.?supplementalGroups.orValue([])))",
    )
    return f"(!has({security}) ? [{context}] : {groups})"


def _annotations(additions: Additions) -> str:
    """Return a map of the annotations, with the pod's own first container as the default one."""
    texts = []
    annotations = additions.homeless.annotations if additions.homeless else additions.annotations
    for key, other in annotations.items():
        text = additions.annotations.get(key)
        if key == DEFAULT_CONTAINER:
            continue
        if text is None:
            texts.append(f"?{_text(key)}: {HAS_HOMELESS} ? optional.of({_text(other)}) : optional.none()")
        elif text == other:
            texts.append(f"{_text(key)}: {_text(text)}")
        else:
            texts.append(f"{_text(key)}: {HAS_HOMELESS} ? {_text(other)} : {_text(text)}")
    texts.append(
        f"?{_text(DEFAULT_CONTAINER)}: variables.mainClients.size() > 0 "
        "? optional.of(string(variables.mainClients[0].name)) : optional.none()"
    )
    return "{" + ", ".join(texts) + "}"


def _has_toleration() -> str:
    """Return whether the pod has the toleration `t`; absent members stand for their defaults."""
    members = (("key", "''"), ("operator", "'Equal'"), ("value", "''"), ("effect", "''"))
    same = " && ".join(f"e.?{name}.orValue({default}) == t[?'{name}'].orValue({default})" for name, default in members)
    seconds = "e.?tolerationSeconds == t[?'tolerationSeconds']"
    return f"object.spec.?tolerations.orValue([]).exists(e, {same} && {seconds})"


def _client_operations(additions: Additions, member: str, containers: str, is_client: str) -> str:
    place = f"'/spec/{member}/' + string(i)"
    env = append_operations(f"{place} + '/env'", "has(c.env)", _missing_variables(additions))
    mounts = append_operations(
        f"{place} + '/volumeMounts'",
        "has(c.volumeMounts)",
        _missing_mounts(f"(variables.clientMounts + {homeless_entries(additions.homeless)})", "c"),
    )
    return f"{containers}.transformList(i, c, {is_client}[i], {env} + {mounts}).flatten()"


def _missing_variables(additions: Additions) -> str:
    """Return the variables that a client `c` gets, in the core's order."""
    env = additions.client_env

    def lacked(variables: str, is_same: str = "own.name == e.name") -> str:
        return f"{variables}.filter(e, !c.?env.orValue([]).exists(own, {is_same}))"

    missing = lacked("variables.clientEnv")
    if env.of_any_case:
        missing += f" + {lacked(_json(env.of_any_case), 'own.name.upperAscii() == e.name.upperAscii()')}"
    if env.of_config:
        missing += f" + {lacked(config_variables(env))}"
    if additions.homeless:
        missing += f" + {lacked(buildx_variables(additions.homeless))}"
    return missing


def _missing_mounts(entries: str, container: str) -> str:
    """Return the mounts of entries at whose path a container mounts nothing."""
    paths = f"{container}.?volumeMounts.orValue([]).map(m, {closed_path('m.mountPath')})"
    return let("paths", paths, f"{entries}.filter(entry, !(entry.path in paths)).map(entry, entry.mount)")


def _container_operations(additions: Additions, container: JsonObject) -> str:
    member = "containers" if additions.as_container else "initContainers"
    index = "variables.ownIndex"
    place = f"'/spec/{member}/' + string({index})"
    security = f"object.spec.{member}[{index}]"
    existing = " + ".join(
        (
            member_operations(
                f"{place} + '/securityContext'",
                f"has({security}.securityContext)",
                f"{security}.securityContext",
                _json(container["securityContext"]),
            ),
            append_operations(
                f"{place} + '/volumeMounts'",
                f"has({security}.volumeMounts)",
                _missing_mounts("variables.daemonMounts", security),
            ),
        )
    )
    new_container = cel_literal(container, additions.quantities)
    if additions.as_container:
        added = [add_operation(_text("/spec/containers/-"), new_container)]
        place = "'/spec/containers/' + string(size(object.spec.containers))"
    else:
        empty = add_operation(_text("/spec/initContainers"), "[]")
        first = add_operation(_text("/spec/initContainers/0"), new_container)
        place = _text("/spec/initContainers/0")
        added = [first]
    operations = f"[{', '.join(added)}]"
    if not additions.as_container:
        operations = f"(has(object.spec.initContainers) ? [] : [{empty}]) + {operations}"
    mounts = add_operation(f"{place} + '/volumeMounts'", "variables.daemonMounts.map(entry, entry.mount)")
    new = f"{operations} + [{mounts}]{_variant_operations(place, additions)}"
    return f"({index} >= 0 ? {existing} : {new})"


def _variant_operations(place: str, additions: Additions) -> str:
    if not any(additions.variants):
        return ""
    yes, no = (
        ", ".join(
            add_operation(f"{place} + '/{key}'", cel_literal(value, additions.variant_quantities))
            for key, value in members.items()
        )
        for members in additions.variants
    )
    return f" + (variables.isVariant ? [{yes}] : [{no}])"


def _variant_condition(additions: Additions) -> str:
    """Return whether the condition of `Additions.variants` applies to the pod."""
    others = f"variables.containers.filter(c, c.name != {cel_literal(additions.container_name)})"
    if additions.mode is Mode.SIDECAR:
        return f"{others}.exists(c, 'ephemeral-storage' in c.?resources.?limits.orValue({{}}))"
    # The class Guaranteed (`model.is_guaranteed`)
    limit, request = "c.?resources.?limits[?r]", "c.?resources.?requests[?r]"
    is_equal = (
        f"{limit}.hasValue() && quantity(string({limit}.value())).isGreaterThan(quantity('0')) "
        f"&& quantity(string({request}.or({limit}).value())).compareTo(quantity(string({limit}.value()))) == 0"
    )
    return f"!has(object.spec.resources) && {others}.all(c, ['cpu', 'memory'].all(r, {is_equal}))"


def _token_mounts() -> str:
    """Return the entry of the first mount of the pod's token, or nothing."""
    has_token = f"v.name.startsWith({_text(TOKEN_VOLUME_PREFIX)}) && has(v.projected)"
    volumes = f"variables.volumes.filter(v, {has_token}).map(v, v.name)"
    is_token = f"m.name in names && {closed_path('m.mountPath')} == {_text(closed(TOKEN_PATH))}"
    mounts = f"object.spec.containers.map(c, c.?volumeMounts.orValue([]).filter(m, {is_token})).flatten()"
    first = f"(found.size() > 0 ? [{mount_entry('found[0]', closed_path('found[0].mountPath'))}] : [])"
    return let("names", volumes, let("found", mounts, first))


def _mount_entries(mounts: list[JsonObject]) -> str:
    return cel_literal([{"path": closed(mount["mountPath"]), "mount": mount} for mount in mounts])


def _json(value: Any) -> str:
    return cel_literal(value)


def _text(text: str) -> str:
    return cel_literal(text)
