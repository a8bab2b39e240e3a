"""Objects of kinds that are not known: where they mount a socket of the node or run a daemon."""

from typing import Any

import pytest

from app.migration import Verdict, examine_unknown

SOCKET = "/var/run/docker.sock"


@pytest.mark.parametrize(
    ("resource", "path", "place"),
    [
        ({"spec": {"volumes": [{"hostPath": {"path": SOCKET}}]}}, SOCKET, "spec.volumes[0].hostPath"),
        ({"spec": {"hostPath": "/run"}}, "/run", "spec.hostPath"),
        ({"data": {"a": f'host_path = "{SOCKET}"\n'}}, SOCKET, "data.a"),
        ({"data": {"a": f"- hostPathVolume:\n    hostPath: {SOCKET}\n"}}, SOCKET, "data.a"),
        ({"data": {"a": f"volumes:\n- name: x\n  hostPath:\n    path: {SOCKET}\n"}}, SOCKET, "data.a"),
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
    assert "runs image mirror.example/library/docker:27-dind at spec.sidecars[0].image" in finding.reason


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
