"""The daemon's container as injection builds it, for each combination of settings that changes it."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any

import jsonpatch

from dind_webhook.injection import (
    IN_USER_NAMESPACE,
    INJECT,
    NEED_RUNTIME_CLASS,
    OPTIONS,
    PREFIX,
    STATUS,
    Isolation,
    Mode,
    Option,
    Outcome,
    Placement,
    inject,
)
from dind_webhook.model import JsonObject
from dind_webhook.settings import InjectionSettings, make_policy
from dind_webhook.strict_policy.cel import cel_literal

# Members that depend on options or on the pod; the chart's templates check each in its own way.
SEPARATE_MEMBERS = ("name", "image", "args", "env", "ports", "resources", "volumeMounts")
# Defaults that the API server adds to every container.
_DEFAULTED_MEMBERS = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
# Also added by the API server. LimitRange and AlwaysPullImages may change them; they do not matter for security.
UNCHECKED_MEMBERS = ("imagePullPolicy", "resizePolicy")
_DEFAULTED_PROBE_MEMBERS = {"successThreshold": 1}

# Settings that change the container; add new ones here.
SETTINGS = ("docker_sock", "start_script", "startup_probe")
# The directories of the socket for tools that ignore DOCKER_HOST
DEFAULT_DIRS = ("/run", "/var/run")
_OTHER_DIR = "/socket-dir"
_SOCKET_DIR = "variables.socketDir"
_RUNTIME_CLASSES = dict.fromkeys(NEED_RUNTIME_CLASS, "any")
# The isolations, and userns with a RuntimeClass, whose daemon is another one
ISOLATIONS = tuple(str(isolation) for isolation in Isolation if isolation is not Isolation.AUTO)
WITH_CLASS = "userns-with-class"


def injected_pod(mode: Mode, options: Mapping[str, str] | None = None, **settings: Any) -> JsonObject:
    """Return a pod of one container after injection; other options are unset if they can be."""
    unset_options: dict[str, Any] = {
        "allowed_options": frozenset(option.name for option in OPTIONS),
        "allowed_images": ("*", "*/*", "*/*/*"),
        "allow_public_tcp": True,
        "allowed_isolations": frozenset(Isolation),
        "runtime_classes": _RUNTIME_CLASSES,
        "defaults": {option.name: "" for option in OPTIONS if not option.required},
    }
    policy = make_policy(InjectionSettings(**{**unset_options, **settings}))
    annotations = {INJECT: str(mode), **{PREFIX + name: text for name, text in (options or {}).items()}}
    pod = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "main", "image": "main"}]}}
    decision = inject(pod, None, policy)
    if decision.outcome is not Outcome.INJECTED:
        raise ValueError(decision.message)
    injected: JsonObject = jsonpatch.apply_patch(pod, list(decision.operations))
    return injected


def daemon_container(options: Mapping[str, str] | None = None, **settings: Any) -> JsonObject:
    """Return the daemon's container of a pod in sidecar mode."""
    spec = injected_pod(Mode.SIDECAR, options, **settings)["spec"]
    containers = (*spec.get("initContainers", ()), *spec["containers"])
    name = InjectionSettings().container_name
    container: JsonObject = next(container for container in containers if container["name"] == name)
    return container


def status_annotation(mode: Mode) -> str:
    """Return the status annotation of an injected pod; in sidecar mode with isolation none."""
    text: str = injected_pod(mode)["metadata"]["annotations"][STATUS]
    return text


