"""The pods that the core denies, as CEL: for each rule an expression of a list of messages, empty if the rule holds.

The messages are the core's own, about pattern pods, with the names of the pod in place of those of the pattern. A rule
that the operator's settings switch off has no pattern that the core denies, and no expression. The expressions use the
variables of `variables`, and read the pod before injection as after it.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import orjson

from dind_webhook.injection import (
    DAEMON_PROGRAMS,
    DEFAULT_SOCKET,
    INJECTED,
    ISOLATION_VARIABLE,
    OPTIONS,
    PREFIX,
    PROC_PATHS,
    SOCKET_LINK_NAME,
    SOCKET_NAME,
    STATUS,
    TLS_VARIABLES,
    Mode,
    Policy,
    Reason,
    decide_for_namespace,
    find_node_socket,
)
from dind_webhook.model import MAX_CONTAINERS, MAX_PATH_LENGTH, JsonObject
from dind_webhook.mutating_policy.docker_config import HAS_HOMELESS
from dind_webhook.mutating_policy.expressions import (
    IS_READ_ONLY_MOUNT,
    abbreviated,
    any_of,
    cel_literal,
    closed,
    closed_path,
    last_variable,
    let,
    sets_variable,
    when,
)
from dind_webhook.mutating_policy.isolation import isolation_messages
from dind_webhook.mutating_policy.patterns import (
    HOMELESS,
    HOST_MEMBERS,
    MAIN,
    VALUE,
    VOLUME,
    Additions,
    Words,
    find_message,
    injected_pattern,
    pattern_pod,
    read_message,
)
from dind_webhook.mutating_policy.quantities import Quantity, list_quantities

# Words of pattern pods; `find_message` replaces them.
_KEY, _PATH = f"{PREFIX}example-key", "/Example path"


class DenialRule(NamedTuple):
    """A rule: the name of its variable, and an expression of the list of messages of the pod."""

    name: str
    messages: str


def stale_rules(policy: Policy, additions: Additions) -> Iterator[DenialRule]:
    """Yield the rules for a pod with the status annotation, which apply to pods that did not ask, too."""
    problems = " + ".join(f"({problem})" for problem in _StaleProblems(policy, additions).all())
    yield DenialRule("staleStatus", f"variables.injected ? {problems} : []")


def denial_rules(policy: Policy, additions: Additions) -> Iterator[DenialRule]:
    """Yield the other rules, in the core's order."""
    mode = additions.mode
    yield DenialRule("malformed", _malformed(policy, mode))
    windows = read_message(policy, pattern_pod(mode, spec={"os": {"name": "windows"}}), Reason.WINDOWS_POD)
    is_windows = (
        "object.spec.?os.?name.orValue('') == 'windows' "
        "|| object.spec.?nodeSelector[?'kubernetes.io/os'].orValue('') == 'windows'"
    )
    yield DenialRule("windowsPod", when(is_windows, windows))
    yield from _annotation_rules(policy, mode)
    for member in HOST_MEMBERS:
        message = find_message(
            policy,
            pattern_pod(mode, spec={member: True}),
            {Reason.HOST_NETWORK, Reason.HOST_PID, Reason.HOST_IPC},
        )
        if message:
            yield DenialRule(member, when(f"object.spec.?{member}.orValue(false)", message))
    host_users = find_message(policy, pattern_pod(mode, spec={"hostUsers": False}), {Reason.HOST_USERS})
    if host_users:
        yield DenialRule("hostUsers", when("!object.spec.?hostUsers.orValue(true)", host_users))
    if of_isolation := list(isolation_messages(policy, additions)):
        yield DenialRule("isolation", " + ".join(of_isolation))
    yield DenialRule("ownDaemon", _own_daemon(policy, additions))
    yield DenialRule("nodeDockerSocket", _node_docker_socket(policy, additions))
    yield DenialRule("nameTaken", _name_taken(policy, additions))
    yield DenialRule("foreignLabel", _foreign_label(policy, additions))
    yield DenialRule("foreignMounts", _foreign_mounts(policy, additions))
    yield DenialRule("mountPathTaken", _mount_path_taken(policy, additions))
    if additions.node_selector:
        yield DenialRule("nodeSelector", _other_nodes(policy, additions))
    yield DenialRule("tlsVariable", _tls_variable(policy, additions))


