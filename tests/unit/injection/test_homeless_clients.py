"""Clients that may have the home `/`, in which no user but root can make `.docker`."""

import pytest
from pods import a_container, a_pod, find_by_name, injected_pod, mount_paths_of, names_of, operator_policy

from dind_webhook.injection import Reason, inject
from dind_webhook.model import JsonObject

_POLICY = operator_policy()
_NON_ROOT = {"runAsUser": 1000}
_BOTH_MODES = pytest.mark.parametrize("mode", ["sidecar", "daemonset"])


def _mount(container: str) -> JsonObject:
    return {"name": "dind-config", "mountPath": "/.docker", "subPath": container}


@_BOTH_MODES
def test_each_client_has_a_directory_of_its_own_and_the_daemon_none(mode: str) -> None:
    containers = [a_container("build"), a_container("push"), a_container("helper")]
    pod = a_pod(mode, {"containers": "build,push"}, containers=containers, securityContext=_NON_ROOT)
    spec = injected_pod(pod, _POLICY)["spec"]
    assert find_by_name(spec["volumes"], "dind-config") == {"name": "dind-config", "emptyDir": {}}
    for name in ("build", "push"):
        assert _mount(name) in find_by_name(spec["containers"], name)["volumeMounts"]
    assert "dind-config" not in str([find_by_name(spec["containers"], "helper"), spec["initContainers"]])


@_BOTH_MODES
def test_the_cluster_autoscaler_may_evict_the_pod(mode: str) -> None:
    annotations = injected_pod(a_pod(mode, securityContext=_NON_ROOT), _POLICY)["metadata"]["annotations"]
    names = annotations["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"].split(",")
    assert names[-1] == "dind-config"


@pytest.mark.parametrize(
    ("shared", "own", "is_homeless"),
    [
        ({}, {}, False),
        ({"runAsUser": 0}, {}, False),
        ({"runAsUser": 1000}, {}, True),
        ({"runAsUser": 1000}, {"runAsUser": 0}, False),
        ({"runAsUser": 0}, {"runAsUser": 1000}, True),
        ({}, {"runAsUser": 1000}, True),
        ({"runAsNonRoot": True}, {}, True),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, False),
        ({}, {"runAsNonRoot": True}, True),
        ({"runAsNonRoot": False}, {"readOnlyRootFilesystem": False}, False),
    ],
)
@_BOTH_MODES
def test_the_user_of_the_container_or_pod_decides(
    mode: str, shared: JsonObject, own: JsonObject, *, is_homeless: bool
) -> None:
    pod = a_pod(mode, containers=[a_container(securityContext=own)], securityContext=shared)
    spec = injected_pod(pod, _POLICY)["spec"]
    assert ("/.docker" in mount_paths_of(spec["containers"][0])) is is_homeless
    assert ("dind-config" in names_of(spec["volumes"])) is is_homeless


@pytest.mark.parametrize(
    ("members", "is_homeless"),
    [
        ({"env": [{"name": "HOME", "value": "/tmp"}]}, False),
        ({"env": [{"name": "HOME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}, False),
        ({"env": [{"name": "HOME", "value": "/"}]}, True),
        ({"env": [{"name": "HOME", "value": "//"}]}, True),
        ({"env": [{"name": "HOME", "value": ""}]}, True),
        ({"env": [{"name": "DOCKER_CONFIG", "value": ""}]}, True),
        ({"env": [{"name": "DOCKER_CONFIG", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}, False),
        ({"env": [{"name": "DOCKER_CONFIG", "value": "/tmp"}]}, False),
        ({"volumeMounts": [{"name": "own", "mountPath": "/.docker"}]}, False),
        ({"volumeMounts": [{"name": "own", "mountPath": "/.docker/config.json", "subPath": "a"}]}, False),
        ({"volumeMounts": [{"name": "own", "mountPath": "/home/ci/.docker/"}]}, False),
        ({"volumeMounts": [{"name": "own", "mountPath": "/home/ci"}]}, True),
    ],
)
def test_a_container_with_a_home_or_a_configuration_keeps_it(members: JsonObject, *, is_homeless: bool) -> None:
    own_volume = {"name": "own", "emptyDir": {}}
    pod = a_pod(containers=[a_container(**members)], volumes=[own_volume], securityContext=_NON_ROOT)
    spec = injected_pod(pod, _POLICY)["spec"]
    assert ("dind-config" in str(spec["containers"][0])) is is_homeless


def test_the_home_of_the_pods_author_decides_before_the_user() -> None:
    """A webhook cannot see the user of the image."""
    pod = a_pod(containers=[a_container(env=[{"name": "HOME", "value": "/"}])])
    assert _mount("build") in injected_pod(pod, _POLICY)["spec"]["containers"][0]["volumeMounts"]


@pytest.mark.parametrize("options", [{"registry-secret": "registry"}, {"proxy": "http://proxy"}])
def test_docker_config_of_an_option_replaces_the_directory(options: JsonObject) -> None:
    policy = operator_policy(allowed_options=frozenset({"registry-secret", "proxy"}))
    pod = injected_pod(a_pod(options=options, securityContext=_NON_ROOT), policy)
    assert "/.docker" not in str(pod)


@_BOTH_MODES
def test_a_second_call_changes_nothing(mode: str) -> None:
    injected = injected_pod(a_pod(mode, securityContext=_NON_ROOT), _POLICY)
    assert inject(injected, None, _POLICY).reason is Reason.UNCHANGED


@_BOTH_MODES
def test_a_client_that_another_webhook_adds_later_gets_the_directory_too(mode: str) -> None:
    options = {} if mode == "sidecar" else {"wait": "false"}
    injected = injected_pod(a_pod(mode, options), _POLICY)
    assert "dind-config" not in str(injected)
    injected["spec"]["containers"].append(a_container("late", securityContext=_NON_ROOT))
    spec = injected_pod(injected, _POLICY)["spec"]
    assert _mount("late") in find_by_name(spec["containers"], "late")["volumeMounts"]
    assert "/.docker" not in mount_paths_of(find_by_name(spec["containers"], "build"))
    assert "dind-config" in names_of(spec["volumes"])


def test_the_directory_is_not_shared_with_the_daemon_in_a_second_call() -> None:
    injected = injected_pod(a_pod(securityContext=_NON_ROOT), _POLICY)
    injected["spec"]["containers"].append(a_container("late"))
    assert "dind-config" not in str(injected_pod(injected, _POLICY)["spec"]["initContainers"])


@_BOTH_MODES
def test_a_volume_of_that_name_is_denied_only_where_it_is_needed(mode: str) -> None:
    volumes = [{"name": "dind-config", "emptyDir": {}}]
    decision = inject(a_pod(mode, volumes=volumes, securityContext=_NON_ROOT), None, _POLICY)
    assert decision.reason is Reason.NAME_TAKEN
    assert 'the pod has a volume "dind-config" of its own' in decision.message
    assert inject(a_pod(mode, volumes=volumes), None, _POLICY).reason is Reason.INJECTED


def test_a_container_may_not_mount_the_directory_of_another() -> None:
    injected = injected_pod(a_pod(securityContext=_NON_ROOT), _POLICY)
    injected["spec"]["containers"].append(a_container("late", volumeMounts=[_mount("build")]))
    decision = inject(injected, None, _POLICY)
    assert decision.reason is Reason.NAME_TAKEN
    assert 'container "late" mounts volume "dind-config" at /.docker' in decision.message
