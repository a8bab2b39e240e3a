"""The DaemonSet that pulls images on every node."""

from typing import Any

from helm import RELEASE, kinds, only, refusal, render

from dind_webhook.injection import built_in_options

_DAEMON = built_in_options().image
_TOLERATION = {"key": "docker", "operator": "Exists"}


def spec(injection: Any = None, **prepull: Any) -> Any:
    values = {"prepull": {"enabled": True, **prepull}, "settings": {"injection": injection or {}}}
    return only(render(values), "DaemonSet", f"{RELEASE}-prepull")["spec"]["template"]["spec"]


def test_there_is_none_unless_it_is_wanted() -> None:
    assert "DaemonSet" not in kinds(render({}))


def test_each_image_runs_a_program_that_needs_nothing_of_the_image() -> None:
    found = spec(images=["a.example/b:1", "c"])
    first, *others = found["initContainers"]
    assert first["image"] == _DAEMON
    assert [each["image"] for each in others] == ["a.example/b:1", "c"]
    for each in others:
        assert each["command"] == ["/program/docker-init", "--version"]
        assert each["volumeMounts"] == [{"name": "program", "mountPath": "/program", "readOnly": True}]
    (pause,) = found["containers"]
    assert pause["image"] == _DAEMON


def test_images_of_sidecars_are_those_of_all_namespaces() -> None:
    entry = {"names": ["a"], "defaults": {"image": "docker:28-dind"}}
    found = spec({"defaults": {"image": "own:29-dind"}, "namespaces": [entry]}, images=["own:29-dind"])
    assert [each["image"] for each in found["initContainers"]] == ["own:29-dind", "docker:28-dind"]


def test_its_pods_are_where_pods_in_sidecar_mode_are() -> None:
    found = spec({"node_selector": {"pool": "docker"}, "tolerations": [_TOLERATION]}, tolerations=[_TOLERATION])
    assert found["nodeSelector"] == {"pool": "docker", "kubernetes.io/os": "linux"}
    assert found["tolerations"] == [_TOLERATION]


def test_its_containers_have_no_rights() -> None:
    found = spec(images=["a"])
    assert found["automountServiceAccountToken"] is False
    for each in (*found["initContainers"], *found["containers"]):
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert each["securityContext"]["allowPrivilegeEscalation"] is False


def test_an_image_that_is_none_is_refused() -> None:
    assert "images" in refusal({"prepull": {"enabled": True, "images": ["a b"]}})
