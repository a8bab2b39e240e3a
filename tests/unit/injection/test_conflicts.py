"""Conflicts that deny a pod, and similar pods that are injected."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pods import a_container, a_pod, injected_pod, operator_policy, permissive_policy

from dind_webhook.injection import Policy, Reason, inject
from dind_webhook.model import JsonObject

_BOTH_MODES = pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
_OPEN = permissive_policy()


def _own_volume(path: str, **members: Any) -> JsonObject:
    return {"containers": [a_container(volumeMounts=[{"name": "own", "mountPath": path, **members}])]}


@pytest.mark.parametrize("place", ["containers", "initContainers"])
@pytest.mark.parametrize(("mode", "name"), [("sidecar", "dind"), ("daemonset", "dind-wait")])
def test_a_container_of_our_name_is_denied(place: str, mode: str, name: str, policy: Policy) -> None:
    pod = a_pod(mode)
    pod["spec"].setdefault(place, []).append(a_container(name))
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.NAME_TAKEN
    assert f'"{name}"' in decision.message


@pytest.mark.parametrize(
    ("mode", "name"), [("sidecar", "dind-run"), ("sidecar", "dind-storage"), ("daemonset", "dind-run")]
)
def test_another_volume_of_our_name_is_denied(mode: str, name: str, policy: Policy) -> None:
    decision = inject(a_pod(mode, volumes=[{"name": name, "secret": {"secretName": "s"}}]), None, policy)
    assert decision.reason is Reason.NAME_TAKEN
    assert f'volume "{name}"' in decision.message


def test_the_names_of_the_other_mode_are_free(policy: Policy) -> None:
    assert inject(a_pod("daemonset", containers=[a_container("dind")]), None, policy).reason is Reason.INJECTED
    assert inject(a_pod("sidecar", containers=[a_container("dind-wait")]), None, policy).reason is Reason.INJECTED


def test_an_empty_dir_of_our_name_is_another_one(policy: Policy) -> None:
    assert inject(a_pod(volumes=[{"name": "dind-run", "emptyDir": {}}]), None, policy).reason is Reason.NAME_TAKEN


def test_the_hostpath_that_would_be_added_is_used(policy: Policy) -> None:
    volume = {"name": "dind-run", "hostPath": {"path": "/var/run/dind", "type": "Directory"}}
    assert injected_pod(a_pod("daemonset", volumes=[volume]), policy)["spec"]["volumes"] == [volume]


@pytest.mark.parametrize(
    ("mount", "taken"),
    [
        ({"mountPath": "/run/dind/docker.sock"}, True),
        ({"mountPath": "/run/dind/logs"}, False),
        ({"mountPath": "/var/run/docker.sock/x"}, True),
        ({"mountPath": "/run/postgresql"}, False),
        ({"mountPath": "/var/run"}, False),
        ({"mountPath": "/var/run", "readOnly": True}, True),
        ({"mountPath": "/run", "name": "config"}, True),
        ({"mountPath": "/", "name": "config"}, True),
        ({"mountPath": "/run", "name": "model"}, True),
    ],
)
def test_what_is_under_or_above_the_socket_is_in_the_way_where_nothing_could_be_mounted(
    mount: dict[str, Any], taken: bool, policy: Policy
) -> None:
    volumes = [
        {"name": "own", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "c"}},
        {"name": "model", "image": {"reference": "model:1"}},
    ]
    pod = a_pod(containers=[a_container("build", volumeMounts=[{"name": "own", **mount}])], volumes=volumes)
    assert inject(pod, None, policy).reason is (Reason.MOUNT_PATH_TAKEN if taken else Reason.INJECTED)


def test_in_a_read_only_directory_nothing_else_can_be_mounted(policy: Policy) -> None:
    mounts = [{"name": "own", "mountPath": "/run/dind/logs"}]
    pod = a_pod("daemonset", containers=[a_container("build", volumeMounts=mounts)])
    pod["spec"]["volumes"] = [{"name": "own", "emptyDir": {}}]
    assert inject(pod, None, policy).reason is Reason.MOUNT_PATH_TAKEN


@pytest.mark.parametrize(
    "change",
    [
        {"restartPolicy": None},
        {"securityContext": {"privileged": False}},
        {"securityContext": None},
    ],
    ids=str,
)
def test_a_container_that_only_has_our_name_is_no_proof_of_an_injection(change: dict[str, Any], policy: Policy) -> None:
    pod = injected_pod(a_pod(), policy)
    pod["spec"]["initContainers"][0].update(change)
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.STALE_STATUS
    assert '"dind"' in decision.message


# As mutators of Gatekeeper, Kyverno and UDS set them, most of them only where they are absent
_RESTRICTIONS = {
    "allowPrivilegeEscalation": False,
    "runAsUser": 1000,
    "runAsGroup": 3000,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "procMount": "Unmasked",
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.mark.parametrize("member", _RESTRICTIONS)
def test_a_daemon_that_another_webhook_restricted_is_denied_with_the_member(member: str, policy: Policy) -> None:
    pod = injected_pod(a_pod(), policy)
    context = pod["spec"]["initContainers"][0]["securityContext"]
    assert context[member] != _RESTRICTIONS[member]
    context[member] = _RESTRICTIONS[member]
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.STALE_STATUS
    assert f"securityContext.{member} another webhook may have changed" in decision.message


def test_a_webhook_that_restricts_absent_members_finds_none(policy: Policy) -> None:
    context = injected_pod(a_pod(), policy)["spec"]["initContainers"][0]["securityContext"]
    assert set(context) == {"privileged", *_RESTRICTIONS}


@pytest.mark.parametrize("member", _RESTRICTIONS)
def test_a_member_that_another_webhook_removed_is_added_again(member: str, policy: Policy) -> None:
    pod = injected_pod(a_pod(), policy)
    wanted = deepcopy(pod)
    del pod["spec"]["initContainers"][0]["securityContext"][member]
    assert injected_pod(pod, policy) == wanted


def test_capabilities_that_another_webhook_drops_do_not_matter_to_a_privileged_container(policy: Policy) -> None:
    pod = injected_pod(a_pod(), policy)
    pod["spec"]["initContainers"][0]["securityContext"]["capabilities"] = {"drop": ["ALL"]}
    assert inject(pod, None, policy).reason is Reason.UNCHANGED


def test_a_volume_that_only_has_our_name_is_no_proof_of_an_injection(policy: Policy) -> None:
    pod = injected_pod(a_pod(), policy)
    pod["spec"]["volumes"][0] = {"name": "dind-run", "hostPath": {"path": "/etc"}}
    assert inject(pod, None, policy).reason is Reason.STALE_STATUS


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/run/dind", True),
        ("/var/run/dind/", True),
        ("/run/./dind", True),
        ("/var/run/docker.sock", True),
        ("/run/docker.sock", True),
        ("/run/dind2", False),
        ("/run/other.sock", False),
        ("/work", False),
    ],
)
def test_a_mount_where_the_socket_goes_is_denied(path: str, taken: bool, policy: Policy) -> None:
    pod = a_pod(**_own_volume(path), volumes=[{"name": "own", "emptyDir": {}}])
    decision = inject(pod, None, policy)
    assert (decision.reason is Reason.MOUNT_PATH_TAKEN) is taken
    assert not taken or f'container "build" mounts volume "own" at {path}' in decision.message


def test_a_mount_of_a_container_without_docker_takes_no_path(policy: Policy) -> None:
    pod = a_pod(options={"containers": "test"}, **_own_volume("/run/dind"), volumes=[{"name": "own", "emptyDir": {}}])
    pod["spec"]["containers"].append(a_container("test"))
    assert inject(pod, None, policy).reason is Reason.INJECTED


@pytest.mark.parametrize(
    "path", ["/var/run/docker.sock", "/run/docker.sock", "/var/run", "/run", "/", "/var/run/", "//run", "/run/../run"]
)
@_BOTH_MODES
def test_a_pod_that_mounts_the_nodes_docker_socket_is_denied(mode: str, path: str, policy: Policy) -> None:
    decision = inject(a_pod(mode, volumes=[{"name": "v", "hostPath": {"path": path}}]), None, policy)
    assert decision.reason is Reason.NODE_DOCKER_SOCKET
    assert f'volume "v" mounts {path} of the node' in decision.message


@pytest.mark.parametrize("path", ["/var", "/data", "/run/containerd", "/var/run/docker.pid", "/var/run/dind"])
def test_other_directories_of_the_node_are_the_users_affair(path: str, policy: Policy) -> None:
    assert inject(a_pod(volumes=[{"name": "v", "hostPath": {"path": path}}]), None, policy).reason is Reason.INJECTED


@pytest.mark.parametrize(
    ("mode", "options", "missing"),
    [
        ("sidecar", {}, 'container "dind"'),
        ("daemonset", {}, 'container "dind-wait"'),
        ("daemonset", {"wait": "false"}, 'volume "dind-run"'),
    ],
)
def test_a_status_without_what_it_speaks_of_is_denied(
    mode: str, options: dict[str, str], missing: str, policy: Policy
) -> None:
    decision = inject(a_pod(mode, {**options, "status": "{}"}), None, policy)
    assert decision.reason is Reason.STALE_STATUS
    assert "annotation dind.io/status" in decision.message
    assert f"no {missing}; remove the annotation" in decision.message


def test_a_volume_that_lost_its_source_is_no_bug_of_ours(policy: Policy) -> None:
    pod = injected_pod(a_pod("daemonset"), policy)
    pod["spec"]["volumes"][0]["hostPath"] = None
    assert inject(pod, None, policy).reason is Reason.STALE_STATUS


@pytest.mark.parametrize("placement", ["native", "container"])
def test_the_daemon_has_to_fit_into_the_pods_own_resources(placement: str, policy: Policy) -> None:
    container = a_container(resources={"requests": {"cpu": "500m"}})
    options = {"placement": placement}
    fits = {"requests": {"cpu": "750m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "4Gi"}}
    assert injected_pod(a_pod(options=options, containers=[container], resources=fits), policy)
    tight = {"requests": {"cpu": "749m"}, "limits": {"memory": "1Gi"}}
    decision = inject(a_pod(options=options, containers=[container], resources=tight), None, policy)
    assert decision.reason is Reason.POD_RESOURCES
    assert "cpu request is 749m" in decision.message
    assert "750m" in decision.message
    assert "memory limit is 1Gi" in decision.message
    assert "4Gi" in decision.message


def test_the_wait_container_has_to_fit_as_well(policy: Policy) -> None:
    decision = inject(a_pod("daemonset", resources={"limits": {"cpu": "100m"}}), None, policy)
    assert decision.reason is Reason.POD_RESOURCES
    assert 'container "dind-wait"' in decision.message


def test_a_pod_that_was_injected_is_not_measured_again(policy: Policy) -> None:
    pod = injected_pod(a_pod(), policy)
    pod["spec"]["resources"] = {"requests": {"cpu": "1m"}}
    assert inject(pod, None, policy).reason is Reason.UNCHANGED


def test_an_init_container_runs_beside_the_daemon_that_started_before_it(policy: Policy) -> None:
    setup = a_container("setup", resources={"requests": {"cpu": "300m"}})
    decision = inject(a_pod(initContainers=[setup], resources={"requests": {"cpu": "549m"}}), None, policy)
    assert decision.reason is Reason.POD_RESOURCES
    assert "cpu request is 549m" in decision.message
    assert "550m" in decision.message


# Paths to the root directory of a process of the node, in spellings that a pattern would miss
_PROC = (
    "/proc",
    "/proc/",
    "/proc/./1/root/run",
    "/proc/1/./root/run",
    "/./proc/1/root/run",
    "//proc/1/root",
    "/proc/1/root/proc/1/root/run",
    "/proc/1/cwd/run",
    "/proc/1/cwd",
    "/proc/1/task/1/root/run",
    "/proc/self/task/1/root",
    "/proc/thread-self/root",
    "/proc/1/fd/3",
    "/run/../proc/1/root",
    "proc/1/root",
    "/dev/fd",
    "/dev/./fd/3",
    "/dev/stdin",
)


@pytest.mark.parametrize("path", _PROC)
@_BOTH_MODES
def test_what_leads_to_the_nodes_root_is_denied(mode: str, path: str, policy: Policy) -> None:
    decision = inject(a_pod(mode, volumes=[{"name": "v", "hostPath": {"path": path}}]), None, policy)
    assert decision.reason is Reason.NODE_DOCKER_SOCKET
    assert f'volume "v" mounts {path} of the node, which leads to' in decision.message


@given(
    steps=st.lists(st.sampled_from(["", ".", "1", "self", "root", "cwd", "run", "x/..", "docker.sock"]), max_size=6),
    start=st.sampled_from(["/proc", "//proc", "/./proc", "/x/../proc", "proc"]),
)
def test_no_spelling_of_a_path_below_proc_is_accepted(steps: list[str], start: str) -> None:
    volume = {"name": "v", "hostPath": {"path": "/".join([start, *steps])}}
    assert inject(a_pod(volumes=[volume]), None, operator_policy()).reason is Reason.NODE_DOCKER_SOCKET


@given(
    path=st.sampled_from(["/run/docker.sock", "/var/run/docker.sock", "/run", "/var/run"]),
    data=st.data(),
)
def test_no_spelling_of_the_nodes_socket_is_accepted(path: str, data: st.DataObject) -> None:
    fillers = st.sampled_from(["/", "/./", "//", "/x/../"])
    spelled = "".join(data.draw(fillers) + name for name in path.split("/")[1:])
    volume = {"name": "v", "hostPath": {"path": spelled + data.draw(st.sampled_from(["", "/", "/."]))}}
    assert inject(a_pod(volumes=[volume]), None, operator_policy()).reason is Reason.NODE_DOCKER_SOCKET


_MOUNTS_OF_OURS = (
    ("sidecar", {"name": "dind-run", "mountPath": "/rw"}),
    ("sidecar", {"name": "dind-run", "mountPath": "/run/dind", "readOnly": True}),
    ("sidecar", {"name": "dind-run", "mountPath": "/run/dind", "subPath": "x"}),
    ("sidecar", {"name": "dind-run", "mountPath": "/run/dind", "subPathExpr": "$(X)"}),
    ("sidecar", {"name": "dind-storage", "mountPath": "/var/lib/docker"}),
    ("sidecar", {"name": "dind-storage", "mountPath": "/images"}),
    ("daemonset", {"name": "dind-run", "mountPath": "/rw"}),
    ("daemonset", {"name": "dind-run", "mountPath": "/run/dind"}),
    ("sidecar", {"name": "dind-run", "mountPath": "/run/dind", "mountPropagation": "HostToContainer"}),
    (
        "daemonset",
        {"name": "dind-run", "mountPath": "/run/dind", "readOnly": True, "mountPropagation": "Bidirectional"},
    ),
    ("daemonset", {"name": "dind-run", "mountPath": "/run/dind", "readOnly": True, "recursiveReadOnly": "Enabled"}),
)


@pytest.mark.parametrize("place", ["containers", "initContainers"])
@pytest.mark.parametrize("is_there", [False, True], ids=["before injection", "after injection"])
@pytest.mark.parametrize(("mode", "mount"), _MOUNTS_OF_OURS)
def test_a_volume_of_ours_is_mounted_in_no_way_but_the_injected_one(
    mode: str, mount: JsonObject, is_there: bool, place: str, policy: Policy
) -> None:
    pod = a_pod(mode)
    if is_there:
        pod = injected_pod(pod, policy)
    pod["spec"].setdefault(place, []).append(a_container("other", volumeMounts=[mount]))
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.NAME_TAKEN
    assert f'container "other" mounts volume "{mount["name"]}" at {mount["mountPath"]}' in decision.message


@pytest.mark.parametrize(
    ("mode", "mount"),
    [
        ("sidecar", {"name": "dind-run", "mountPath": "/run/dind"}),
        ("sidecar", {"name": "dind-run", "mountPath": "/var/run/dind/"}),
        ("sidecar", {"name": "dind-run", "mountPath": "/var/run/docker.sock", "subPath": "compat.sock"}),
        ("daemonset", {"name": "dind-run", "mountPath": "/run/dind", "readOnly": True}),
        ("sidecar", {"name": "dind-run", "mountPath": "/run/dind", "mountPropagation": "None"}),
    ],
)
def test_the_injected_mount_may_be_there_already(mode: str, mount: JsonObject, policy: Policy) -> None:
    pod = a_pod(mode, containers=[a_container(volumeMounts=[mount])])
    assert inject(pod, None, policy).reason is Reason.INJECTED


def test_the_place_of_the_token_is_shared_only_from_a_projected_volume(policy: Policy) -> None:
    mount = {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    for source, is_shared in (
        ({"projected": {"sources": []}}, True),
        ({"hostPath": {"path": "/etc"}}, False),
        ({"secret": {"secretName": "s"}}, False),
        ({"emptyDir": {}}, False),
    ):
        volume = {"name": "kube-api-access-x", **source}
        pod = a_pod(containers=[a_container(volumeMounts=[mount])], volumes=[volume])
        (daemon,) = injected_pod(pod, policy)["spec"]["initContainers"]
        assert ("kube-api-access-x" in {one["name"] for one in daemon["volumeMounts"]}) is is_shared


def test_a_volume_of_an_injected_name_is_not_used_as_a_device(policy: Policy) -> None:
    volume = {"name": "dind-storage", "ephemeral": {"volumeClaimTemplate": {"spec": {"volumeMode": "Block"}}}}
    devices = [{"name": "dind-storage", "devicePath": "/dev/x"}]
    for volumes in ([volume], []):
        decision = inject(a_pod(containers=[a_container(volumeDevices=devices)], volumes=volumes), None, policy)
        assert decision.reason is Reason.NAME_TAKEN
