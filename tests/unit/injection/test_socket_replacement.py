"""The node's Docker socket is replaced by that of the injected daemon, and nothing else that the user wrote changes."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pods import a_container, a_pod, injected_pod, operator_policy

from dind_webhook.injection import Decision, Mode, Outcome, Policy, Reason, decide_for_namespace, decide_request, inject
from dind_webhook.model import JsonObject

_LINK = {"name": "dind-run", "subPath": "compat.sock"}
_NODE = {"name": "node", "hostPath": {"path": "/var/run/docker.sock"}}
_WORK = {"name": "work", "emptyDir": {}}


def _policy(**settings: Any) -> Policy:
    return operator_policy(**{"allowed_options": frozenset({"node-socket", "placement", "socket-dir"}), **settings})


def _mount(path: str, name: str = "node", **members: Any) -> JsonObject:
    return {"name": name, "mountPath": path, **members}


def _pod(*mounts: JsonObject, path: str = "/var/run/docker.sock", **annotations: str) -> JsonObject:
    """Return a pod that asks for nothing but by these annotations; its second container mounts nothing."""
    volumes = [_WORK, {"name": "node", "hostPath": {"path": path}}]
    pod = a_pod(None, containers=[a_container(volumeMounts=list(mounts)), a_container("idle")], volumes=volumes)
    pod["metadata"]["annotations"] = {f"dind.io/{name}": value for name, value in annotations.items()}
    return pod


def _decide(pod: JsonObject, policy: Policy, mode: Mode = Mode.SIDECAR) -> Decision:
    """Return the decision for a namespace whose only label asks for the replacement, in a cluster with this mode."""
    pod_policy = replace(policy, modes=frozenset({mode}))
    return decide_request(pod, None, pod_policy, replaces_socket=True, creates_pod=True, is_subresource=False)


def _replaced(pod: JsonObject, policy: Policy, mode: Mode = Mode.SIDECAR) -> JsonObject:
    decision = _decide(pod, policy, mode)
    assert decision.reason is Reason.INJECTED, decision.message
    patched: JsonObject = jsonpatch.apply_patch(deepcopy(pod), list(decision.operations))
    return patched


@pytest.mark.parametrize("path", ["/var/run/docker.sock", "/run/docker.sock", "/var//run/docker.sock/"])
@pytest.mark.parametrize("mount_path", ["/var/run/docker.sock", "/run/docker.sock", "/sock", "/opt/docker/sock"])
def test_each_mount_becomes_one_of_the_link_at_the_same_path(path: str, mount_path: str) -> None:
    pod = _replaced(_pod(_mount("/work", "work"), _mount(mount_path, readOnly=True), path=path), _policy())
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    assert mounts[:2] == [_mount("/work", "work"), {**_LINK, "mountPath": mount_path, "readOnly": True}]
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["work", "dind-run", "dind-storage"]
    # One that is the same as what every client gets is not added again.
    is_default = mount_path.endswith("/run/docker.sock")
    assert [mount["mountPath"] for mount in mounts[2:]] == [
        "/run/dind",
        *([] if is_default else ["/var/run/docker.sock"]),
    ]


def test_in_daemonset_mode_only_the_path_of_the_volume_changes() -> None:
    before = _pod(_mount("/var/run/docker.sock", readOnly=True))
    pod = _replaced(before, _policy(), Mode.DAEMONSET)
    assert pod["spec"]["volumes"][1] == {
        "name": "node",
        "hostPath": {"path": "/var/run/dind/docker.sock", "type": "Socket"},
    }
    assert pod["spec"]["containers"][0]["volumeMounts"][0] == before["spec"]["containers"][0]["volumeMounts"][0]


@pytest.mark.parametrize("mode", Mode)
def test_containers_that_did_not_mount_the_socket_get_nothing(mode: Mode) -> None:
    pod = _replaced(_pod(_mount("/sock")), _policy(), mode)
    assert pod["spec"]["containers"][1] == a_container("idle")


@pytest.mark.parametrize("mode", Mode)
def test_the_containers_are_named_in_a_warning(mode: Mode) -> None:
    decision = _decide(_pod(_mount("/sock")), _policy(), mode)
    assert decision.warnings[0] == "the injected daemon replaces the node's Docker socket in: build"


@pytest.mark.parametrize("mode", Mode)
def test_a_pod_that_asks_for_docker_too_gets_it_in_all_containers(mode: Mode) -> None:
    pod = _pod(_mount("/sock"), **{"inject": mode, "node-socket": "replace"})
    assert "env" in injected_pod(pod, _policy())["spec"]["containers"][1]


def test_an_annotation_alone_asks_for_the_replacement_only() -> None:
    pod = injected_pod(_pod(_mount("/sock"), **{"node-socket": "replace"}), _policy())
    assert pod["spec"]["containers"][1] == a_container("idle")


@pytest.mark.parametrize("mode", Mode)
def test_a_docker_host_that_names_the_mount_is_the_injected_daemon(mode: Mode) -> None:
    before = _pod(_mount("/sock"))
    before["spec"]["containers"][0]["env"] = [{"name": "DOCKER_HOST", "value": "unix:///sock"}]
    assert len(_decide(before, _policy(), mode).warnings) == 1
    assert _replaced(before, _policy(), mode)["spec"]["containers"][0]["env"] == before["spec"]["containers"][0]["env"]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    "pod",
    [
        _pod(),
        _pod(_mount("/work", "work")),
        a_pod(None, containers=[a_container(volumeMounts=[_mount("/c")])], volumes=[{"name": "node", "emptyDir": {}}]),
    ],
)
def test_a_pod_without_such_a_mount_is_left_alone(mode: Mode, pod: JsonObject) -> None:
    decision = _decide(pod, _policy(), mode)
    assert (decision.outcome, decision.operations) == (Outcome.UNTOUCHED, ())


@pytest.mark.parametrize("path", ["/var/run", "/", "/proc/1/root"])
def test_a_directory_above_the_socket_is_not_replaced(path: str) -> None:
    pod = _pod(_mount("/host"), path=path, **{"inject": "sidecar", "node-socket": "replace"})
    assert inject(pod, None, _policy()).reason is Reason.NODE_DOCKER_SOCKET


@pytest.mark.parametrize(
    ("policy", "annotations"),
    [
        (_policy(), {"placement": "container"}),
        (_policy(), {"socket-dir": "/var/run"}),
        (_policy(docker_sock=False), {}),
    ],
    ids=["placement", "socket-dir", "docker_sock"],
)
def test_without_a_link_to_the_socket_the_pod_is_denied(policy: Policy, annotations: dict[str, str]) -> None:
    pod = _pod(_mount("/sock"), **{"inject": "sidecar", "node-socket": "replace", **annotations})
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.INVALID_OPTION
    assert "dind.io/node-socket: replace needs native placement" in decision.message


def test_the_operator_must_switch_it_on() -> None:
    policy = operator_policy()
    pod = _pod(_mount("/sock"))
    decision = _decide(pod, policy)
    assert (decision.reason, decision.outcome) == (Reason.OPTION_NOT_ALLOWED, Outcome.UNTOUCHED)
    assert "dind.io/node-socket: replace is switched off" in decision.message
    pod["metadata"]["annotations"] = {"dind.io/node-socket": "replace"}
    assert inject(pod, None, policy).reason is Reason.OPTION_NOT_ALLOWED


def test_the_operators_default_replaces_it_in_all_pods_that_get_docker() -> None:
    policy = operator_policy(defaults={"node-socket": "replace"})
    pod = injected_pod(_pod(_mount("/sock"), inject="sidecar"), policy)
    assert "node" not in [volume["name"] for volume in pod["spec"]["volumes"]]


@pytest.mark.parametrize(
    ("label", "socket_label", "has_socket", "annotation", "reason"),
    [
        ("", "replace", True, None, Reason.INJECTED),
        ("", "replace", True, "sidecar", Reason.INJECTED),
        ("", "replace", False, None, Reason.NOT_REQUESTED),
        ("", "replace", False, "sidecar", Reason.NAMESPACE_NOT_OPTED_IN),
        ("", "replace", True, "disabled", Reason.OPTED_OUT),
        ("", "deny", True, None, Reason.NAMESPACE_NOT_OPTED_IN),
        ("", "", True, None, Reason.NAMESPACE_NOT_OPTED_IN),
        ("enabled", "replace", True, None, Reason.INJECTED),
        ("enabled", "replace", False, None, Reason.NOT_REQUESTED),
        ("enabled", "replace", False, "sidecar", Reason.INJECTED),
        ("enabled", "", True, None, Reason.NOT_REQUESTED),
        ("sidecar", "replace", True, None, Reason.INJECTED),
        ("sidecar", "replace", False, None, Reason.INJECTED),
        ("sidecar", "", True, None, Reason.NODE_DOCKER_SOCKET),
        ("sidecar", "replace", True, "daemonset", Reason.INJECTED),
    ],
)
def test_the_labels_of_the_namespace_and_the_pod_decide_together(
    label: str, socket_label: str, has_socket: bool, annotation: str | None, reason: Reason
) -> None:
    pod = _pod(*([_mount("/sock")] if has_socket else []), **({"inject": annotation} if annotation else {}))
    if not has_socket:
        pod["spec"]["volumes"] = [_WORK]
    assert decide_for_namespace(pod, label, _policy(), node_socket_label=socket_label).reason is reason


_PATHS = st.sampled_from(["/var/run/docker.sock", "/run/docker.sock", "/sock", "/a/b"])
_MOUNTS = st.lists(st.builds(_mount, _PATHS, st.sampled_from(["node", "node2", "work"])), max_size=4).map(
    lambda mounts: list({mount["mountPath"].removeprefix("/var"): mount for mount in mounts}.values())
)


@st.composite
def _pods(draw: st.DrawFn) -> JsonObject:
    def containers(prefix: str, least: int) -> list[JsonObject]:
        found = draw(st.lists(_MOUNTS, min_size=least, max_size=3))
        return [
            a_container(f"{prefix}{index}", volumeMounts=mounts, workingDir="/x") for index, mounts in enumerate(found)
        ]

    volumes = [_WORK, _NODE, {"name": "other", "configMap": {"name": "c"}}, {**_NODE, "name": "node2"}]
    return a_pod(
        None, containers=containers("c", 1), initContainers=containers("i", 0), volumes=draw(st.permutations(volumes))
    )


def _without_socket(pod: JsonObject, mode: Mode) -> JsonObject:
    """Return what the user wrote, without the parts that the replacement may change."""
    rest = deepcopy(pod)
    for container in rest["spec"]["containers"] + rest["spec"].get("initContainers", []):
        container["volumeMounts"] = [
            {**mount, "name": "?"} if mount["name"] in {"node", "node2"} and mode is Mode.SIDECAR else mount
            for mount in container["volumeMounts"]
        ]
    rest["spec"]["volumes"] = [volume for volume in rest["spec"]["volumes"] if not volume["name"].startswith("node")]
    return rest


@given(pod=_pods(), mode=st.sampled_from(list(Mode)))
def test_nothing_else_of_the_users_changes_and_the_second_time_nothing_at_all(pod: JsonObject, mode: Mode) -> None:
    policy = _policy()
    before = deepcopy(pod)
    decision = _decide(pod, policy, mode)
    assert pod == before
    if decision.reason is not Reason.INJECTED:
        assert not decision.operations
        return
    after = jsonpatch.apply_patch(deepcopy(pod), list(decision.operations))
    for list_name in ("containers", "initContainers"):
        own = {one["name"]: one for one in after["spec"].get(list_name, [])}
        for container in _without_socket(before, mode)["spec"].get(list_name, []):
            found = own[container["name"]]
            assert {**found, "volumeMounts": [], "env": []} == {**container, "volumeMounts": [], "env": []}
            for wanted, mount in zip(container["volumeMounts"], found["volumeMounts"], strict=False):
                replaced = {**_LINK, "mountPath": wanted["mountPath"]}
                assert mount == (replaced if wanted["name"] == "?" else wanted)
    kept = [volume for volume in after["spec"]["volumes"] if not volume["name"].startswith(("node", "dind-"))]
    assert kept == _without_socket(before, mode)["spec"]["volumes"]
    paths = {volume["hostPath"]["path"] for volume in after["spec"]["volumes"] if "hostPath" in volume}
    assert "/var/run/docker.sock" not in paths
    again = _decide(after, policy, mode)
    assert (again.reason, again.operations) == (Reason.UNCHANGED, ())


@given(pod=_pods(), mode=st.sampled_from(list(Mode)))
def test_in_a_namespace_that_asks_for_all_pods_one_call_does_everything(pod: JsonObject, mode: Mode) -> None:
    policy = _policy()

    def decide_all(pod: JsonObject) -> Decision:
        return decide_request(pod, mode, policy, replaces_socket=True, creates_pod=True, is_subresource=False)

    first = decide_all(pod)
    if first.reason is not Reason.INJECTED:
        assert first.outcome is Outcome.UNTOUCHED
        return
    after = jsonpatch.apply_patch(deepcopy(pod), list(first.operations))
    assert all("env" in container for container in after["spec"]["containers"])
    assert decide_all(after).reason is Reason.UNCHANGED


def test_a_pods_own_annotation_wins_over_the_label() -> None:
    pod = _pod(_mount("/sock"), **{"node-socket": "deny"})
    assert _decide(pod, _policy()).reason is Reason.NOT_REQUESTED
    pod = _pod(_mount("/sock"), **{"inject": "sidecar", "node-socket": "deny"})
    assert decide_for_namespace(pod, "enabled", _policy(), node_socket_label="replace").reason is (
        Reason.NODE_DOCKER_SOCKET
    )


def test_the_only_mode_that_is_on_is_taken() -> None:
    policy = _policy(modes=frozenset({Mode.DAEMONSET}))
    assert decide_for_namespace(_pod(_mount("/s")), "", policy, node_socket_label="replace").mode is Mode.DAEMONSET
    assert inject(_pod(_mount("/s"), **{"node-socket": "replace"}), None, policy).mode is Mode.DAEMONSET


def test_without_the_switch_other_pods_of_the_namespace_are_injected_as_before() -> None:
    pod = a_pod("sidecar")
    assert decide_for_namespace(pod, "enabled", operator_policy(), node_socket_label="replace").reason is (
        Reason.INJECTED
    )


def test_a_request_with_a_mistake_or_without_a_socket_is_not_silent() -> None:
    typo = _pod(_mount("/sock"), **{"node-socket": "replac"})
    assert inject(typo, Mode.SIDECAR, _policy()).reason is Reason.INVALID_OPTION
    directory = _pod(_mount("/host"), path="/var/run", **{"node-socket": "replace"})
    assert inject(directory, None, _policy()).reason is Reason.NODE_DOCKER_SOCKET


def test_what_a_later_webhook_broke_is_repaired_or_denied() -> None:
    pod = _replaced(_pod(_mount("/sock")), _policy())
    wanted = deepcopy(pod)
    (daemon,) = pod["spec"]["initContainers"]
    del daemon["securityContext"]["allowPrivilegeEscalation"]
    assert _replaced(pod, _policy()) == wanted
    daemon["securityContext"]["allowPrivilegeEscalation"] = False
    decision = _decide(pod, _policy())
    assert (decision.reason, decision.outcome) == (Reason.STALE_STATUS, Outcome.DENIED)


def test_a_container_that_comes_later_is_no_reason_to_deny_a_pod_that_never_asked(policy: Policy) -> None:
    pod = injected_pod(a_pod(None), policy, Mode.SIDECAR)
    pod["spec"]["containers"].append(a_container("late", env=[{"name": "DOCKER_TLS_VERIFY", "value": "1"}]))
    assert inject(pod, Mode.SIDECAR, policy).outcome is Outcome.UNTOUCHED
