"""The one function that the webhook, the command line and the tests share."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from app.injection.additions import Additions
from app.injection.annotations import OPTIONS_BY_KEY, parse_options
from app.injection.daemonset import daemonset_additions
from app.injection.decision import Decision, Denial, Mode, Reason
from app.injection.eligibility import Requested, requested_mode, what_forbids
from app.injection.messages import naming
from app.injection.names import INJECT, PREFIX
from app.injection.options import Options, Policy
from app.injection.plan import Plan, plan
from app.injection.sidecar import sidecar_additions
from app.model import MalformedPodError, Metadata, Pod, read_metadata, read_pod

_MODES: Mapping[Mode, Callable[[Pod, Options, Policy], Additions | Denial]] = {
    Mode.SIDECAR: sidecar_additions,
    Mode.DAEMONSET: daemonset_additions,
}


def inject(json: Any, namespace_mode: Mode | None, policy: Policy) -> Decision:
    """Decide what becomes of a pod: one that was read (`PodShape`) or its JSON, text (`msgspec.Raw`) or from a parser.

    `namespace_mode` is the mode that the label of the pod's namespace asks for, None where it only
    opts in. The pod is read, never changed; applying the operations is the caller's.
    """
    try:
        return _inject(json, namespace_mode, policy)
    except MalformedPodError as error:
        return Decision(Reason.MALFORMED_POD, message=str(error))


def _inject(json: Any, namespace_mode: Mode | None, policy: Policy) -> Decision:
    metadata = read_metadata(json)
    requested = requested_mode(metadata, namespace_mode)
    if not isinstance(requested, Requested):
        return _end(requested)
    pod = read_pod(json)
    if forbidden := what_forbids(requested, pod, policy):
        return _end(forbidden)
    mode = requested.mode
    planned = _plan(pod, metadata, mode, policy)
    if isinstance(planned, Denial):
        return Decision(planned.reason, mode, planned.message)
    if not planned.operations:
        return Decision(Reason.UNCHANGED, mode)
    warnings = (*planned.warnings, *_without_effect(metadata, mode))
    return Decision(Reason.INJECTED, mode, operations=tuple(planned.operations), warnings=warnings)


def _end(reached: Decision | Denial) -> Decision:
    return reached if isinstance(reached, Decision) else Decision(reached.reason, message=reached.message)


def _plan(pod: Pod, metadata: Metadata, mode: Mode, policy: Policy) -> Plan | Denial:
    options = parse_options(metadata.annotations, policy)
    if isinstance(options, Denial):
        return options
    additions = _MODES[mode](pod, options, policy)
    if isinstance(additions, Denial):
        return additions
    return plan(pod, metadata, additions, _status(mode, policy.version))


@lru_cache
def _status(mode: Mode, version: str) -> str:
    return orjson.dumps({"mode": mode, "version": version}).decode()


def _without_effect(metadata: Metadata, mode: Mode) -> list[str]:
    options = [key for key in metadata.annotations if (option := OPTIONS_BY_KEY.get(key)) and mode not in option.modes]
    labels = [key for key in metadata.labels if key.startswith(PREFIX) and key != INJECT]
    found = []
    if options:
        found.append(naming(f"without effect in {mode} mode", options))
    if labels:
        found.append(naming("options are annotations, these labels have no effect", labels))
    return found