def socket_replacement_message(policy: Policy) -> str:
    """Return the message for a pod in a namespace that asks to replace the node's socket, with the socket."""
    volume = {"name": VOLUME, "hostPath": {"path": DEFAULT_SOCKET}}
    pod = pattern_pod(min(policy.modes), spec={"volumes": [volume]})
    decision = decide_for_namespace(pod, "", policy, node_socket_label="replace")
    if decision.reason is not Reason.OPTION_NOT_ALLOWED:
        raise LookupError("the core replaces the node's socket")
    return cel_literal(decision.message)


def _malformed(policy: Policy, mode: Mode) -> str:
    """Return the messages about members that are longer than the core accepts."""

    def message_about(words: Words, **pod: Any) -> str:
        return read_message(policy, pattern_pod(mode, **pod), Reason.MALFORMED_POD, words)

    path = "/" + "a" * MAX_PATH_LENGTH
    found = []
    for member in ("mountPath", "subPath", "subPathExpr"):
        mount = {"name": VOLUME, "mountPath": "/a", member: path}
        place = f"spec.containers[0].volumeMounts[0].{member}"
        words = {place: f"'the {member} of volume \"' + m.name + '\" in container \"' + c.name + '\"'"}
        message = message_about(words, container={"volumeMounts": [mount]})
        is_long = f"m.?{member}.orValue('').size() > {MAX_PATH_LENGTH}"
        mounts = f"c.?volumeMounts.orValue([]).filter(m, {is_long}).map(m, {message})"
        found.append(f"variables.containers.map(c, {mounts}).flatten()")
    words = {"spec.volumes[0].hostPath.path": "'the hostPath of volume \"' + v.name + '\"'"}
    message = message_about(words, spec={"volumes": [{"name": VOLUME, "hostPath": {"path": path}}]})
    is_long = f"v.?hostPath.?path.orValue('').size() > {MAX_PATH_LENGTH}"
    found.append(f"variables.volumes.filter(v, {is_long}).map(v, {message})")
    too_many = [{"name": "example"}] * (MAX_CONTAINERS + 1)
    for member in ("containers", "initContainers"):
        message = message_about({}, spec={member: too_many})
        found.append(when(f"size(object.spec.?{member}.orValue([])) > {MAX_CONTAINERS}", message))
    return " + ".join(found)


def _annotation_rules(policy: Policy, mode: Mode) -> Iterator[DenialRule]:
    known = [option.key for option in OPTIONS]
    unknown = read_message(
        policy, pattern_pod(mode, {_KEY: "x"}), Reason.UNKNOWN_ANNOTATION, {_KEY: abbreviated("key")}
    )
    keys = f"variables.optionKeys.filter(key, !(key in {cel_literal(known)}))"
    yield DenialRule("unknownAnnotation", f"{keys}.map(key, {unknown})")
    forbidden = [option.key for option in OPTIONS if option.name not in policy.allowed_options]
    if forbidden:
        message = read_message(
            policy,
            pattern_pod(mode, {forbidden[0]: "x"}),
            Reason.OPTION_NOT_ALLOWED,
            {forbidden[0]: "key"},
        )
        keys = f"variables.optionKeys.filter(key, key in {cel_literal(forbidden)})"
        yield DenialRule("optionNotAllowed", f"{keys}.map(key, {message})")
    quantities = list(list_quantities(policy))
    if exceeded := list(_exceeded_bounds(policy, mode, quantities)):
        yield DenialRule("exceededBound", " + ".join(exceeded))
    if contradictions := list(_requests_above_limits(policy, mode, quantities)):
        yield DenialRule("requestAboveLimit", " + ".join(contradictions))


