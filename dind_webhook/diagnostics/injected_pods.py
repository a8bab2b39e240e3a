"""Injected pods of a cluster, with the requests and the use of their daemons."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import orjson

from dind_webhook.diagnostics.snapshot import annotations_of, controller_of, describe_controller, name_of, namespace_of
from dind_webhook.injection import STATUS, Isolation, Mode
from dind_webhook.model import JsonObject, parse_quantity

_MAX_VERSION_LENGTH = 64


class Usage(NamedTuple):
    """What a container uses, or None if it is not known: millicores and bytes."""

    cpu_millicores: int | None = None
    memory_bytes: int | None = None


class InjectedPod(NamedTuple):
    """An injected pod. The daemon's members are empty in daemonset mode, in which the pod has none.

    `owner` is the kind and name of the controller, such as `Job/build`. `requests` and `limits` are quantities by
    resource, as in the pod. `created_at` is None if the API server does not say.
    """

    namespace: str
    name: str
    owner: str
    mode: str
    isolation: str
    version: str
    node: str
    phase: str
    created_at: datetime | None
    container: str = ""
    image: str = ""
    requests: Mapping[str, str] = {}
    limits: Mapping[str, str] = {}
    usage: Usage = Usage()


def read_injected_pod(pod: JsonObject) -> InjectedPod | None:
    """Return an injected pod without its usage, or None for a pod whose status no webhook has written.

    Label and status are of whoever wrote the pod, if its namespace has not opted in.
    """
    status = _parse_status(annotations_of(pod).get(STATUS))
    if status is None:
        return None
    spec, daemon = pod["spec"], _find_daemon(pod)
    resources = daemon.get("resources") or {}
    created_at = pod["metadata"].get("creationTimestamp")
    return InjectedPod(
        namespace_of(pod),
        name_of(pod),
        describe_controller(controller_of(pod)),
        status["mode"],
        status.get("isolation", ""),
        status.get("version", ""),
        spec.get("nodeName") or "",
        (pod.get("status") or {}).get("phase") or "",
        datetime.fromisoformat(created_at) if created_at else None,
        daemon.get("name") or "",
        daemon.get("image") or "",
        resources.get("requests") or {},
        resources.get("limits") or {},
    )


def _parse_status(text: object) -> JsonObject | None:
    try:
        status = orjson.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if not isinstance(status, dict):
        return None
    version = status.get("version", "")
    is_ours = (
        status.get("mode") in list(Mode)
        and status.get("isolation", Isolation.NONE) in list(Isolation)
        and isinstance(version, str)
        and len(version) <= _MAX_VERSION_LENGTH
    )
    return status if is_ours else None


def _find_daemon(pod: JsonObject) -> JsonObject:
    """Return the daemon's container, or an empty object. The operator may have given it any name."""
    containers = [*(pod["spec"].get("initContainers") or []), *(pod["spec"].get("containers") or [])]
    daemons = (container for container in containers if (container.get("args") or [""])[0] == "dockerd")
    return next(daemons, {})


def read_usage(metrics: Iterable[JsonObject]) -> dict[tuple[str, str, str], Usage]:
    """Return the usage of each container in PodMetrics of metrics.k8s.io, by namespace, pod and container."""
    return {
        (namespace_of(pod), name_of(pod), container["name"]): _parse_usage(container.get("usage") or {})
        for pod in metrics
        for container in pod.get("containers") or []
    }


def _parse_usage(usage: Mapping[str, str]) -> Usage:
    return Usage(_parse_amount(usage.get("cpu"), 1000), _parse_amount(usage.get("memory"), 1))


def _parse_amount(text: str | None, factor: int) -> int | None:
    """Return a quantity as a whole number, or None if it is absent or malformed."""
    try:
        return None if text is None else int(parse_quantity(text) * factor)
    except ValueError:
        return None
