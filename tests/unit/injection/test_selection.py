"""Injection selects the containers that get Docker."""

from typing import Any

import pytest
from pods import a_container, a_pod, injected_pod, mount_paths_of, names_of

from dind_webhook.injection import Policy, Reason, inject
from dind_webhook.model import JsonObject


def _docker_users(pod: JsonObject) -> list[str]:
    """Return the names of the containers with the socket and DOCKER_HOST, except the daemon."""
    spec = pod["spec"]
    everyone = [*(spec.get("initContainers") or []), *spec["containers"]]
    return [
        container["name"]
        for container in everyone
        if "/run/dind" in mount_paths_of(container) and "DOCKER_HOST" in names_of(container.get("env") or [])
    ]


def _pod_of_all_kinds(mode: str, **options: str) -> JsonObject:
    return a_pod(
        mode,
        options,
        initContainers=[a_container("setup"), a_container("proxy", restartPolicy="Always")],
        containers=[a_container("build"), a_container("test")],
        ephemeralContainers=[a_container("debug")],
    )


def test_all_containers_and_init_containers_have_docker_unless_named(policy: Policy) -> None:
    assert _docker_users(injected_pod(_pod_of_all_kinds("sidecar"), policy)) == ["setup", "build", "test"]


def test_in_daemonset_mode_as_well(policy: Policy) -> None:
    assert _docker_users(injected_pod(_pod_of_all_kinds("daemonset"), policy)) == [
        "dind-wait",
        "setup",
        "build",
        "test",
    ]


def test_a_native_sidecar_of_another_injector_has_docker_only_when_named(policy: Policy) -> None:
    assert _docker_users(injected_pod(_pod_of_all_kinds("sidecar", containers="proxy,build"), policy)) == [
        "proxy",
        "build",
    ]


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_ephemeral_containers_never_have_docker(mode: str, policy: Policy) -> None:
    pod = _pod_of_all_kinds(mode)
    assert injected_pod(pod, policy)["spec"]["ephemeralContainers"] == pod["spec"]["ephemeralContainers"]


def test_an_ordinary_container_cannot_give_docker_to_init_containers(policy: Policy) -> None:
    pod = _pod_of_all_kinds("sidecar", placement="container")
    decision = inject(pod, None, policy)
    assert _docker_users(injected_pod(pod, policy)) == ["build", "test"]
    assert "these init containers run before dind and cannot have Docker: setup" in decision.warnings


@pytest.mark.parametrize(
    ("containers", "says"),
    [
        ("biuld", 'the pod has no container "biuld" (did you mean "build"?); it has setup, proxy, build, test'),
        ("zzz", 'the pod has no container "zzz"; it has setup, proxy, build, test'),
        ("debug", 'the pod has no container "debug"'),
        ("dind", 'the pod has no container "dind"'),
    ],
)
def test_a_container_that_does_not_exist_is_denied(containers: str, says: str, policy: Policy) -> None:
    decision = inject(_pod_of_all_kinds("sidecar", containers=containers), None, policy)
    assert decision.reason is Reason.UNKNOWN_CONTAINER
    assert decision.message.startswith(f"annotation dind.io/containers: {says}")


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_in_both_modes(mode: str, policy: Policy) -> None:
    assert inject(_pod_of_all_kinds(mode, containers="zzz"), None, policy).reason is Reason.UNKNOWN_CONTAINER


def test_a_pod_in_which_nobody_can_have_docker_is_denied(policy: Policy) -> None:
    decision = inject(_pod_of_all_kinds("sidecar", placement="container", containers="setup,proxy"), None, policy)
    assert decision.reason is Reason.INVALID_OPTION
    assert decision.message.startswith("annotation dind.io/containers: setup, proxy cannot have Docker")


def test_all_containers_that_do_not_exist_are_named(policy: Policy) -> None:
    message = inject(_pod_of_all_kinds("sidecar", containers="build,x,y"), None, policy).message
    assert '"x"' in message
    assert '"y"' in message


def test_without_a_wait_container_its_name_is_free_for_the_pods_own(policy: Policy) -> None:
    own: dict[str, Any] = {"containers": [a_container("dind-wait"), a_container()]}
    pod = injected_pod(a_pod("daemonset", {"wait": "false"}, **own), policy)
    assert _docker_users(pod) == ["dind-wait", "build"]
