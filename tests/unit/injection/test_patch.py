"""Injection adds only the members that a pod lacks, also when it runs again after a later mutator."""

import jsonpatch
import pytest
from pods import (
    a_container,
    a_pod,
    find_by_name,
    injected_pod,
    mount_paths_of,
    names_of,
    operator_policy,
    permissive_policy,
)

from dind_webhook.injection import Mode, Policy, Reason, inject
from dind_webhook.model import JsonObject

_BOTH_MODES = pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
_OPEN = permissive_policy()


def _second_pass(pod: JsonObject, policy: Policy) -> tuple[list[str], JsonObject]:
    """Return the paths that the second pass adds, and the pod after it."""
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.INJECTED, decision.message
    return [o["path"] for o in decision.operations], jsonpatch.apply_patch(pod, list(decision.operations))


@_BOTH_MODES
@pytest.mark.parametrize("placement", ["native", "container"])
def test_a_pod_that_carries_everything_is_unchanged(mode: str, placement: str, policy: Policy) -> None:
    pod = a_pod(
        mode,
        {"placement": placement},
        initContainers=[a_container("setup"), a_container("proxy", restartPolicy="Always")],
        containers=[a_container(volumeMounts=[{"name": "w", "mountPath": "/w", "readOnly": True}])],
        volumes=[{"name": "w", "emptyDir": {}}],
    )
    decision = inject(injected_pod(pod, policy), None, policy)
    assert (decision.reason, decision.mode, decision.operations) == (Reason.UNCHANGED, Mode(mode), ())


@_BOTH_MODES
def test_a_container_of_a_later_mutator_gets_only_what_it_lacks(mode: str, policy: Policy) -> None:
    pod = injected_pod(a_pod(mode), policy)
    pod["spec"]["containers"].append(a_container("late"))
    changed, patched = _second_pass(pod, policy)
    assert changed == ["/spec/containers/1/env", "/spec/containers/1/volumeMounts"]
    build, late = patched["spec"]["containers"]
    assert (late["env"], late["volumeMounts"]) == (build["env"], build["volumeMounts"])
    assert inject(patched, None, policy).reason is Reason.UNCHANGED


@_BOTH_MODES
def test_a_native_sidecar_of_a_later_mutator_changes_nothing(mode: str, policy: Policy) -> None:
    pod = injected_pod(a_pod(mode), policy)
    pod["spec"]["initContainers"].append(a_container("proxy", restartPolicy="Always"))
    assert inject(pod, None, policy).reason is Reason.UNCHANGED
    pod["spec"]["initContainers"].insert(0, a_container("other", restartPolicy="Always"))
    assert inject(pod, None, policy).reason is Reason.UNCHANGED


@_BOTH_MODES
def test_an_init_container_put_behind_gets_what_it_lacks(mode: str, policy: Policy) -> None:
    pod = injected_pod(a_pod(mode), policy)
    pod["spec"]["initContainers"].append(a_container("late"))
    changed, patched = _second_pass(pod, policy)
    assert changed == ["/spec/initContainers/1/env", "/spec/initContainers/1/volumeMounts"]
    assert inject(patched, None, policy).reason is Reason.UNCHANGED


@_BOTH_MODES
def test_an_init_container_put_in_front_cannot_have_docker(mode: str, policy: Policy) -> None:
    pod = injected_pod(a_pod(mode), policy)
    pod["spec"]["initContainers"].insert(0, a_container("early"))
    assert inject(pod, None, policy).reason is Reason.UNCHANGED


def test_an_init_container_put_in_front_is_warned_of_when_anything_else_is_added(policy: Policy) -> None:
    pod = injected_pod(a_pod(), policy)
    pod["spec"]["initContainers"].insert(0, a_container("early"))
    pod["spec"]["containers"].append(a_container("late"))
    changed, _ = _second_pass(pod, policy)
    assert changed == ["/spec/containers/1/env", "/spec/containers/1/volumeMounts"]
    (warning,) = inject(pod, None, policy).warnings
    assert warning == "these init containers run before dind and cannot have Docker: early"


@pytest.mark.parametrize("placement", ["native", "container"])
def test_the_workspace_of_a_later_container_is_shared_too(placement: str, policy: Policy) -> None:
    pod = injected_pod(a_pod(options={"placement": placement}), policy)
    pod["spec"]["containers"].append(a_container("late", volumeMounts=[{"name": "w", "mountPath": "/w"}]))
    pod["spec"]["volumes"].append({"name": "w", "emptyDir": {}})
    changed, patched = _second_pass(pod, policy)
    place = "initContainers" if placement == "native" else "containers"
    index = names_of(pod["spec"][place]).index("dind")
    assert f"/spec/{place}/{index}/volumeMounts/-" in changed
    assert mount_paths_of(find_by_name(patched["spec"][place], "dind")) == ["/run/dind", "/var/lib/docker", "/w"]
    assert inject(patched, None, policy).reason is Reason.UNCHANGED


def test_the_sub_path_of_a_later_container_is_shared_though_the_daemon_has_the_volume(policy: Policy) -> None:
    mount = {"name": "w", "mountPath": "/w"}
    pod = injected_pod(
        a_pod(containers=[a_container(volumeMounts=[mount])], volumes=[{"name": "w", "emptyDir": {}}]), policy
    )
    late = {"name": "w", "mountPath": "/late", "subPath": "x"}
    pod["spec"]["containers"].append(a_container("late", volumeMounts=[late]))
    _, patched = _second_pass(pod, policy)
    assert late in patched["spec"]["initContainers"][0]["volumeMounts"]
    assert inject(pod, None, policy).warnings == ()


