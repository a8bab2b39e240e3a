"""Eligible pods: the truth table of eligibility.py, row by row."""

from typing import Any

import pytest
from pods import a_container, a_pod, operator_policy

from dind_webhook.injection import INJECT, Mode, Outcome, Policy, Reason, inject
from dind_webhook.model import JsonObject

_SIDECAR, _DAEMONSET = Mode.SIDECAR, Mode.DAEMONSET
_ENABLED = None  # a namespace that only opts in has no mode


@pytest.mark.parametrize(
    ("namespace", "says", "reason", "mode"),
    [
        (_ENABLED, None, Reason.NOT_REQUESTED, None),
        (_ENABLED, "sidecar", Reason.INJECTED, _SIDECAR),
        (_ENABLED, "daemonset", Reason.INJECTED, _DAEMONSET),
        (_ENABLED, "disabled", Reason.OPTED_OUT, None),
        (_SIDECAR, None, Reason.INJECTED, _SIDECAR),
        (_DAEMONSET, None, Reason.INJECTED, _DAEMONSET),
        (_SIDECAR, "sidecar", Reason.INJECTED, _SIDECAR),
        (_SIDECAR, "daemonset", Reason.INJECTED, _DAEMONSET),
        (_DAEMONSET, "sidecar", Reason.INJECTED, _SIDECAR),
        (_DAEMONSET, "daemonset", Reason.INJECTED, _DAEMONSET),
        (_SIDECAR, "disabled", Reason.OPTED_OUT, None),
        (_DAEMONSET, "disabled", Reason.OPTED_OUT, None),
        (_ENABLED, "sidcar", Reason.UNKNOWN_VALUE, None),
        (_SIDECAR, "sidcar", Reason.UNKNOWN_VALUE, None),
        (_DAEMONSET, "sidcar", Reason.UNKNOWN_VALUE, None),
        (_ENABLED, "", Reason.UNKNOWN_VALUE, None),
        (_SIDECAR, "", Reason.UNKNOWN_VALUE, None),
        (_DAEMONSET, "", Reason.UNKNOWN_VALUE, None),
    ],
)
def test_namespace_and_pod_decide_together(
    namespace: Mode | None, says: str | None, reason: Reason, mode: Mode | None, policy: Policy
) -> None:
    for source in ("annotations", "labels"):
        pod = a_pod(None)
        pod["metadata"][source] = {} if says is None else {INJECT: says}
        decision = inject(pod, namespace, policy)
        assert (decision.reason, decision.mode) == (reason, mode)


@pytest.mark.parametrize(
    ("annotation", "label", "reason", "mode"),
    [
        ("sidecar", "daemonset", Reason.INJECTED, _SIDECAR),
        ("disabled", "sidecar", Reason.OPTED_OUT, None),
        ("sidecar", "disabled", Reason.INJECTED, _SIDECAR),
        ("sidecar", "sidcar", Reason.INJECTED, _SIDECAR),
        ("sidcar", "sidecar", Reason.UNKNOWN_VALUE, None),
    ],
)
def test_the_annotation_wins_over_the_label(
    annotation: str, label: str, reason: Reason, mode: Mode | None, policy: Policy
) -> None:
    pod = a_pod(annotation)
    pod["metadata"]["labels"] = {INJECT: label}
    decision = inject(pod, None, policy)
    assert (decision.reason, decision.mode) == (reason, mode)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("sidcar", '"sidcar" is not accepted (did you mean "sidecar"?)'),
        ("", '"" is not accepted'),
        (None, '"" is not accepted'),
    ],
)
def test_an_unknown_value_is_denied_with_the_accepted_ones(value: Any, shown: str, policy: Policy) -> None:
    pod = a_pod(None)
    pod["metadata"]["annotations"] = {INJECT: value}
    message = inject(pod, None, policy).message
    assert message == f"annotation dind.io/inject: {shown}; use one of sidecar, daemonset, disabled"


def test_an_unknown_value_of_a_label_is_called_a_label(policy: Policy) -> None:
    pod = a_pod(None)
    pod["metadata"]["labels"] = {INJECT: "yes"}
    assert inject(pod, None, policy).message.startswith('label dind.io/inject: "yes" is not accepted')


def test_a_very_long_value_is_shown_in_part(policy: Policy) -> None:
    assert len(inject(a_pod("x" * 10_000), None, policy).message) < 200


@pytest.mark.parametrize("says", ["sidecar", "daemonset", "disabled", "sidcar", None])
@pytest.mark.parametrize("namespace", [None, *Mode])
def test_a_mirror_pod_is_left_alone_whatever_it_says(says: str | None, namespace: Mode | None, policy: Policy) -> None:
    pod = a_pod(says)
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "0123"
    assert inject(pod, namespace, policy).reason is Reason.MIRROR_POD


