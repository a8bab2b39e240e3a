"""Objects of kinds that are not known: where they mount a socket of the node or run a daemon."""

from typing import Any

import pytest

from dind_webhook.migration import Verdict, examine_unknown

SOCKET = "/var/run/docker.sock"
MICROK8S = "/var/snap/microk8s/common/run/containerd.sock"
PIPE = r"\\.\pipe\docker_engine"
DIGEST = "@sha256:" + "0" * 64
PRIVILEGED = {"privileged": True}


@pytest.mark.parametrize(
    ("resource", "path", "place"),
    [
        ({"spec": {"volumes": [{"hostPath": {"path": SOCKET}}]}}, SOCKET, "spec.volumes[0].hostPath"),
        ({"spec": {"hostPath": "/run"}}, "/run", "spec.hostPath"),
        ({"data": {"a": f'host_path = "{SOCKET}"\n'}}, SOCKET, "data.a"),
        ({"data": {"a": f"- hostPathVolume:\n    hostPath: {SOCKET}\n"}}, SOCKET, "data.a"),
        ({"data": {"a": f"volumes:\n- name: x\n  hostPath:\n    path: {SOCKET}\n"}}, SOCKET, "data.a"),
        ({"data": {"a": f'[[runners.kubernetes.volumes.host_path]]\n  mount_path = "{SOCKET}"\n'}}, SOCKET, "data.a"),
        ({"spec": {"hostPath": MICROK8S}}, MICROK8S, "spec.hostPath"),
        ({"spec": {"hostPath": PIPE}}, PIPE, "spec.hostPath"),
        ({"data": {"a": f"host_path = '{PIPE}'\n"}}, PIPE, "data.a"),
        ({"data": {"a": f'{{"hostPath": {{"path": "{SOCKET}"}}}}'}}, "", ""),
    ],
)
def test_a_path_of_the_node_is_found_with_its_place(resource: Any, path: str, place: str) -> None:
    finding = examine_unknown(resource)
    if not path:
        assert finding is None
        return
    assert finding is not None
    assert (finding.verdict, finding.paths) == (Verdict.NEEDS_A_PERSON, (path,))
    assert f"mounts {path} of the node at {place}; change it by hand" in finding.reason


def test_an_image_with_a_daemon_is_found_with_its_place() -> None:
    finding = examine_unknown(
        {"apiVersion": "tekton.dev/v1", "spec": {"sidecars": [{"image": "mirror.example/library/docker:27-dind"}]}}
    )
    assert finding is not None
    assert finding.daemon == "image mirror.example/library/docker:27-dind"
    evidence = "image mirror.example/library/docker:27-dind"
    assert f"runs a Docker daemon ({evidence}) at spec.sidecars[0]; change" in finding.reason


@pytest.mark.parametrize(
    ("container", "evidence"),
    [
        ({"image": "cruizba/ubuntu-dind:latest", "securityContext": PRIVILEGED}, "image cruizba/ubuntu-dind:latest"),
        ({"image": "docker:27-dind-rootless"}, "image docker:27-dind-rootless"),
        ({"image": f"docker:27-dind{DIGEST}"}, "image docker:27-dind@sha256:"),
        ({"image": "docker:27", "securityContext": PRIVILEGED}, "image docker:27"),
        ({"image": "build:1", "command": ["dockerd"]}, "its command"),
        ({"image": "docker:dind", "env": "text", "args": 1}, "image docker:dind"),
    ],
)
def test_a_daemon_is_found_by_the_rule_of_injection(container: Any, evidence: str) -> None:
    finding = examine_unknown({"apiVersion": "a/v1", "spec": {"template": container}})
    assert finding is not None
    assert finding.daemon.startswith(evidence)


@pytest.mark.parametrize(
    ("config", "evidence"),
    [
        ('[[runners.kubernetes.services]]\n  name = "docker:dind"\n', "image docker:dind"),
        (
            '  privileged = true\n  [[runners.kubernetes.services]]\n    alias = "d"\n    name = "a/ubuntu-dind"',
            "image a/ubuntu-dind",
        ),
        (
            '[runners.kubernetes]\n  privileged = true\n[[runners.kubernetes.services]]\n  name = "docker:27"\n',
            "image docker:27",
        ),
    ],
)
def test_a_daemon_beside_the_jobs_of_a_gitlab_runner_is_found(config: str, evidence: str) -> None:
    finding = examine_unknown({"apiVersion": "v1", "kind": "ConfigMap", "data": {"config.toml": config}})
    assert finding is not None
    assert (finding.verdict, finding.daemon) == (Verdict.NEEDS_A_PERSON, evidence)
    assert "at data.config.toml" in finding.reason


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"spec": None, "metadata": 1},
        {"spec": {"hostPath": {"path": "/data"}}},
        {"spec": {"hostPath": {"path": 1}}},
        {"spec": {"hostPath": ""}},
        {"spec": {"hostPath": "/" * 5000}},
        {"apiVersion": "a/v1", "spec": {"image": "docker:cli"}},
        {"services": {"docker": {"image": "docker:dind"}}},
        {"apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [{"extraMounts": [{"hostPath": SOCKET}]}]},
        {"apiVersion": "a/v1", "spec": {"image": ["docker:dind"]}},
        {"data": {"a": f"the path {SOCKET}"}},
        {"data": {"a": "host_path = " * 10_000}},
        {"data": {"a": ".kubernetes.volumes.host_path]]" * 10_000}},
        {"data": {"a": f'[[runners.kubernetes.volumes.empty_dir]]\nmount_path = "{SOCKET}"'}},
        {"data": {"a": f'[[runners.kubernetes.volumes.host_path]]\nmount_path = "{SOCKET}"\nhost_path = "/data"'}},
        {"data": {"a": '[[runners.kubernetes.services]]\nname = "docker:27"'}},
        {"data": {"a": '[[runners.kubernetes.services]]\nname = "postgres"\n[[x]]\nname = "docker:dind"'}},
        {"apiVersion": "a/v1", "spec": {"image": "docker:27", "securityContext": {"privileged": False}}},
        {"apiVersion": "a/v1", "spec": {"image": "docker:dind", "args": ["sleep"]}},
    ],
)
def test_another_object_is_not_a_finding(resource: Any) -> None:
    assert examine_unknown(resource) is None


def test_a_user_can_leave_it_on_purpose() -> None:
    metadata = {"annotations": {"dind.io/inject": "disabled"}}
    finding = examine_unknown({"metadata": metadata, "spec": {"hostPath": SOCKET}})
    assert finding is not None
    assert finding.verdict is Verdict.IS_NO_BUILD


def test_a_sentence_names_a_few_of_many() -> None:
    finding = examine_unknown({"spec": [{"hostPath": SOCKET}] * 10_000})
    assert finding is not None
    assert "and 15 more" in finding.reason
    assert len(finding.reason) < 1000
