"""The nodes of pods in sidecar mode, and how the daemon's image is pulled."""

from typing import Any

import pytest
from pods import a_pod, injected_pod, operator_policy

from dind_webhook.injection import Mode, Outcome, Policy, Reason, inject
from dind_webhook.model import JsonObject

_TOLERATION = {"key": "docker", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}


def _policy(**settings: Any) -> Policy:
    return operator_policy(
        node_selector={"pool": "docker", "example.com/arch": "big"},
        tolerations=(_TOLERATION,),
        image_pull_secrets=("mirror",),
        image_pull_policy="Always",
        **settings,
    )


@pytest.mark.parametrize(
    ("spec", "selector", "tolerations", "secrets"),
    [
        ({}, {"pool": "docker", "example.com/arch": "big"}, [_TOLERATION], [{"name": "mirror"}]),
        (
            {"nodeSelector": None, "tolerations": None, "imagePullSecrets": None},
            {"pool": "docker", "example.com/arch": "big"},
            [_TOLERATION],
            [{"name": "mirror"}],
        ),
        (
            {
                "nodeSelector": {"disk": "ssd", "pool": "docker"},
                "tolerations": [{"key": "own", "operator": "Exists"}],
                "imagePullSecrets": [{"name": "own"}],
            },
            {"disk": "ssd", "pool": "docker", "example.com/arch": "big"},
            [{"key": "own", "operator": "Exists"}, _TOLERATION],
            [{"name": "own"}, {"name": "mirror"}],
        ),
        (
            {
                "nodeSelector": {"pool": "docker", "example.com/arch": "big"},
                "tolerations": [{"key": "docker", "value": "yes", "effect": "NoSchedule"}],
                "imagePullSecrets": [{"name": "mirror"}],
            },
            {"pool": "docker", "example.com/arch": "big"},
            [{"key": "docker", "value": "yes", "effect": "NoSchedule"}],
            [{"name": "mirror"}],
        ),
        (
            {"tolerations": [{**_TOLERATION, "effect": "NoExecute", "tolerationSeconds": 5}]},
            {"pool": "docker", "example.com/arch": "big"},
            [{**_TOLERATION, "effect": "NoExecute", "tolerationSeconds": 5}, _TOLERATION],
            [{"name": "mirror"}],
        ),
    ],
)
def test_the_operators_members_are_merged_once(
    spec: JsonObject, selector: JsonObject, tolerations: list[JsonObject], secrets: list[JsonObject]
) -> None:
    policy = _policy()
    injected = injected_pod(a_pod(**spec), policy)
    found = injected["spec"]
    assert found["nodeSelector"] == selector
    assert found["tolerations"] == tolerations
    assert found["imagePullSecrets"] == secrets
    assert inject(injected, None, policy).reason is Reason.UNCHANGED


def test_another_value_is_denied_with_both_values() -> None:
    decision = inject(a_pod(nodeSelector={"pool": "general"}), None, _policy())
    assert (decision.outcome, decision.reason) == (Outcome.DENIED, Reason.NODE_SELECTOR)
    assert decision.message == (
        'spec.nodeSelector has pool: "general", but this cluster\'s operator runs Docker on nodes with pool: "docker"; '
        "remove pool from the pod's nodeSelector"
    )


def test_a_pod_that_did_not_ask_is_left_alone() -> None:
    pod = a_pod(None, nodeSelector={"pool": "general"})
    assert inject(pod, Mode.SIDECAR, _policy()).is_left_alone


def test_an_injected_pod_never_runs_elsewhere() -> None:
    injected = injected_pod(a_pod(), _policy())
    injected["spec"]["nodeSelector"]["pool"] = "general"
    # Also if only the namespace asks: the daemon is in the pod already.
    del injected["metadata"]["annotations"]["dind.io/inject"]
    decision = inject(injected, Mode.SIDECAR, _policy())
    assert (decision.outcome, decision.reason) == (Outcome.DENIED, Reason.STALE_STATUS)
    assert 'has spec.nodeSelector pool: "general", which another webhook may have changed' in decision.message


def test_a_label_that_another_webhook_removed_is_added_again() -> None:
    policy = _policy()
    injected = injected_pod(a_pod(), policy)
    del injected["spec"]["nodeSelector"]["pool"]
    assert injected_pod(injected, policy)["spec"]["nodeSelector"]["pool"] == "docker"


def test_daemonset_mode_leaves_the_nodes_to_the_daemonset() -> None:
    injected = injected_pod(a_pod("daemonset", nodeSelector={"pool": "general"}), _policy())["spec"]
    assert injected["nodeSelector"] == {"pool": "general"}
    assert "tolerations" not in injected
    assert injected["imagePullSecrets"] == [{"name": "mirror"}]
    assert injected["initContainers"][0]["imagePullPolicy"] == "Always"


def test_without_the_wait_container_no_image_is_pulled() -> None:
    policy = _policy(allowed_options=frozenset({"wait"}))
    assert "imagePullSecrets" not in injected_pod(a_pod("daemonset", options={"wait": "false"}), policy)["spec"]