_WINDOWS: list[JsonObject] = [{"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}]


@pytest.mark.parametrize("spec", _WINDOWS)
@pytest.mark.parametrize("namespace", [None, *Mode])
def test_a_windows_pod_that_asks_itself_is_denied(spec: JsonObject, namespace: Mode | None, policy: Policy) -> None:
    decision = inject(a_pod("sidecar", **spec), namespace, policy)
    assert (decision.reason, decision.outcome) == (Reason.WINDOWS_POD, Outcome.DENIED)


@pytest.mark.parametrize("spec", _WINDOWS)
def test_a_windows_pod_that_opts_out_is_opted_out(spec: JsonObject, policy: Policy) -> None:
    assert inject(a_pod("disabled", **spec), Mode.SIDECAR, policy).reason is Reason.OPTED_OUT


_NOT_INJECTABLE: list[tuple[JsonObject, Reason]] = [
    *((spec, Reason.WINDOWS_POD) for spec in _WINDOWS),
    ({"hostNetwork": True}, Reason.HOST_NETWORK),
    ({"hostPID": True}, Reason.HOST_PID),
    ({"hostIPC": True}, Reason.HOST_IPC),
    ({"hostUsers": False, "volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}, Reason.ISOLATION),
    ({"containers": [a_container("build"), a_container("docker", image="docker:dind")]}, Reason.OWN_DAEMON),
    ({"volumes": [{"name": "s", "hostPath": {"path": "/run/docker.sock"}}]}, Reason.NODE_DOCKER_SOCKET),
    ({"containers": [a_container("dind")]}, Reason.NAME_TAKEN),
    ({"volumes": [{"name": "dind-run", "secret": {"secretName": "x"}}]}, Reason.NAME_TAKEN),
    (
        {
            "containers": [a_container("build", volumeMounts=[{"name": "own", "mountPath": "/run/dind"}])],
            "volumes": [{"name": "own", "emptyDir": {}}],
        },
        Reason.MOUNT_PATH_TAKEN,
    ),
    ({"resources": {"limits": {"cpu": "1"}}}, Reason.POD_RESOURCES),
    ({"containers": 17}, Reason.MALFORMED_POD),
]


@pytest.mark.parametrize(("spec", "reason"), _NOT_INJECTABLE)
def test_a_pod_that_cannot_be_injected_is_left_alone_if_only_its_namespace_asks(
    spec: JsonObject, reason: Reason, policy: Policy
) -> None:
    decision = inject(a_pod(None, **spec), Mode.SIDECAR, policy)
    assert (decision.reason, decision.outcome, decision.operations) == (reason, Outcome.UNTOUCHED, ())
    why, change = decision.warnings
    assert why.startswith(f"no Docker: {decision.message[:50]}")
    assert (
        change
        == decision.remedy_in("ci")
        == ("add the annotation dind.io/inject: disabled to state that the pod needs no Docker")
    )


@pytest.mark.parametrize(("spec", "reason"), _NOT_INJECTABLE)
@pytest.mark.parametrize("annotation", ["inject: sidecar", "group: 1001"])
def test_a_pod_that_asks_itself_is_denied_in_such_a_namespace_too(
    spec: JsonObject, reason: Reason, annotation: str, policy: Policy
) -> None:
    key, _, value = annotation.partition(": ")
    pod = a_pod(None, **spec)
    pod["metadata"]["annotations"] = {f"dind.io/{key}": value}
    decision = inject(pod, Mode.SIDECAR, policy)
    assert (decision.reason, decision.outcome, decision.warnings) == (reason, Outcome.DENIED, ())


@pytest.mark.parametrize(
    "spec",
    [
        {"os": {"name": "linux"}},
        {"os": None, "nodeSelector": None},
        {"os": {}, "nodeSelector": {"kubernetes.io/os": "linux"}},
        {"os": {"name": None}, "nodeSelector": {}},
    ],
)
def test_other_pods_run_on_linux(spec: JsonObject, policy: Policy) -> None:
    assert inject(a_pod("sidecar", **spec), None, policy).reason is Reason.INJECTED


@pytest.mark.parametrize("mode", Mode)
def test_a_mode_that_is_switched_off_is_denied(mode: Mode) -> None:
    (on,) = set(Mode) - {mode}
    decision = inject(a_pod(mode), None, operator_policy(modes=frozenset({on})))
    assert decision.reason is Reason.MODE_OFF
    assert decision.message == (
        f"annotation dind.io/inject: mode {mode} is switched off in this cluster (modes that are on: {on})"
    )
    assert inject(a_pod(on), None, operator_policy(modes=frozenset({on}))).reason is Reason.INJECTED


def test_a_namespace_that_asks_for_a_mode_that_is_off_is_named() -> None:
    decision = inject(a_pod(None), Mode.SIDECAR, operator_policy(modes=frozenset()))
    assert decision.reason is Reason.MODE_OFF
    assert decision.message.startswith("label of the namespace dind.io/inject: mode sidecar is switched off")
    assert decision.message.endswith("(modes that are on: none)")


def test_opting_out_needs_no_mode_to_be_on() -> None:
    assert inject(a_pod("disabled"), Mode.SIDECAR, operator_policy(modes=frozenset())).reason is Reason.OPTED_OUT