def _exceeded_bounds(policy: Policy, mode: Mode, quantities: list[Quantity]) -> Iterator[str]:
    for quantity in quantities:
        if quantity.is_allowed and (bound := policy.max.get(quantity.option.name)):
            pod = pattern_pod(mode, {quantity.option.key: quantity.high_marker})
            words = {quantity.high_marker: quantity.variable}
            # A bound above the marker is above every text that CEL reads.
            if message := find_message(policy, pod, {Reason.OPTION_NOT_ALLOWED}, words):
                yield when(f"quantity({quantity.variable}).isGreaterThan(quantity({cel_literal(bound)}))", message)


def _requests_above_limits(policy: Policy, mode: Mode, quantities: list[Quantity]) -> Iterator[str]:
    known = {quantity.option.name: quantity for quantity in quantities}
    policy = replace(policy, allowed_options=policy.allowed_options.union(known), max={})
    for request in quantities:
        limit = known.get(request.option.name.replace("-request", "-limit"))
        if limit and limit is not request and (request.is_allowed or limit.is_allowed):
            pod = pattern_pod(mode, {request.option.key: request.high_marker, limit.option.key: limit.low_marker})
            words = {request.high_marker: request.variable, limit.low_marker: limit.variable}
            message = read_message(policy, pod, Reason.INVALID_OPTION, words)
            is_more = f"quantity({request.variable}).isGreaterThan(quantity({limit.variable}))"
            unreadable = any_of([each.is_unreadable for each in (request, limit) if each.is_allowed])
            yield when(f"!{unreadable} && {is_more}", message)


def _own_daemon(policy: Policy, additions: Additions) -> str:
    program = min(DAEMON_PROGRAMS)
    found = []
    for member, words in (("command", "c.?command.orValue([])"), ("args", "c.?args.orValue([])")):
        pod = pattern_pod(additions.mode, container={member: [program]})
        message = read_message(policy, pod, Reason.OWN_DAEMON, {MAIN: "c.name"})
        first = f"{words}[0]"
        is_daemon = f"{first}.substring({first}.lastIndexOf('/') + 1) in {cel_literal(sorted(DAEMON_PROGRAMS))}"
        empty = "" if member == "command" else "size(c.?command.orValue([])) == 0 && "
        condition = f"{empty}size({words}) > 0 && {is_daemon}"
        found.append(f"variables.foreignContainers.filter(c, {condition}).map(c, {message})")
    return " + ".join(found)


def docker_socket_condition(*, is_exact: bool) -> str:
    """Return whether the hostPath volume `v` is the node's Docker socket, or leads to it."""
    socket = PurePosixPath(DEFAULT_SOCKET)
    paths = {closed(str(each)) for each in (socket, *socket.parents) if _is_docker_socket(str(each), is_exact=is_exact)}
    conditions = [f"path in {cel_literal(sorted(paths))}"]
    if not is_exact:
        conditions += [f"path.startsWith({cel_literal(closed(each))})" for each in PROC_PATHS]
    return f"[{closed_path('v.hostPath.path')}].exists(path, {any_of(conditions)})"


def _is_docker_socket(path: str, *, is_exact: bool) -> bool:
    socket = find_node_socket(path)
    return socket is not None and (socket.runtime, socket.is_exact) == ("Docker", is_exact)


def _node_docker_socket(policy: Policy, additions: Additions) -> str:
    found = []
    for path, is_exact in ((DEFAULT_SOCKET, True), ("/run", False)):
        pod = pattern_pod(additions.mode, spec={"volumes": [{"name": VOLUME, "hostPath": {"path": path}}]})
        words = {VOLUME: "v.name", path: abbreviated("v.hostPath.path")}
        message = read_message(policy, pod, Reason.NODE_DOCKER_SOCKET, words)
        condition = (
            f"has(v.hostPath) && {docker_socket_condition(is_exact=is_exact)} && !{_is_injected_volume(additions)}"
        )
        found.append(f"variables.volumes.filter(v, {condition}).map(v, {message})")
    return " + ".join(found)


