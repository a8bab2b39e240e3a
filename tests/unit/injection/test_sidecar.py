"""Sidecar mode adds these members to a pod."""

from dataclasses import replace
from typing import Any

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

from dind_webhook.injection import Policy, Reason, inject
from dind_webhook.injection.start_script import START_SCRIPT
from dind_webhook.model import JsonObject


def test_a_pod_is_given_exactly_what_the_contract_says(policy: Policy) -> None:
    patched = injected_pod(a_pod(), policy)
    spec = patched["spec"]
    (daemon,) = spec["initContainers"]
    (hook,) = [daemon.pop("lifecycle")["postStart"]["exec"]["command"]]
    assert daemon == {
        "name": "dind",
        "image": "docker:29.8.2-dind",
        "restartPolicy": "Always",
        "command": ["sh", "-c", START_SCRIPT, "start-dockerd"],
        "args": [
            "dockerd",
            "--host=unix:///run/dind/docker.sock",
            "--host=unix:///var/run/docker.sock",
            "--group=2375",
        ],
        "resources": {
            "requests": {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "2Gi"},
            "limits": {"cpu": "2", "memory": "4Gi"},
        },
        "securityContext": {
            "privileged": True,
            "allowPrivilegeEscalation": True,
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "readOnlyRootFilesystem": False,
            "procMount": "Default",
            "seccompProfile": {"type": "Unconfined"},
        },
        "volumeMounts": [
            {"name": "dind-run", "mountPath": "/run/dind"},
            {"name": "dind-storage", "mountPath": "/var/lib/docker"},
        ],
    }
    assert hook[:2] == ["sh", "-c"]
    assert hook[2].endswith("ln -f /run/dind/docker.sock /run/dind/compat.sock")
    assert spec["volumes"] == [
        {"name": "dind-run", "emptyDir": {}},
        {"name": "dind-storage", "emptyDir": {"sizeLimit": "20Gi"}},
    ]
    assert spec["containers"] == [
        a_container(
            env=[{"name": "DOCKER_HOST", "value": "unix:///run/dind/docker.sock"}],
            volumeMounts=[
                {"name": "dind-run", "mountPath": "/run/dind"},
                {"name": "dind-run", "mountPath": "/var/run/docker.sock", "subPath": "compat.sock"},
            ],
        )
    ]
    assert spec["securityContext"] == {"supplementalGroups": [2375]}
    assert patched["metadata"]["annotations"].keys() - a_pod()["metadata"]["annotations"].keys() == {
        "dind.io/status",
        "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
        "kubectl.kubernetes.io/default-container",
    }


def test_without_the_hook_a_probe_holds_the_other_containers_back(policy: Policy) -> None:
    spec = injected_pod(a_pod(), replace(policy, docker_sock=False))["spec"]
    dind = find_by_name(spec["initContainers"], "dind")
    assert "lifecycle" not in dind
    assert dind["startupProbe"] == {
        "exec": {"command": ["docker", "--host=unix:///run/dind/docker.sock", "version"]},
        "periodSeconds": 1,
        "timeoutSeconds": 5,
        "failureThreshold": 180,
    }


def test_a_pod_of_the_default_operator_has_no_warnings(policy: Policy) -> None:
    assert inject(a_pod(), None, policy).warnings == ()


def test_the_daemon_is_first_of_the_init_containers(policy: Policy) -> None:
    spec = injected_pod(a_pod(initContainers=[a_container("setup")]), policy)["spec"]
    assert names_of(spec["initContainers"]) == ["dind", "setup"]


def test_an_ordinary_container_has_no_restart_policy_probe_or_second_mount(policy: Policy) -> None:
    pod = a_pod(options={"placement": "container"}, initContainers=[a_container("setup")])
    spec = injected_pod(pod, policy)["spec"]
    assert names_of(spec["containers"]) == ["build", "dind"]
    assert names_of(spec["initContainers"]) == ["setup"]
    assert {"restartPolicy", "startupProbe", "lifecycle"}.isdisjoint(find_by_name(spec["containers"], "dind"))
    assert mount_paths_of(find_by_name(spec["containers"], "build")) == ["/run/dind"]
    assert "volumeMounts" not in spec["initContainers"][0]