def _isolated(name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the options and settings that lead to an isolation."""
    if name == WITH_CLASS:
        return {"isolation": str(Isolation.USERNS)}, {"runtime_classes": {**_RUNTIME_CLASSES, Isolation.USERNS: "any"}}
    return {"isolation": name}, {}


def daemon_expressions() -> dict[str, JsonObject]:
    """Return CEL for the daemon's arguments and members, for each combination of `SETTINGS` and each isolation.

    `args` is a list, each member an optional. The expressions use `variables.native`, `variables.socketDir` and
    `variables.atDefaultDir`. Isolations other than none have only what differs from none.
    """
    return {
        ",".join(f"{name}={str(value).lower()}" for name, value in settings.items()): _by_isolation(settings)
        for settings in _combinations()
    }


def _by_isolation(settings: Mapping[str, Any]) -> JsonObject:
    by_isolation = {isolation: _expressions(isolation, settings) for isolation in _possible_isolations(settings)}
    none = by_isolation[Isolation.NONE]
    return {
        isolation: {
            name: text for name, text in expressions.items() if isolation == Isolation.NONE or text != none[name]
        }
        for isolation, expressions in by_isolation.items()
    }


def _expressions(isolation: str, settings: Mapping[str, Any]) -> dict[str, str]:
    members = {member: _member(member, isolation, settings) for member in compared_members()}
    return {"args": _by_variant(_arguments, isolation, settings), **members}


def _possible_isolations(settings: Mapping[str, Any]) -> list[str]:
    """Return the isolations that pods can have with some settings: user namespaces need the start script."""
    if settings["start_script"]:
        return [*ISOLATIONS, WITH_CLASS]
    return [name for name in ISOLATIONS if name not in IN_USER_NAMESPACE]


def _arguments(container: JsonObject, variables: dict[str, str]) -> str:
    return cel_literal(container["args"], variables)


@cache
def compared_members() -> list[str]:
    """Return the members that the daemon's container has in at least one combination."""
    members: set[str] = set()
    for settings in _combinations():
        for isolation, variant in product(_possible_isolations(settings), _variants()):
            options, isolation_settings = _isolated(isolation)
            members.update(_members(daemon_container({**options, **variant}, **isolation_settings, **settings)))
    return sorted(members)


def _combinations() -> Iterator[dict[str, bool]]:
    for values in product((False, True), repeat=len(SETTINGS)):
        yield dict(zip(SETTINGS, values, strict=True))


def _variants() -> Iterator[dict[str, str]]:
    for placement, directory in product(Placement, (_OTHER_DIR, DEFAULT_DIRS[1])):
        yield {"placement": str(placement), "socket-dir": directory}


def daemon_with_example(option: Option) -> JsonObject:
    """Return the daemon's container of a pod that sets an option to its example."""
    return daemon_container({option.name: option.example})


def _members(container: JsonObject) -> JsonObject:
    members = {name: value for name, value in container.items() if name not in SEPARATE_MEMBERS}
    if "startupProbe" in members:
        members["startupProbe"] = {**members["startupProbe"], **_DEFAULTED_PROBE_MEMBERS}
    return {**members, **_DEFAULTED_MEMBERS}


def _member(member: str, isolation: str, settings: Mapping[str, Any]) -> str:
    def literal(container: JsonObject, variables: dict[str, str]) -> str:
        members = _members(container)
        if member not in members:
            return "optional.none()"
        return f"optional.of(dyn({cel_literal(members[member], variables)}))"

    return _by_variant(literal, isolation, settings)


def _by_variant(
    literal: Callable[[JsonObject, dict[str, str]], str], isolation: str, settings: Mapping[str, Any]
) -> str:
    """Return CEL that chooses by the pod's placement and socket directory."""
    options, isolation_settings = _isolated(isolation)
    native_other_dir, native_default_dir, other_dir, default_dir = (
        literal(
            daemon_container({**options, **variant}, **isolation_settings, **settings),
            {variant["socket-dir"]: _SOCKET_DIR},
        )
        for variant in _variants()
    )
    return _conditional(
        "variables.native",
        _conditional("variables.atDefaultDir", native_default_dir, native_other_dir),
        _conditional("variables.atDefaultDir", default_dir, other_dir),
    )


def _conditional(condition: str, yes: str, no: str) -> str:
    return yes if yes == no else f"({condition} ? {yes} : {no})"
