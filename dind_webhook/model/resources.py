"""Compares pod-level resources (KEP-2837) with the sum of the containers' requests (KEP-753's formula)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from dind_webhook.model.quantity import parse_quantity
from dind_webhook.model.schema import Quantity, ResourcesShape

_RESOURCES = ("cpu", "memory")


class PodLevelShortfall(NamedTuple):
    """One resource of `spec.resources` that is too small for the containers. Amounts are quantities, as text."""

    resource: str
    kind: str
    pod_amount: str
    needed: str


class Demand(NamedTuple):
    """The resources of a container, and whether it is a native sidecar (KEP-753)."""

    resources: ResourcesShape | None
    is_native_sidecar: bool


def pod_level_shortfalls(
    pod: ResourcesShape, init_containers: Iterable[Demand], containers: Iterable[Demand], added: Demand
) -> list[PodLevelShortfall]:
    """Return the resources of `pod`, which is `spec.resources`, that are too small for these containers.

    The API server's rules (`validatePodResources`): the sum of the containers' requests stays within the pod's request,
    or within its limit if it has no request; no container's limit is above the pod's. Only the limit of `added` is
    compared: the author of the pod is responsible for the other containers.
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


def is_guaranteed(containers: Iterable[ResourcesShape | None]) -> bool:
    """Return whether a pod of these containers, init containers included, has the QoS class Guaranteed.

    All of them have limits of CPU and memory, and requests that are equal or absent (`ComputePodQOS` in
    pkg/apis/core/v1/helper/qos). Pod-level resources, which decide instead if a pod has them, are not considered.
    """
    return all(
        (limit := _parse_amount(_limit(container, resource))) is not None
        and limit > 0
        and _parse_amount(_request(container, resource)) == limit
        for container in containers
        for resource in _RESOURCES
    )


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
    """Return a quantity as a number, or None if it is empty or malformed; the API server reports malformed ones."""
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
