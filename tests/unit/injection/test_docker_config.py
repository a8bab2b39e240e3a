"""The Secret that becomes the clients' DOCKER_CONFIG."""

import pytest
from pods import a_container, a_pod, find_by_name, injected_pod, permissive_policy

from dind_webhook.injection import Reason, inject
from dind_webhook.model import JsonObject

_POLICY = permissive_policy()
_OPTIONS = {"registry-secret": "registry-credentials"}
_MOUNT = {"name": "dind-registry", "mountPath": "/etc/dind-config", "readOnly": True}


def _variables(container: JsonObject) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


def test_each_client_gets_the_secret_and_a_directory_of_its_own_for_buildx() -> None:
    pod = a_pod(options=_OPTIONS, containers=[a_container("build"), a_container("test")])
    spec = injected_pod(pod, _POLICY)["spec"]
    for name in ("build", "test"):
        container = find_by_name(spec["containers"], name)
        assert _MOUNT in container["volumeMounts"]
        assert _variables(container) == {
            "DOCKER_HOST": "unix:///run/dind/docker.sock",
            "DOCKER_CONFIG": "/etc/dind-config",
            "BUILDX_CONFIG": f"/run/dind/buildx-{name}",
        }
    # The volume has the Secret alone, and the daemon does not get it.
    assert find_by_name(spec["volumes"], "dind-registry")["secret"] == {
        "secretName": "registry-credentials",
        "optional": True,
        "items": [{"key": ".dockerconfigjson", "path": "config.json"}],
    }
    assert "dind-registry" not in str(find_by_name(spec["initContainers"], "dind"))


def test_a_second_call_changes_nothing() -> None:
    injected = injected_pod(a_pod(options=_OPTIONS), _POLICY)
    decision = inject(injected, None, _POLICY)
    assert decision.reason is Reason.UNCHANGED


@pytest.mark.parametrize(
    "members",
    [
        {"env": [{"name": "DOCKER_CONFIG", "value": "/own"}]},
        {"env": [{"name": "DOCKER_CONFIG", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        {"volumeMounts": [{"name": "own", "mountPath": "/root/.docker"}]},
        {"volumeMounts": [{"name": "own", "mountPath": "/home/ci/.docker/config.json", "subPath": "a"}]},
    ],
)
def test_a_container_with_a_configuration_keeps_it(members: JsonObject) -> None:
    pod = a_pod(options=_OPTIONS, containers=[a_container(**members)], volumes=[{"name": "own", "emptyDir": {}}])
    decision = inject(pod, None, _POLICY)
    warning = "the registry Secret is not used, because DOCKER_CONFIG or .docker is theirs, in: build"
    assert warning in decision.warnings
    added = {each["name"] for each in injected_pod(pod, _POLICY)["spec"]["containers"][0]["env"]}
    assert "BUILDX_CONFIG" not in added


def test_a_directory_for_buildx_is_kept() -> None:
    pod = a_pod(options=_OPTIONS, containers=[a_container(env=[{"name": "BUILDX_CONFIG", "value": "/own"}])])
    container = injected_pod(pod, _POLICY)["spec"]["containers"][0]
    assert _variables(container)["BUILDX_CONFIG"] == "/own"
    assert _variables(container)["DOCKER_CONFIG"] == "/etc/dind-config"


def test_another_mount_at_the_path_is_denied() -> None:
    mount = {"name": "own", "mountPath": "/etc/dind-config"}
    pod = a_pod(
        options=_OPTIONS, containers=[a_container(volumeMounts=[mount])], volumes=[{"name": "own", "emptyDir": {}}]
    )
    decision = inject(pod, None, _POLICY)
    assert decision.reason is Reason.MOUNT_PATH_TAKEN
    assert "in the way of the registry's credentials at /etc/dind-config" in decision.message


def test_daemonset_mode_has_no_such_option() -> None:
    pod = a_pod("daemonset", _OPTIONS)
    assert "without effect in daemonset mode: dind.io/registry-secret" in inject(pod, None, _POLICY).warnings
    assert "dind-registry" not in str(injected_pod(pod, _POLICY))