def test_a_volume_that_a_later_container_may_write_stays_read_only_in_the_daemon_with_a_warning(policy: Policy) -> None:
    mount = {"name": "w", "mountPath": "/w", "readOnly": True}
    pod = injected_pod(
        a_pod(containers=[a_container(volumeMounts=[mount])], volumes=[{"name": "w", "emptyDir": {}}]), policy
    )
    pod["spec"]["containers"].append(a_container("late", volumeMounts=[{**mount, "readOnly": False}]))
    _, patched = _second_pass(pod, policy)
    assert mount in find_by_name(patched["spec"]["initContainers"], "dind")["volumeMounts"]
    assert inject(pod, None, policy).warnings == ("dind has other mounts and keeps them at: /w",)
    assert inject(patched, None, policy).reason is Reason.UNCHANGED


@_BOTH_MODES
def test_a_container_is_never_given_what_it_has(mode: str, policy: Policy) -> None:
    pod = injected_pod(a_pod(mode), policy)
    late = a_container("late", env=[{"name": "DOCKER_HOST", "value": "unix:///run/dind/docker.sock"}])
    pod["spec"]["containers"].append(late)
    changed, _ = _second_pass(pod, policy)
    assert changed == ["/spec/containers/1/volumeMounts"]


@pytest.mark.parametrize(
    "variable", [{"value": "tcp://other:2375"}, {"value": ""}, {"valueFrom": {"fieldRef": {"fieldPath": "x"}}}]
)
@_BOTH_MODES
def test_a_docker_host_of_the_users_is_kept_with_a_warning(mode: str, variable: JsonObject, policy: Policy) -> None:
    env = [{"name": "DOCKER_HOST", **variable}]
    pod = a_pod(mode, containers=[a_container(env=env)])
    assert injected_pod(pod, policy)["spec"]["containers"][0]["env"] == env
    (warning,) = inject(pod, None, policy).warnings
    assert warning == "DOCKER_HOST has another value and is kept in: build"


@pytest.mark.parametrize(
    "address",
    [
        "unix:///run/dind/docker.sock",
        "unix:///var/run/dind/docker.sock",
        "unix:///var/run/docker.sock",
        "unix:///run/docker.sock",
    ],
)
def test_a_docker_host_that_names_the_injected_socket_is_kept_without_a_warning(address: str, policy: Policy) -> None:
    pod = a_pod(containers=[a_container(env=[{"name": "DOCKER_HOST", "value": address}])])
    assert inject(pod, None, policy).warnings == ()
    assert injected_pod(pod, policy)["spec"]["containers"][0]["env"] == pod["spec"]["containers"][0]["env"]


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_a_docker_host_at_the_default_path_is_warned_of_if_no_socket_is_mounted_there(mode: str) -> None:
    env = [{"name": "DOCKER_HOST", "value": "unix:///var/run/docker.sock"}]
    decision = inject(a_pod(mode, containers=[a_container(env=env)]), None, operator_policy(docker_sock=False))
    assert decision.warnings == ("DOCKER_HOST has another value and is kept in: build",)


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes", "dind-run,dind-storage"),
        ("kubectl.kubernetes.io/default-container", "build"),
    ],
)
def test_hints_for_other_tools_are_set_when_absent_and_never_changed(key: str, ours: str, policy: Policy) -> None:
    pod = a_pod()
    assert injected_pod(pod, policy)["metadata"]["annotations"][key] == ours
    pod["metadata"]["annotations"][key] = "the user's"
    assert injected_pod(pod, policy)["metadata"]["annotations"][key] == "the user's"
    pod["metadata"]["annotations"][key] = None
    assert injected_pod(pod, policy)["metadata"]["annotations"][key] == ours


def test_the_daemon_is_never_the_default_container(policy: Policy) -> None:
    pod = injected_pod(a_pod(options={"placement": "container"}), policy)
    del pod["spec"]["containers"][0]
    del pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"]
    assert inject(pod, None, policy).reason is Reason.UNCHANGED


@pytest.mark.parametrize("options", [{"storage-medium": "Volume"}, {"storage-class": "fast"}])
def test_a_volume_claim_is_not_among_the_evictable(options: dict[str, str]) -> None:
    annotations = injected_pod(a_pod(options=options), _OPEN)["metadata"]["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"] == "dind-run"


@_BOTH_MODES
def test_the_status_records_mode_and_version(mode: str, policy: Policy) -> None:
    status = injected_pod(a_pod(mode), policy)["metadata"]["annotations"]["dind.io/status"]
    isolation = '"isolation":"none",' if mode == "sidecar" else ""
    assert status == f'{{{isolation}"mode":"{mode}","version":"{policy.version}"}}'


def test_a_pod_without_a_wait_container_is_unchanged_on_the_second_pass(policy: Policy) -> None:
    pod = injected_pod(a_pod("daemonset", {"wait": "false"}), policy)
    assert inject(pod, None, policy).reason is Reason.UNCHANGED


def test_without_a_group_no_security_context_is_added() -> None:
    assert "securityContext" not in injected_pod(a_pod(), operator_policy(defaults={"group": ""}))["spec"]