@pytest.mark.parametrize(
    ("restart_policy", "warns"), [("Never", True), ("OnFailure", True), ("Always", False), (None, False)]
)
def test_an_ordinary_container_keeps_a_job_from_completing(restart_policy: Any, warns: bool, policy: Policy) -> None:
    pod = a_pod(options={"placement": "container"}, restartPolicy=restart_policy)
    warnings = inject(pod, None, policy).warnings
    assert any("will not complete" in warning for warning in warnings) is warns


def test_a_native_sidecar_lets_a_job_complete(policy: Policy) -> None:
    assert inject(a_pod(restartPolicy="Never"), None, policy).warnings == ()


@pytest.mark.parametrize("socket_dir", ["/var/run", "/run"])
def test_where_the_socket_is_at_its_default_path_nothing_is_offered_twice(socket_dir: str) -> None:
    pod = a_pod(options={"socket-dir": socket_dir})
    spec = injected_pod(pod, permissive_policy())["spec"]
    assert mount_paths_of(spec["containers"][0]) == [socket_dir]
    assert [a for a in spec["initContainers"][0]["args"] if "--host" in a] == [
        f"--host=unix://{socket_dir}/docker.sock"
    ]
    assert "lifecycle" not in spec["initContainers"][0]
    assert any("hides what" in warning for warning in inject(pod, None, permissive_policy()).warnings)


def test_an_address_beyond_loopback_is_warned_of() -> None:
    policy = permissive_policy(allow_public_tcp=True)
    (warning,) = inject(a_pod(options={"tcp": "0.0.0.0:2375"}), None, policy).warnings
    assert "tcp://0.0.0.0:2375 has no TLS" in warning
    assert inject(a_pod(options={"tcp": "127.0.0.1:2375"}), None, policy).warnings == ()


@pytest.mark.parametrize(
    ("image", "warns"),
    [
        ("docker:stable-dind", True),
        ("docker.io/library/docker:stable", True),
        ("docker:edge-dind", True),
        ("docker:test-dind", True),
        ("docker:29-dind", False),
        ("registry.example/docker:stable-dind", False),
    ],
)
def test_an_image_that_is_frozen_is_warned_of(image: str, warns: bool) -> None:
    warnings = inject(a_pod(), None, operator_policy(defaults={"image": image})).warnings
    assert any("frozen" in warning for warning in warnings) is warns


@pytest.mark.parametrize(
    ("pod_spec", "allowed", "reason"),
    [
        ({"hostNetwork": True}, {}, Reason.HOST_NETWORK),
        ({"hostNetwork": True}, {"allow_host_network": True}, Reason.INJECTED),
        ({"hostNetwork": False}, {}, Reason.INJECTED),
        ({"hostNetwork": None}, {}, Reason.INJECTED),
    ],
)
def test_the_nodes_network_needs_the_operators_consent(
    pod_spec: JsonObject, allowed: dict[str, bool], reason: Reason
) -> None:
    assert inject(a_pod(**pod_spec), None, operator_policy(**allowed)).reason is reason


@pytest.mark.parametrize("spec", [{"hostNetwork": True}, {"hostUsers": False}])
def test_daemonset_mode_has_nothing_against_them(spec: JsonObject, policy: Policy) -> None:
    assert inject(a_pod("daemonset", **spec), None, policy).reason is Reason.INJECTED


def test_the_handwritten_sidecar_comes_out_of_operator_settings_alone() -> None:
    policy = operator_policy(
        run_volume="cache-dir",
        start_script=False,
        storage=False,
        tls_flag=False,
        defaults={
            "image": "docker:stable-dind",
            "placement": "container",
            "socket-dir": "/var/run",
            "tcp": "0.0.0.0:8000",
            "group": "",
        },
    )
    spec = injected_pod(a_pod(), policy)["spec"]
    daemon = find_by_name(spec["containers"], "dind")
    assert daemon["image"] == "docker:stable-dind"
    assert "command" not in daemon
    assert daemon["args"] == ["dockerd", "--host=unix:///var/run/docker.sock", "--host=tcp://0.0.0.0:8000"]
    assert daemon["securityContext"]["privileged"] is True
    assert spec["volumes"] == [{"name": "cache-dir", "emptyDir": {}}]
    for container in spec["containers"]:
        assert container["volumeMounts"] == [{"name": "cache-dir", "mountPath": "/var/run"}]
    assert "securityContext" not in spec
