"""DaemonSet mode adds these members to a pod."""

import pytest
from pods import a_container, a_pod, injected_pod, names_of, operator_policy, permissive_policy

from dind_webhook.injection import Policy, Reason, inject


def test_a_pod_is_given_exactly_what_the_contract_says(policy: Policy) -> None:
    spec = injected_pod(a_pod("daemonset"), policy)["spec"]
    mount = {"name": "dind-run", "mountPath": "/run/dind", "readOnly": True}
    docker_host = {"name": "DOCKER_HOST", "value": "unix:///run/dind/docker.sock"}
    (wait,) = spec["initContainers"]
    shell, flag, script = wait.pop("command")
    assert wait == {
        "name": "dind-wait",
        "image": "docker:29.8.2-dind",
        "env": [docker_host],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
        "securityContext": {
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 2375,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [mount],
    }
    assert (shell, flag) == ("sh", "-c")
    assert "docker version" in script
    assert "120" in script
    assert spec["volumes"] == [{"name": "dind-run", "hostPath": {"path": "/var/run/dind", "type": "Directory"}}]
    assert spec["containers"] == [a_container(env=[docker_host], volumeMounts=[mount])]
    assert spec["securityContext"] == {"supplementalGroups": [2375]}


def test_the_wait_container_is_first(policy: Policy) -> None:
    spec = injected_pod(a_pod("daemonset", initContainers=[a_container("setup")]), policy)["spec"]
    assert names_of(spec["initContainers"]) == ["dind-wait", "setup"]


def test_nothing_keeps_a_node_from_being_drained(policy: Policy) -> None:
    annotations = injected_pod(a_pod("daemonset"), policy)["metadata"]["annotations"]
    assert not any(key.startswith("cluster-autoscaler") for key in annotations)
    assert annotations["kubectl.kubernetes.io/default-container"] == "build"


def test_the_group_is_that_of_the_nodes_socket_whatever_the_pod_says(policy: Policy) -> None:
    pod = a_pod("daemonset", {"group": "1001"})
    assert injected_pod(pod, policy)["spec"]["securityContext"] == {"supplementalGroups": [2375]}
    assert inject(pod, None, policy).warnings == ("without effect in daemonset mode: dind.io/group",)


def test_without_a_group_the_pods_groups_stay_as_they_are() -> None:
    spec = injected_pod(a_pod("daemonset"), operator_policy(defaults={"group": ""}))["spec"]
    assert "securityContext" not in spec
    assert spec["initContainers"][0]["securityContext"]["runAsGroup"] == 65532


def test_the_socket_directory_may_be_the_operators_own_volume() -> None:
    policy = operator_policy(host_path="/var/run")
    own = {"name": "dind-run", "hostPath": {"path": "/var/run", "type": "Directory"}}
    assert inject(a_pod("daemonset", volumes=[own]), None, policy).reason is Reason.INJECTED
    other = {**own, "name": "run"}
    assert inject(a_pod("daemonset", volumes=[other]), None, policy).reason is Reason.NODE_DOCKER_SOCKET


@pytest.mark.parametrize(
    ("path", "read_only", "warns"), [("/var/run", False, 1), ("/run", False, 1), ("/run", True, 0)]
)
def test_a_writable_var_run_of_the_node_is_warned_of(path: str, read_only: bool, warns: int) -> None:
    policy = operator_policy(host_path=path, host_path_read_only=read_only)
    assert len(inject(a_pod("daemonset"), None, policy).warnings) == warns


def test_an_init_container_that_a_later_mutator_put_first_is_warned_of(policy: Policy) -> None:
    pod = injected_pod(a_pod("daemonset"), policy)
    pod["spec"]["initContainers"].insert(0, a_container("early"))
    pod["spec"]["containers"].append(a_container("late"))
    (warning,) = inject(pod, None, policy).warnings
    assert warning == "these init containers run before dind-wait does its check: early"


def test_the_handwritten_business_pod_comes_out_of_operator_settings_alone() -> None:
    policy = operator_policy(
        run_volume="docker-sock-dir",
        host_path="/var/run",
        host_path_type="",
        host_path_read_only=False,
        defaults={"socket-dir": "/var/run", "group": "", "wait": "false"},
    )
    spec = injected_pod(a_pod("daemonset"), policy)["spec"]
    assert spec["volumes"] == [{"name": "docker-sock-dir", "hostPath": {"path": "/var/run"}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "docker-sock-dir", "mountPath": "/var/run"}]
    assert "initContainers" not in spec


@pytest.mark.parametrize("option", ["cpu-limit", "storage-size", "mtu", "placement", "share-volumes", "image", "env"])
def test_options_of_the_other_mode_are_warned_of(option: str) -> None:
    policy = permissive_policy(allowed_images=("docker:*",))
    examples = {"cpu-limit": "4", "storage-size": "1Gi", "mtu": "1450", "placement": "native", "share-volumes": "false"}
    text = {**examples, "image": "docker:29-dind", "env": "{}"}[option]
    warnings = inject(a_pod("daemonset", {option: text}), None, policy).warnings
    assert warnings == (f"without effect in daemonset mode: dind.io/{option}",)
