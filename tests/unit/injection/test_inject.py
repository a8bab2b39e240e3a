"""inject, which the webhook, the command line and the tests call."""

import copy
from typing import Any

import pytest
from pods import a_container, a_pod, injected_pod

from dind_webhook.injection import Mode, Policy, Reason, inject


@pytest.mark.parametrize("mode", Mode)
def test_a_pod_is_read_and_never_changed(mode: Mode, policy: Policy) -> None:
    pod = a_pod(
        mode,
        initContainers=[a_container("setup", env=[])],
        containers=[a_container(env=[{"name": "A"}], volumeMounts=[{"name": "w", "mountPath": "/w"}])],
        volumes=[{"name": "w", "emptyDir": {}}],
        securityContext={"supplementalGroups": [1]},
    )
    before = copy.deepcopy(pod)
    assert inject(pod, None, policy).reason is Reason.INJECTED
    assert pod == before


@pytest.mark.parametrize("raw", [None, True, 0, 1.5, "pod", [], [{}]])
def test_what_is_no_object_is_malformed(raw: Any, policy: Policy) -> None:
    decision = inject(raw, Mode.SIDECAR, policy)
    assert decision.reason is Reason.MALFORMED_POD
    assert decision.message.startswith("pod: must be an object")


@pytest.mark.parametrize("says", [None, "disabled"])
def test_a_pod_that_does_not_ask_may_be_malformed(says: str | None, policy: Policy) -> None:
    pod = a_pod(says, containers=17)
    assert inject(pod, None, policy).operations == ()
    assert inject(pod, None, policy).reason is not Reason.MALFORMED_POD


@pytest.mark.parametrize("mode", Mode)
def test_a_refusal_names_the_mode_it_was_about(mode: Mode, policy: Policy) -> None:
    assert inject(a_pod(mode, {"mtu": "x"}), None, policy).mode is mode


def test_a_wait_in_sidecar_mode_is_without_effect(policy: Policy) -> None:
    assert inject(a_pod(options={"wait": "false"}), None, policy).warnings == (
        "without effect in sidecar mode: dind.io/wait",
    )


def test_options_given_as_labels_are_without_effect(policy: Policy) -> None:
    pod = a_pod()
    pod["metadata"]["labels"] = {"dind.io/mtu": "1450", "dind.io/inject": "sidecar", "app": "x"}
    (warning,) = inject(pod, None, policy).warnings
    assert warning == "options are annotations, these labels have no effect: dind.io/mtu"
    assert "--mtu=1450" not in injected_pod(pod, policy)["spec"]["initContainers"][0]["args"]


@pytest.mark.parametrize("value", ["daemonset", ""])
def test_a_pod_cannot_hide_behind_a_label_of_its_own(policy: Policy, value: str) -> None:
    pod = a_pod()
    pod["metadata"]["labels"] = {"dind.io/injected": value}
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.NAME_TAKEN
    assert decision.message == (
        f'the pod has the label dind.io/injected: "{value}", which injection sets to sidecar; remove it'
    )


def test_the_label_of_an_earlier_injection_is_no_cause_for_a_warning(policy: Policy) -> None:
    pod = injected_pod(a_pod(), policy)
    pod["spec"]["containers"].append(a_container("late"))
    assert inject(pod, None, policy).warnings == ()


def test_a_deeply_nested_member_that_is_copied_is_malformed(policy: Policy) -> None:
    nested: Any = "x"
    for _ in range(500):
        nested = [nested]
    mount = {"name": "w", "mountPath": "/w", "subPath": nested}
    pod = a_pod(containers=[a_container(volumeMounts=[mount])], volumes=[{"name": "w", "emptyDir": {}}])
    assert inject(pod, None, policy).reason is Reason.MALFORMED_POD


def test_deeply_nested_resources_are_no_bug_of_ours(policy: Policy) -> None:
    nested: Any = "1"
    for _ in range(990):
        nested = [nested]
    decision = inject(a_pod(resources={"limits": {"cpu": nested}}), None, policy)
    assert decision.reason is Reason.MALFORMED_POD