def _is_injected_volume(additions: Additions) -> str:
    """Return whether the volume `v` is one of the additions, injected before or by the pod's author."""
    conditions = [f"variables.injected && v.name in {cel_literal(_volume_names(additions))}"]
    conditions += [
        f"v.name == {cel_literal(volume['name'])} "
        f"&& v.?hostPath.?path.orValue('') == {cel_literal(host_path['path'])} "
        f"&& v.?hostPath.?type.orValue('') == {cel_literal(host_path.get('type', ''))}"
        for volume in additions.volumes
        if (host_path := volume.get("hostPath"))
    ]
    return any_of([f"({condition})" for condition in conditions])


def _name_taken(policy: Policy, additions: Additions) -> str:
    mode, name = additions.mode, additions.container_name
    found = []
    if additions.container is not None:
        pod = pattern_pod(mode, spec={"initContainers": [{"name": name, "image": "example"}]})
        message = read_message(policy, pod, Reason.NAME_TAKEN)
        found.append(when("!variables.injected && variables.ownContainers.size() > 0", message))
    for volume in additions.volumes:
        pod = pattern_pod(mode, spec={"volumes": [{"name": volume["name"], "secret": {}}]})
        message = read_message(policy, pod, Reason.NAME_TAKEN)
        taken = f"v.name == {cel_literal(volume['name'])} && !{_is_injected_volume(additions)}"
        found.append(when(f"!variables.injected && variables.volumes.exists(v, {taken})", message))
    if additions.homeless:
        config = additions.homeless.volume["name"]
        pod = pattern_pod(mode, container=HOMELESS, spec={"volumes": [{"name": config, "secret": {}}]})
        message = read_message(policy, pod, Reason.NAME_TAKEN)
        taken = f"variables.volumes.exists(v, v.name == {cel_literal(config)})"
        found.append(when(f"!variables.injected && {HAS_HOMELESS} && {taken}", message))
    return " + ".join(found)


def _foreign_label(policy: Policy, additions: Additions) -> str:
    key = cel_literal(INJECTED)
    pod = pattern_pod(additions.mode)
    pod["metadata"]["labels"] = {INJECTED: VALUE}
    label = f"object.metadata.?labels[?{key}]"
    message = read_message(policy, pod, Reason.NAME_TAKEN, {VALUE: abbreviated(f"{label}.value()")})
    mode = cel_literal(str(additions.mode))
    return when(f"{label}.orValue({mode}) != {mode}", message)


def _foreign_mounts(policy: Policy, additions: Additions) -> str:
    names = _volume_names(additions)
    mount = {"name": names[0], "mountPath": _PATH}
    pod = injected_pattern(policy, pattern_pod(additions.mode))
    pod["spec"]["containers"][0]["volumeMounts"].append(mount)
    # The name of the volume in quotes: without them, it may be a word of the sentence.
    volume = f'"{names[0]}"'
    words = {MAIN: "c.name", _PATH: abbreviated("m.mountPath"), volume: "'\"' + m.name + '\"'"}
    of_mount = read_message(policy, pod, Reason.NAME_TAKEN, words)
    pod = injected_pattern(policy, pattern_pod(additions.mode))
    pod["spec"]["containers"][0]["volumeDevices"] = [{"name": names[0], "devicePath": "/dev/example"}]
    words = {MAIN: "c.name", volume: "'\"' + d.name + '\"'"}
    # In a user namespace, a pod with a device is denied before.
    of_device = find_message(policy, pod, {Reason.NAME_TAKEN}, words)
    is_added, is_added_device = (f"{name} in {cel_literal(names)}" for name in ("m.name", "d.name"))
    is_ours = _is_injected_mount(additions)
    if homeless := additions.homeless:
        config = cel_literal(homeless.volume["name"])
        is_added, is_added_device = (
            f"({is_plain} || ({HAS_HOMELESS} && {name} == {config}))"
            for is_plain, name in ((is_added, "m.name"), (is_added_device, "d.name"))
        )
        is_ours = f"({is_ours} || (c.name in variables.homeless && {_is_same_mount(homeless.mount, 'c.name')}))"
    is_foreign = f"{is_added} && !{is_ours}"
    found = f"c.?volumeMounts.orValue([]).filter(m, {is_foreign}).map(m, {of_mount})"
    if of_device:
        found = f"c.?volumeDevices.orValue([]).filter(d, {is_added_device}).map(d, {of_device}) + {found}"
    return f"variables.containers.map(c, {found}).flatten()"


