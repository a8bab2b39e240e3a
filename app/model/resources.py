"""Pod-level resources (KEP-2837) against the sum of what the containers ask for (KEP-753's formula)."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from app.model.quantity import parse_quantity

_RESOURCES = ("cpu", "memory")


class PodLevelMisfit(NamedTuple):
    """One resource of `spec.resources` that the containers do not fit into; amounts as text."""

    resource: str
    kind: str
    pod_amount: str
    needed: str


class Demand(NamedTuple):
    """What a container asks for, and whether it is an init container that is kept running (KEP-753)."""

    resources: Any
    is_native_sidecar: bool


def pod_level_misfits(
    pod: Any, init_containers: Iterable[Demand], containers: Iterable[Demand], added: Demand
) -> list[PodLevelMisfit]:
    """Return where a pod with these containers breaks its own `spec.resources`, which is `pod`.

    The API server's rules (`validatePodResources`): the containers' requests together stay within
    the pod's request, or its limit where it states no request; no container's limit is above the
    pod's. Only the limit of `added` is compared, other containers are the author's own affair.
    """
    if not isinstance(pod, dict):
        return []
    misfits = []
    starting, running = list(init_containers), list(containers)
    for resource in _RESOURCES:
        pod_limit = _stated(pod, "limits", resource)
        pod_request = _stated(pod, "requests", resource) or pod_limit
        room = _amount(pod_request)
        needed = _needed(starting, running, resource)
        if room is not None and needed > room:
            misfits.append(PodLevelMisfit(resource, "request", pod_request, _text(needed)))
        limit = _stated(added.resources, "limits", resource)
        ceiling, top = _amount(pod_limit), _amount(limit)
        if ceiling is not None and top is not None and top > ceiling:
            misfits.append(PodLevelMisfit(resource, "limit", pod_limit, limit))
    return misfits


def _needed(init_containers: list[Demand], containers: list[Demand], resource: str) -> Decimal:
    sidecars = peak = Decimal(0)
    for container in init_containers:
        request = _request(container, resource)
        if container.is_native_sidecar:
            sidecars += request
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + request)
    return max(peak, sidecars + sum(_request(container, resource) for container in containers))


def _request(container: Demand, resource: str) -> Decimal:
    resources = container.resources
    # A request that is absent defaults to the limit.
    stated = _stated(resources, "requests", resource) or _stated(resources, "limits", resource)
    return _amount(stated) or Decimal(0)


def _stated(resources: Any, kind: str, resource: str) -> str:
    amounts = resources.get(kind) if isinstance(resources, dict) else None
    amount = amounts.get(resource) if isinstance(amounts, dict) else None
    # YAML on the command line has numbers here, the API server always text.
    return str(amount) if isinstance(amount, str | int | float) else ""


def _amount(text: str) -> Decimal | None:
    """Return a quantity as a number; None where there is none or the API server will say what is wrong with it."""
    try:
        return parse_quantity(text)
    except ValueError:
        return None


def _text(amount: Decimal) -> str:
    if amount == amount.to_integral_value():
        number = int(amount)
        for suffix, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
            if number and number % size == 0:
                return f"{number // size}{suffix}"
        return str(number)
    return f"{amount * 1000:f}".rstrip("0").rstrip(".") + "m"
