"""A request reaches every reason, with its slug, its code and a message to act on."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
import pytest
from pods import a_container, a_pod, injected_pod, operator_policy, permissive_policy

from dind_webhook.admission import NamespaceRequest, decide_review, decode_review
from dind_webhook.diagnostics import AdmissionInputs, decide_live
from dind_webhook.injection import Decision, Mode, Outcome, Reason, decide_for_namespace, inject

_OPEN = permissive_policy(allowed_images=("registry.example/ci/*",))


class _Case(NamedTuple):
    """A function that reaches a reason, the slug and code of the reason, and parts of its message."""

    decide: Callable[[], Decision]
    slug: str
    code: int
    message_parts: tuple[str, ...] = ()


def _decide_request(**members: Any) -> Decision:
    request = {"uid": "1", "operation": "CREATE", "resource": {"group": "", "resource": "pods"}, **members}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return decide_review(decode_review(orjson.dumps(body)), NamespaceRequest(None), operator_policy())


def _inject(mode: str | None = "sidecar", options: dict[str, str] | None = None, **spec: Any) -> Decision:
    return inject(a_pod(mode, options, **spec), None, _OPEN)


def _inject_mirror_pod() -> Decision:
    pod = a_pod()
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "0123"
    return inject(pod, None, _OPEN)


def _mount_path(path: str) -> Decision:
    container = a_container(volumeMounts=[{"name": "own", "mountPath": path}])
    return _inject(containers=[container], volumes=[{"name": "own", "emptyDir": {}}])


def _decide_without_webhook() -> Decision:
    """Return the decision in a cluster whose webhook configuration has no webhook."""
    namespace = {"metadata": {"name": "ci", "labels": {"dind.io/inject": "enabled"}}}
    return decide_live(a_pod(), AdmissionInputs(namespace, {"metadata": {"name": "w"}, "webhooks": []}, _OPEN))


_CASES: dict[Reason, _Case] = {
    Reason.NOT_A_POD_CREATE: _Case(lambda: _decide_request(operation="UPDATE"), "not-a-pod-create", 0),
    Reason.SUBRESOURCE: _Case(lambda: _decide_request(subResource="eviction"), "subresource", 0),
    Reason.NAMESPACE_NOT_OPTED_IN: _Case(lambda: decide_for_namespace(a_pod(), "", _OPEN), "namespace-not-opted-in", 0),
    Reason.NOT_SELECTED: _Case(_decide_without_webhook, "not-selected", 0),
    Reason.MIRROR_POD: _Case(_inject_mirror_pod, "mirror-pod", 0),
    Reason.OPTED_OUT: _Case(lambda: _inject("disabled"), "opted-out", 0),
    Reason.NOT_REQUESTED: _Case(lambda: _inject(None), "not-requested", 0),
    Reason.UNCHANGED: _Case(lambda: inject(injected_pod(a_pod(), _OPEN), None, _OPEN), "unchanged", 0),
    Reason.INJECTED: _Case(_inject, "injected", 0),
    Reason.MALFORMED_POD: _Case(
        lambda: _inject(containers=17), "malformed-pod", 400, ("spec.containers", "a number", "must be a list")
    ),
    Reason.UNKNOWN_VALUE: _Case(
        lambda: _inject("sidcar"),
        "unknown-value",
        400,
        ("annotation dind.io/inject", '"sidcar"', "sidecar, daemonset, disabled"),
    ),
    Reason.UNKNOWN_ANNOTATION: _Case(
        lambda: _inject(options={"cpu-limt": "2"}),
        "unknown-annotation",
        400,
        ("annotation dind.io/cpu-limt", "does not exist", "dind.io/cpu-limit"),
    ),
    Reason.INVALID_OPTION: _Case(
        lambda: _inject(options={"mtu": "9"}),
        "invalid-option",
        400,
        ("annotation dind.io/mtu", '"9"', "a whole number from 68 to 65535"),
    ),
    Reason.UNKNOWN_CONTAINER: _Case(
        lambda: _inject(options={"containers": "biuld"}),
        "unknown-container",
        400,
        ("annotation dind.io/containers", '"biuld"', "it has build"),
    ),
    Reason.WINDOWS_POD: _Case(
        lambda: _inject(os={"name": "windows"}), "windows-pod", 422, ("Windows", "dind.io/inject: disabled")
    ),
    Reason.MODE_OFF: _Case(
        lambda: inject(a_pod("daemonset"), None, operator_policy(modes=frozenset({Mode.SIDECAR}))),
        "mode-off",
        403,
        ("annotation dind.io/inject", "mode daemonset is switched off", "modes that are on: sidecar"),
    ),
    Reason.OPTION_NOT_ALLOWED: _Case(
        lambda: inject(a_pod(options={"env": "{}"}), None, operator_policy(allowed_options=frozenset({"mtu"}))),
        "option-not-allowed",
        403,
        ("annotation dind.io/env", "may not be set", "options that its operator allows: mtu"),
    ),
    Reason.IMAGE_NOT_ALLOWED: _Case(
        lambda: _inject(options={"image": "attacker/docker:1"}),
        "image-not-allowed",
        403,
        ("annotation dind.io/image", '"attacker/docker:1"', "docker:29.8.2-dind", "registry.example/ci/*"),
    ),
    Reason.NODE_DOCKER_SOCKET: _Case(
        lambda: _inject(volumes=[{"name": "sock", "hostPath": {"path": "/var/run/docker.sock"}}]),
        "node-docker-socket",
        403,
        ('volume "sock"', "/var/run/docker.sock", "remove the volume"),
    ),
    Reason.HOST_NETWORK: _Case(
        lambda: _inject(hostNetwork=True), "host-network", 403, ("spec.hostNetwork", "remove it", "daemonset")
    ),
    Reason.HOST_PID: _Case(lambda: _inject(hostPID=True), "host-pid", 403, ("spec.hostPID", "remove it", "daemonset")),
    Reason.HOST_IPC: _Case(lambda: _inject(hostIPC=True), "host-ipc", 403, ("spec.hostIPC", "remove it", "daemonset")),
    Reason.HOST_USERS: _Case(
        lambda: inject(a_pod(hostUsers=False), None, operator_policy(allowed_isolations=frozenset())),
        "host-users",
        403,
        ("spec.hostUsers: false", "isolation userns", "isolations that are: none"),
    ),
    Reason.ISOLATION: _Case(
        lambda: _inject(options={"isolation": "userns"}, hostUsers=True),
        "isolation",
        422,
        ("isolation userns", "spec.hostUsers is true"),
    ),
    Reason.NODE_SELECTOR: _Case(
        lambda: inject(a_pod(nodeSelector={"pool": "a"}), None, operator_policy(node_selector={"pool": "b"})),
        "node-selector",
        422,
        ('spec.nodeSelector has pool: "a"', 'with pool: "b"', "remove pool"),
    ),
    Reason.OWN_DAEMON: _Case(
        lambda: _inject(containers=[a_container("build"), a_container("docker", image="docker:29-dind")]),
        "own-daemon",
        422,
        ('container "docker"', "image docker:29-dind", "remove the container", "dind.io/inject: disabled"),
    ),
    Reason.STALE_STATUS: _Case(
        lambda: _inject(options={"status": "{}"}),
        "stale-status",
        422,
        ("annotation dind.io/status", 'container "dind"', "remove the annotation"),
    ),
    Reason.NAME_TAKEN: _Case(
        lambda: _inject(containers=[a_container("dind")]),
        "name-taken",
        422,
        ('container "dind"', "remove it", "set another container name"),
    ),
    Reason.MOUNT_PATH_TAKEN: _Case(
        lambda: _mount_path("/var/run/dind"),
        "mount-path-taken",
        422,
        ('container "build"', 'volume "own"', "/var/run/dind", "remove the mount, or put it elsewhere"),
    ),
    Reason.TLS_VARIABLE: _Case(
        lambda: _inject(containers=[a_container(env=[{"name": "DOCKER_TLS_VERIFY", "value": "1"}])]),
        "tls-variable",
        422,
        ('container "build"', "DOCKER_TLS_VERIFY", "remove the variable"),
    ),
    Reason.POD_RESOURCES: _Case(
        lambda: _inject(resources={"requests": {"cpu": "100m"}}),
        "pod-resources",
        422,
        ("spec.resources", 'container "dind"', "cpu request is 100m", "250m"),
    ),
}


def test_every_reason_has_its_case() -> None:
    assert set(_CASES) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_reached_with_its_slug_code_and_message(reason: Reason) -> None:
    case = _CASES[reason]
    decision = case.decide()
    assert (decision.reason, decision.message if decision.reason is not reason else "") == (reason, "")
    assert (reason.slug, reason.code) == (case.slug, case.code)
    assert decision.outcome is reason.outcome
    for part in case.message_parts:
        assert part in decision.message


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.outcome is not Outcome.DENIED])
def test_only_a_refusal_has_a_message(reason: Reason) -> None:
    assert _CASES[reason].decide().message == ""


@pytest.mark.parametrize("reason", Reason)
def test_only_an_injection_has_operations(reason: Reason) -> None:
    assert bool(_CASES[reason].decide().operations) is (reason is Reason.INJECTED)


def test_slugs_are_words_and_no_two_are_the_same() -> None:
    slugs = [reason.slug for reason in Reason]
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) for slug in slugs)
    assert len(set(slugs)) == len(slugs)


def test_a_refusal_has_a_code_and_nothing_else_has() -> None:
    for reason in Reason:
        assert (reason.code in (400, 403, 422)) is (reason.outcome is Outcome.DENIED)
        assert reason.code == 0 or reason.outcome is Outcome.DENIED


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_explained_in_a_sentence(reason: Reason) -> None:
    assert re.fullmatch(r"[A-Z`].+\.", reason.meaning)