def _is_injected_mount(additions: Additions) -> str:
    """Return whether the mount `m` of the container `c` is one that injection adds."""
    added = _volume_names(additions)
    own = [mount for mount in additions.container_mounts if mount["name"] in added]
    clients, daemon = (any_of(list(map(_is_same_mount, mounts))) for mounts in (additions.client_mounts, own))
    return f"(c.name == {cel_literal(additions.container_name)} ? {daemon} : {clients})"


def _is_same_mount(desired: JsonObject, sub_path: str | None = None) -> str:
    """Return whether the mount `m` is a desired one. `sub_path` is an expression in place of its own subPath."""
    sub_path = sub_path or cel_literal(desired.get("subPath", ""))
    is_volume = f"m.name == {cel_literal(desired['name'])}"
    if desired.get("subPath") == SOCKET_LINK_NAME:
        return (
            f"({is_volume} && m.?subPath.orValue('') == {cel_literal(SOCKET_LINK_NAME)} "
            "&& m.?subPathExpr.orValue('') == '')"
        )
    return (
        f"({is_volume} && {closed_path('m.mountPath')} == {cel_literal(closed(desired['mountPath']))} "
        f"&& m.?subPath.orValue('') == {sub_path} && m.?subPathExpr.orValue('') == '' "
        f"&& m.?readOnly.orValue(false) == {cel_literal(desired.get('readOnly', False))} "
        "&& m.?mountPropagation.orValue('None') == 'None' && m.?recursiveReadOnly.orValue('Disabled') == 'Disabled')"
    )


def _mount_path_taken(policy: Policy, additions: Additions) -> str:
    # With the policies, no pod chooses its client: the message must not propose it.
    policy = replace(policy, allowed_options=policy.allowed_options - {"client"})
    conditions, messages = [], []
    for desired in additions.client_mounts:
        # The core writes the pod's path as it is and its own path without a closing slash.
        path = f"{desired['mountPath']}/"
        mount = {"name": VOLUME, "mountPath": path}
        pod = pattern_pod(
            additions.mode,
            container={"volumeMounts": [mount]},
            spec={"volumes": [{"name": VOLUME, "secret": {}}]},
        )
        words = {MAIN: "c.name", VOLUME: "m.name", path: abbreviated("m.mountPath")}
        message = read_message(policy, pod, Reason.MOUNT_PATH_TAKEN, words)
        conditions.append(_is_in_the_way(desired))
        messages.append(when(conditions[-1], message))
    # The path is computed once for each mount: that is most of the cost of the rule.
    path = closed_path("m.mountPath")
    mounts = f"c.?volumeMounts.orValue([]).filter(m, [{path}].exists(path, {any_of(conditions)}))"
    found = f"{mounts}.map(m, {let('path', path, ' + '.join(messages))}).flatten()"
    return f"variables.clients.map(c, {found}).flatten()"


