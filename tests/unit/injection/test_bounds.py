"""The operator's upper bounds of options."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pods import a_pod, injected_pod, operator_policy

from dind_webhook.injection import OPTIONS, Outcome, Policy, Reason, inject
from dind_webhook.injection.options import StorageMedium
from dind_webhook.model import parse_quantity

_BOUNDS = {
    "cpu-request": "2",
    "cpu-limit": "4",
    "memory-request": "4Gi",
    "memory-limit": "8Gi",
    "ephemeral-storage-request": "20Gi",
    "ephemeral-storage-limit": "60Gi",
    "storage-size": "50Gi",
}
_BOUNDED = operator_policy(max=_BOUNDS, defaults={"ephemeral-storage-limit": "30Gi"})


def _deny(option: str, text: str, policy: Policy = _BOUNDED) -> str:
    decision = inject(a_pod(options={option: text}), None, policy)
    assert decision.reason is Reason.OPTION_NOT_ALLOWED, decision
    return decision.message


def test_every_option_with_a_quantity_can_have_a_bound() -> None:
    assert set(_BOUNDS) == {option.name for option in OPTIONS if "a quantity" in option.accepts}


@pytest.mark.parametrize(
    ("option", "text", "bound"),
    [
        ("cpu-request", "2001m", "2"),
        ("cpu-limit", "64", "4"),
        ("cpu-limit", "4.0000000000000000000000000000000000000001", "4"),
        ("memory-request", "4294967297", "4Gi"),
        ("memory-limit", "8.5Gi", "8Gi"),
        ("memory-limit", "9G", "8Gi"),
        ("ephemeral-storage-request", "21Gi", "20Gi"),
        ("ephemeral-storage-limit", "1Ti", "60Gi"),
        ("storage-size", "1e12", "50Gi"),
    ],
)
def test_more_than_the_bound_is_denied_with_the_option_the_value_and_the_bound(
    option: str, text: str, bound: str
) -> None:
    assert _deny(option, text) == (
        f'annotation dind.io/{option}: "{text}" is more than {bound}, the most that this cluster\'s operator allows'
    )


@pytest.mark.parametrize("option", ["cpu-limit", "memory-limit"])
def test_a_limit_cannot_be_unset_where_there_is_a_bound(option: str) -> None:
    assert _deny(option, "none") == (
        f'annotation dind.io/{option}: "none" unsets it, and this cluster\'s operator allows at most {_BOUNDS[option]}'
    )


def test_every_option_above_its_bound_is_named() -> None:
    decision = inject(a_pod(options={"cpu-limit": "8", "memory-limit": "16Gi"}), None, _BOUNDED)
    assert "dind.io/cpu-limit" in decision.message
    assert "dind.io/memory-limit" in decision.message


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("cpu-limit", "4"),
        ("cpu-limit", "4000m"),
        ("memory-limit", "8192Mi"),
        ("memory-limit", "8589934592"),
        ("storage-size", "50Gi"),
    ],
)
def test_a_value_at_its_bound_is_accepted(option: str, text: str) -> None:
    injected_pod(a_pod(options={option: text}), _BOUNDED)


def test_a_bound_of_one_option_is_none_of_another() -> None:
    policy = operator_policy(max={"memory-limit": "8Gi"})
    injected_pod(a_pod(options={"cpu-limit": "none", "storage-size": "1Ti"}), policy)


@pytest.mark.parametrize("text", ["8GB", "", "-1"])
def test_a_value_that_is_not_accepted_is_denied_for_that(text: str) -> None:
    assert inject(a_pod(options={"memory-limit": text}), None, _BOUNDED).reason is Reason.INVALID_OPTION


_AMOUNTS = st.one_of(
    st.sampled_from(["none", "4", "4000m", "4001m", "8Gi", "8.5Gi", "0.1n", "9223372036854775807"]),
    st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,20})?(m|k|M|G|Ki|Mi|Gi|e[0-9])?", fullmatch=True),
)


@given(
    options=st.fixed_dictionaries({}, optional=dict.fromkeys(_BOUNDS, _AMOUNTS)), medium=st.sampled_from(StorageMedium)
)
def test_no_pod_gets_more_than_the_bounds(options: dict[str, str], medium: StorageMedium) -> None:
    limited = {"resources": {"limits": {"ephemeral-storage": "1Ti"}}}
    policy = operator_policy(max=_BOUNDS, defaults={"ephemeral-storage-limit": "30Gi", "storage-medium": str(medium)})
    pod = a_pod(options=options, containers=[{"name": "build", "image": "alpine:3", **limited}])
    if inject(pod, None, policy).outcome is not Outcome.INJECTED:
        return
    spec = injected_pod(pod, policy)["spec"]
    (daemon,) = spec["initContainers"]
    (storage,) = (volume for volume in spec["volumes"] if volume["name"] == "dind-storage")
    amounts: dict[str, Any] = {
        "storage-size": storage["ephemeral"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"]
        if medium is StorageMedium.VOLUME
        else storage["emptyDir"]["sizeLimit"]
    }
    for kind in ("request", "limit"):
        for resource, amount in daemon["resources"][f"{kind}s"].items():
            amounts[f"{resource}-{kind}"] = amount
    assert {"cpu-limit", "memory-limit", "ephemeral-storage-limit"} <= amounts.keys()
    for name, amount in amounts.items():
        assert 0 < parse_quantity(amount) <= parse_quantity(_BOUNDS[name]), name
