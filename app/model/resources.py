"""Pod-level resources (KEP-2837) against the sum of what the containers ask for (KEP-753's formula)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from app.model.quantity import parse_quantity
from app.model.schema import Quantity, ResourcesShape

_RESOURCES = ("cpu", "memory")


class PodLevelShortfall(NamedTuple):
    """One resource of `spec.resources` that the containers do not fit into; amounts as text."""

    resource: str
    kind: str
    pod_amount: str
    needed: str


class Demand(NamedTuple):
    """What a container asks for, and whether it is an init container that is kept running (KEP-753)."""

    resources: ResourcesShape | None
    is_native_sidecar: bool


def pod_level_shortfalls(
    pod: ResourcesShape, init_containers: Iterable[Demand], containers: Iterable[Demand], added: Demand
) -> list[PodLevelShortfall]:
    """Return where a pod with these containers breaks its own `spec.resources`, which is `pod`.

    The API server's rules (`validatePodResources`): the containers' requests together stay within
    the pod's request, or its limit where it states no request; no container's limit is above the
    pod's. Only the limit of `added` is compared, other containers are the author's own affair.
    """
    shortfalls = []
    init_demands, container_demands = list(init_containers), list(containers)
    for resource in _RESOURCES:
        pod_limit = _limit(pod, resource)
        pod_request = _request(pod, resource)
        available = _parse_amount(pod_request)
        needed = _pod_request(init_demands, container_demands, resource)
        if available is not None and needed > available:
            shortfalls.append(PodLevelShortfall(resource, "request", pod_request, _format_quantity(needed)))
        limit = _limit(added.resources, resource)
        pod_maximum, maximum = _parse_amount(pod_limit), _parse_amount(limit)
        if pod_maximum is not None and maximum is not None and maximum > pod_maximum:
            shortfalls.append(PodLevelShortfall(resource, "limit", pod_limit, limit))
    return shortfalls


def _pod_request(init_containers: list[Demand], containers: list[Demand], resource: str) -> Decimal:
    sidecars = peak = Decimal(0)
    for container in init_containers:
        request = _container_request(container, resource)
        if container.is_native_sidecar:
            sidecars += request
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + request)
    return max(peak, sidecars + sum(_container_request(container, resource) for container in containers))


def _container_request(container: Demand, resource: str) -> Decimal:
    return _parse_amount(_request(container.resources, resource)) or Decimal(0)


def _request(resources: ResourcesShape | None, resource: str) -> str:
    # A request that is absent defaults to the limit.
    return _amount_text(resources.requests if resources else None, resource) or _limit(resources, resource)


def _limit(resources: ResourcesShape | None, resource: str) -> str:
    return _amount_text(resources.limits if resources else None, resource)


def _amount_text(amounts: Mapping[str, Quantity] | None, resource: str) -> str:
    return str(amounts[resource]) if amounts and resource in amounts else ""


def _parse_amount(text: str) -> Decimal | None:
    """Return a quantity as a number; None where there is none or the API server will say what is wrong with it."""
    try:
        return parse_quantity(text)
    except ValueError:
        return None


def _format_quantity(amount: Decimal) -> str:
    if amount == amount.to_integral_value():
        number = int(amount)
        for suffix, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
            if number and number % size == 0:
                return f"{number // size}{suffix}"
        return str(number)
    return f"{amount * 1000:f}".rstrip("0").rstrip(".") + "m"