def _is_in_the_way(desired: JsonObject) -> str:
    """Return whether the mount `m` with the closed path `path` is in the way of one that injection adds."""
    target, socket = closed(desired["mountPath"]), closed(f"{desired['mountPath']}/{SOCKET_NAME}")
    is_file = "subPath" in desired or desired.get("readOnly", False)
    below = target if is_file else socket
    name, sub_path = cel_literal(desired["name"]), cel_literal(desired.get("subPath", ""))
    same = f"m.name != {name} || m.?subPath.orValue('') != {sub_path}"
    other = (
        f"m.name != {name} && (({cel_literal(target)}.startsWith(path) && {IS_READ_ONLY_MOUNT}) "
        f"|| path.startsWith({cel_literal(below)}))"
    )
    return f"(path == {cel_literal(target)} ? ({same}) : ({other}))"


def _other_nodes(policy: Policy, additions: Additions) -> str:
    def message(words: Words) -> str:
        return read_message(policy, pod, Reason.NODE_SELECTOR, words)

    found = []
    for key, value in additions.node_selector.items():
        pod = pattern_pod(additions.mode, spec={"nodeSelector": {key: VALUE}})
        found.append(when(*_other_label(key, value, message)))
    return " + ".join(found)


def _tls_variable(policy: Policy, additions: Additions) -> str:
    is_injected_daemon = f"e.?value.orValue('') == {cel_literal(additions.client_env.plain[0]['value'])}"
    found = []
    for name in TLS_VARIABLES:
        pod = pattern_pod(additions.mode, container={"env": [{"name": name, "value": "1"}]})
        message = read_message(policy, pod, Reason.TLS_VARIABLE, {MAIN: "c.name"})
        condition = f"{sets_variable(name)} && {docker_host(is_injected_daemon)}"
        found.append(f"variables.clients.filter(c, {condition}).map(c, {message})")
    return " + ".join(found)


def docker_host(condition: str) -> str:
    """Return whether the DOCKER_HOST of the container `c` meets a condition on `e`; true if it has none."""
    return f"!{last_variable('DOCKER_HOST', f'!({condition})')}"


