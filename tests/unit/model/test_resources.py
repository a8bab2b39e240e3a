"""Pod-level resources, compared with the sum of the containers' requests."""

from typing import Any

import pytest

from dind_webhook.model import Demand, ResourcesShape, pod_level_shortfalls


def _needs(cpu: str, *, is_native_sidecar: bool = False) -> Demand:
    return Demand(ResourcesShape({"cpu": cpu}), is_native_sidecar)


_DIND = Demand(
    ResourcesShape({"cpu": "250m", "memory": "512Mi"}, {"cpu": "2", "memory": "4Gi"}), is_native_sidecar=True
)
_NOTHING = Demand(None, is_native_sidecar=False)


@pytest.mark.parametrize("resources", [ResourcesShape(), ResourcesShape({}, {}), ResourcesShape({"storage": "1"})])
def test_a_pod_that_states_nothing_holds_everything(resources: ResourcesShape) -> None:
    assert pod_level_shortfalls(resources, [_DIND], [_needs("100")], _DIND) == []


def test_requests_that_fit_exactly_are_no_misfit() -> None:
    pod = ResourcesShape({"cpu": "750m"})
    assert pod_level_shortfalls(pod, [_DIND], [_needs("500m")], _DIND) == []


def test_requests_that_do_not_fit_are_named_with_what_would_be_needed() -> None:
    pod = ResourcesShape({"cpu": "700m", "memory": "256Mi"})
    assert pod_level_shortfalls(pod, [_DIND], [_needs("500m")], _DIND) == [
        ("cpu", "request", "700m", "750m"),
        ("memory", "request", "256Mi", "512Mi"),
    ]


def test_without_a_request_the_pods_limit_bounds_the_requests() -> None:
    pod = ResourcesShape(limits={"cpu": "2"})
    assert pod_level_shortfalls(pod, [_DIND], [_needs("1800m")], _DIND) == [("cpu", "request", "2", "2050m")]


def test_a_limit_above_the_pods_is_a_misfit() -> None:
    pod = ResourcesShape(limits={"cpu": "1", "memory": "4Gi"})
    assert pod_level_shortfalls(pod, [_DIND], [], _DIND) == [("cpu", "limit", "1", "2")]


def test_only_the_limit_of_the_added_container_counts() -> None:
    large = Demand(ResourcesShape({"cpu": "1m"}, {"cpu": "8"}), is_native_sidecar=False)
    assert pod_level_shortfalls(ResourcesShape(limits={"cpu": "2"}), [_DIND], [large], _DIND) == []


@pytest.mark.parametrize(
    ("starting", "running", "needed"),
    [
        ([], ["1", "2"], "3"),
        ([_needs("5")], ["1", "2"], "5"),
        ([_needs("1", is_native_sidecar=True), _needs("5")], ["1"], "6"),
        ([_needs("5"), _needs("1", is_native_sidecar=True)], ["1"], "5"),
        ([_needs("2", is_native_sidecar=True), _needs("2", is_native_sidecar=True)], ["1", "1"], "6"),
    ],
)
def test_init_containers_count_while_they_run(starting: list[Demand], running: list[str], needed: str) -> None:
    pod = ResourcesShape({"cpu": "1m"})
    (shortfall,) = pod_level_shortfalls(pod, starting, map(_needs, running), _NOTHING)
    assert shortfall.needed == needed


def test_a_request_that_is_absent_defaults_to_the_limit() -> None:
    pod = ResourcesShape({"memory": "1Gi"})
    limited = Demand(ResourcesShape(limits={"memory": "2Gi"}), is_native_sidecar=False)
    assert pod_level_shortfalls(pod, [], [limited], _NOTHING) == [("memory", "request", "1Gi", "2Gi")]


@pytest.mark.parametrize(
    ("amounts", "needed"),
    [
        (["0.25", "0.1"], "350m"),
        (["100u"], "0.1m"),
        (["1500m", "500m"], "2"),
        (["2048"], "2Ki"),
        (["3Mi"], "3Mi"),
        (["1k"], "1000"),
        ([2, 1], "3"),
    ],
)
def test_what_is_needed_reads_as_a_quantity(amounts: list[Any], needed: str) -> None:
    pod = ResourcesShape({"cpu": "10n"})
    (shortfall,) = pod_level_shortfalls(pod, [], map(_needs, amounts), _NOTHING)
    assert shortfall.needed == needed


def test_an_amount_that_is_no_quantity_is_left_to_the_api_server() -> None:
    pod = ResourcesShape({"cpu": "1"})
    assert pod_level_shortfalls(pod, [], [_needs("lots"), _needs("1")], _NOTHING) == []


@pytest.mark.parametrize("amount", ["lots", "10Ei", ""])
def test_an_amount_of_the_pod_that_cannot_be_read_is_left_to_the_api_server(amount: str) -> None:
    assert pod_level_shortfalls(ResourcesShape(limits={"memory": amount}), [_DIND], [], _DIND) == []
