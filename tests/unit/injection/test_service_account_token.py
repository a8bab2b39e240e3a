"""The containers that injection adds have the pod's service account token."""

from typing import Any

import pytest
from pods import a_container, a_pod, find_by_name, injected_pod

from dind_webhook.injection import Policy, Reason, inject
from dind_webhook.model import JsonObject

_PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"
_VOLUME = {"name": "kube-api-access-x7k2p", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
_MOUNT = {"name": "kube-api-access-x7k2p", "mountPath": _PLACE, "readOnly": True}


def _mounts_of(pod: JsonObject, name: str, policy: Policy) -> list[JsonObject]:
    """Return the mounts of the container of this name after injection."""
    spec = injected_pod(pod, policy)["spec"]
    mounts: list[JsonObject] = find_by_name([*spec["initContainers"], *spec["containers"]], name)["volumeMounts"]
    return mounts


def _with_a_token(mode: str = "sidecar", *mounts: JsonObject, **members: Any) -> JsonObject:
    return a_pod(mode, containers=[a_container(volumeMounts=[*mounts])], volumes=[_VOLUME], **members)


@pytest.mark.parametrize(("mode", "name"), [("sidecar", "dind"), ("daemonset", "dind-wait")])
def test_the_container_that_is_added_has_the_token_as_the_others_do(mode: str, name: str, policy: Policy) -> None:
    assert _MOUNT in _mounts_of(_with_a_token(mode, _MOUNT), name, policy)


def test_what_the_api_server_would_change_afterwards_is_there(policy: Policy) -> None:
    """The plugin adds the token to containers without it. If it adds none, the API server does not call us again."""
    pod = injected_pod(_with_a_token("sidecar", _MOUNT), policy)
    for container in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]:
        assert [mount for mount in container["volumeMounts"] if mount["mountPath"] == _PLACE] == [_MOUNT]
    assert inject(pod, None, policy).reason is Reason.UNCHANGED


@pytest.mark.parametrize(
    "mounts",
    [[], [{**_MOUNT, "mountPath": "/elsewhere"}], [{"name": "w", "mountPath": _PLACE}]],
    ids=["nobody mounts it", "mounted elsewhere", "something else is there"],
)
def test_a_token_that_no_container_has_at_its_place_is_not_given_to_ours(
    mounts: list[JsonObject], policy: Policy
) -> None:
    mount_paths = [mount["mountPath"] for mount in _mounts_of(_with_a_token("sidecar", *mounts), "dind", policy)]
    assert _PLACE not in mount_paths


def test_another_volume_at_its_place_is_no_token(policy: Policy) -> None:
    pod = a_pod(
        containers=[a_container(volumeMounts=[{"name": "own", "mountPath": _PLACE, "readOnly": True}])],
        volumes=[{"name": "own", "secret": {"secretName": "s"}}],
    )
    assert _PLACE not in [mount["mountPath"] for mount in _mounts_of(pod, "dind", policy)]