class _StaleProblems:
    """The ways in which a pod with the status annotation is not injected, each as a list of messages."""

    def __init__(self, policy: Policy, additions: Additions) -> None:
        self._policy = policy
        self._additions = additions
        self._injected = injected_pattern(policy, pattern_pod(additions.mode))
        self._member, self._other_member = (
            ("containers", "initContainers") if additions.as_container else ("initContainers", "containers")
        )

    def all(self) -> Iterator[str]:
        if self._additions.container is not None:
            yield from self._of_container(self._additions.container)
        for volume in self._additions.volumes:
            yield from self._of_volume(volume)
        if self._additions.homeless:
            yield self._of_homeless_volume(self._additions.homeless.volume["name"])
        for key, value in self._additions.node_selector.items():
            pod = deepcopy(self._injected)
            pod["spec"]["nodeSelector"][key] = VALUE
            yield when(*_other_label(key, value, partial(self._message, pod)))
        yield from self._of_isolation()

    def _of_container(self, container: JsonObject) -> Iterator[str]:
        name = cel_literal(self._additions.container_name)
        own = f"object.spec.?{self._member}.orValue([]).filter(c, c.name == {name})"
        pod = deepcopy(self._injected)
        pod["spec"][self._member].remove(self._container_of(pod))
        yield when("variables.ownContainers.size() == 0", self._message(pod))
        security = container["securityContext"]
        message = self._message_with("securityContext", {**security, "privileged": not security["privileged"]})
        is_other = f"c.?securityContext.?privileged.orValue(false) != {cel_literal(security['privileged'])}"
        yield f"variables.ownContainers.filter(c, {is_other}).map(c, {message})"
        yield when(f"object.spec.?{self._other_member}.orValue([]).exists(c, c.name == {name})", message)
        for variable in container.get("env", ()):
            if variable["name"] == ISOLATION_VARIABLE:
                message = self._message_with("env", [])
                is_same = last_variable(variable["name"], f"e.?value.orValue('') == {cel_literal(variable['value'])}")
                yield f"{own}.filter(c, !{is_same}).map(c, {message})"
        restart_policy = container.get("restartPolicy", "")
        message = self._message_with("restartPolicy", None if restart_policy else "Always")
        is_other = f"c.?restartPolicy.orValue('') != {cel_literal(restart_policy)}"
        yield f"{own}.filter(c, {is_other}).map(c, {message})"
        user = {"runAsUser": security["runAsUser"] + 1}
        message = self._message_with("securityContext", {**security, **user}, {"runAsUser": "key"})
        is_other = f"key in c.?securityContext.orValue({{}}) && c.securityContext[key] != {cel_literal(security)}[key]"
        keys = cel_literal(sorted(security))
        yield f"{own}.map(c, {keys}.filter(key, {is_other}).map(key, {message})).flatten()"

    def _of_volume(self, volume: JsonObject) -> Iterator[str]:
        name = cel_literal(volume["name"])
        (kind,) = volume.keys() - {"name"}
        pod = deepcopy(self._injected)
        other = "emptyDir" if kind == "secret" else "secret"
        pod["spec"]["volumes"] = [
            {"name": each["name"], other: {}} if each["name"] == volume["name"] else each
            for each in pod["spec"]["volumes"]
        ]
        is_other = f"!has(v.{kind})"
        if kind == "hostPath":
            is_other += f" || v.hostPath.path != {cel_literal(volume['hostPath']['path'])}"
        yield f"variables.volumes.filter(v, v.name == {name} && ({is_other})).map(v, {self._message(pod)})"
        if self._additions.container is None:
            pod["spec"]["volumes"] = []
            yield when(f"!variables.volumes.exists(v, v.name == {name})", self._message(pod))

    def _of_homeless_volume(self, name: str) -> str:
        pod = injected_pattern(self._policy, pattern_pod(self._additions.mode, container=HOMELESS))
        (config,) = (each for each in pod["spec"]["volumes"] if each["name"] == name)
        config["secret"] = config.pop("emptyDir")
        is_other = f"variables.volumes.exists(v, v.name == {cel_literal(name)} && !has(v.emptyDir))"
        return when(f"{HAS_HOMELESS} && {is_other}", self._message(pod))

    def _of_isolation(self) -> Iterator[str]:
        status = orjson.loads(self._injected["metadata"]["annotations"][STATUS])
        if "isolation" not in status:
            return
        pod = deepcopy(self._injected)
        other = orjson.dumps({**status, "isolation": "example"}).decode()
        pod["metadata"]["annotations"][STATUS] = other
        text = f"variables.annotations[{cel_literal(STATUS)}]"
        some, same = (cel_literal(f'"isolation":{end}') for end in ("", f'"{status["isolation"]}"'))
        yield when(f"{text}.contains({some}) && !{text}.contains({same})", self._message(pod))

    def _message_with(self, member: str, value: Any, words: Words | None = None) -> str:
        """Return the message about a pod whose injected container has another value, or none, of a member."""
        pod = deepcopy(self._injected)
        container = self._container_of(pod)
        container[member] = value
        return self._message(pod, words)

    def _message(self, pod: JsonObject, words: Words | None = None) -> str:
        return read_message(self._policy, pod, Reason.STALE_STATUS, words)

    def _container_of(self, pod: JsonObject) -> JsonObject:
        name = self._additions.container_name
        found: JsonObject = next(each for each in pod["spec"][self._member] if each["name"] == name)
        return found


def _other_label(key: str, value: str, message: Callable[[Words], str]) -> tuple[str, str]:
    """Return whether the pod's nodeSelector has another value of a label, and the message about that value."""
    own, desired = cel_literal(key), cel_literal(value)
    condition = f"object.spec.?nodeSelector[?{own}].orValue({desired}) != {desired}"
    return condition, message({VALUE: f"object.spec.nodeSelector[{own}]"})


def _volume_names(additions: Additions) -> list[str]:
    return [volume["name"] for volume in additions.volumes]
