"""The operations for lists that are absent, null, empty or filled (RFC 6902)."""

from typing import Any

import jsonpatch
import pytest
from pods import a_container, a_pod, find_by_name, injected_pod, operator_policy

from dind_webhook.injection import Mode, Policy, Reason, inject
from dind_webhook.model import JsonObject, Operation

_STATUS = "/metadata/annotations/dind.io~1status"
_OTHER = {"name": "other", "emptyDir": {}}


def _operations(pod: JsonObject, policy: Policy) -> list[Operation]:
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.INJECTED, decision.message
    return list(decision.operations)


def _with(member: str, value: Any) -> JsonObject:
    """Return a pod with this member, in its container or in its spec."""
    if member in ("env", "volumeMounts"):
        return a_pod(containers=[a_container(**{member: value})])
    return a_pod(**{member: value})


_LISTS = {
    "env": "/spec/containers/0/env",
    "volumeMounts": "/spec/containers/0/volumeMounts",
    "volumes": "/spec/volumes",
    "initContainers": "/spec/initContainers",
}
_FILLED: dict[str, list[JsonObject]] = {
    "env": [{"name": "A"}],
    "volumeMounts": [{"name": "other", "mountPath": "/other"}],
    "volumes": [_OTHER],
    "initContainers": [{"name": "setup", "image": "alpine"}],
}


@pytest.mark.parametrize("member", _LISTS)
def test_an_absent_list_is_added_whole(member: str, policy: Policy) -> None:
    found = [operation for operation in _operations(a_pod(), policy) if operation["path"].startswith(_LISTS[member])]
    (operation,) = found
    assert operation["path"] == _LISTS[member]
    assert isinstance(operation["value"], list)


@pytest.mark.parametrize("member", _LISTS)
def test_a_null_list_is_added_whole(member: str, policy: Policy) -> None:
    assert _operations(_with(member, None), policy) == _operations(a_pod(), policy)


@pytest.mark.parametrize("member", _LISTS)
@pytest.mark.parametrize("filled", [False, True])
def test_a_present_list_gets_one_operation_for_each_element(member: str, filled: bool, policy: Policy) -> None:
    pod = _with(member, _FILLED[member] if filled else [])
    place = _LISTS[member]
    end = f"{place}/0" if member == "initContainers" else f"{place}/-"
    found = [operation for operation in _operations(pod, policy) if operation["path"].startswith(place)]
    operation_for_all = next(operation for operation in _operations(a_pod(), policy) if operation["path"] == place)
    assert [(operation["path"], operation["value"]) for operation in found if operation["path"] == end] == [
        (end, value) for value in operation_for_all["value"]
    ]
    assert place not in [operation["path"] for operation in found]


@pytest.mark.parametrize("security", [{}, {"supplementalGroups": None}, {"runAsUser": 1000}])
def test_groups_are_added_to_a_security_context_that_has_none(security: JsonObject, policy: Policy) -> None:
    operations = _operations(a_pod(securityContext=security), policy)
    assert [o for o in operations if o["path"].startswith("/spec/securityContext")] == [
        {"op": "add", "path": "/spec/securityContext/supplementalGroups", "value": [2375]}
    ]


@pytest.mark.parametrize("spec", [{}, {"securityContext": None}])
def test_a_security_context_is_added_where_there_is_none(spec: JsonObject, policy: Policy) -> None:
    operations = _operations(a_pod(**spec), policy)
    assert [o for o in operations if o["path"].startswith("/spec/securityContext")] == [
        {"op": "add", "path": "/spec/securityContext", "value": {"supplementalGroups": [2375]}}
    ]


@pytest.mark.parametrize("groups", [[], [1000, 2000]])
def test_a_group_is_appended_to_those_that_are_there(groups: list[int], policy: Policy) -> None:
    operations = _operations(a_pod(securityContext={"supplementalGroups": groups}), policy)
    assert [o for o in operations if o["path"].startswith("/spec/securityContext")] == [
        {"op": "add", "path": "/spec/securityContext/supplementalGroups/-", "value": 2375}
    ]


def test_a_group_that_is_there_is_not_added_again(policy: Policy) -> None:
    operations = _operations(a_pod(securityContext={"supplementalGroups": [2375]}), policy)
    assert not [o for o in operations if o["path"].startswith("/spec/securityContext")]


@pytest.mark.parametrize(
    ("metadata", "place"),
    [
        ({"labels": {"dind.io/inject": "sidecar"}}, "/metadata/annotations"),
        ({"labels": {"dind.io/inject": "sidecar"}, "annotations": None}, "/metadata/annotations"),
    ],
)
def test_absent_annotations_are_added_whole(metadata: JsonObject, place: str, policy: Policy) -> None:
    pod = {**a_pod(), "metadata": metadata}
    (operation,) = [o for o in _operations(pod, policy) if o["path"].startswith("/metadata/annotations")]
    assert operation["path"] == place
    assert "dind.io/status" in operation["value"]


@pytest.mark.parametrize(
    ("labels", "operation"),
    [
        (None, ("/metadata/labels", {"dind.io/injected": "sidecar"})),
        ({}, ("/metadata/labels/dind.io~1injected", "sidecar")),
        ({"a": "b"}, ("/metadata/labels/dind.io~1injected", "sidecar")),
        ({"dind.io/injected": None}, ("/metadata/labels/dind.io~1injected", "sidecar")),
        ({"dind.io/injected": "sidecar"}, None),
    ],
)
def test_a_label_selects_injected_pods(labels: Any, operation: Any, policy: Policy) -> None:
    pod = a_pod()
    pod["metadata"]["labels"] = labels
    found = [(o["path"], o["value"]) for o in _operations(pod, policy) if o["path"].startswith("/metadata/labels")]
    assert found == ([operation] if operation else [])


def test_absent_metadata_is_added_whole() -> None:
    decision = inject({"spec": {"containers": [a_container()]}}, Mode.SIDECAR, operator_policy())
    (operation,) = [o for o in decision.operations if o["path"].startswith("/metadata")]
    assert operation["path"] == "/metadata"
    assert "dind.io/status" in operation["value"]["annotations"]
    assert operation["value"]["labels"] == {"dind.io/injected": "sidecar"}


def test_annotations_that_are_there_get_one_operation_each_with_escaped_keys(policy: Policy) -> None:
    found = [o["path"] for o in _operations(a_pod(), policy) if o["path"].startswith("/metadata/annotations")]
    assert found == [
        _STATUS,
        "/metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict-local-volumes",
        "/metadata/annotations/kubectl.kubernetes.io~1default-container",
    ]


def test_keys_of_the_user_with_tildes_and_slashes_survive(policy: Policy) -> None:
    pod = a_pod()
    pod["metadata"]["annotations"] |= {"a~b": "1", "a/b": "2", "~0": "3", "~1": "4"}
    patched = injected_pod(pod, policy)
    assert pod["metadata"]["annotations"].items() <= patched["metadata"]["annotations"].items()


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_the_operations_of_a_list_are_adjacent(mode: str, policy: Policy) -> None:
    volume = {"name": "w", "emptyDir": {}}
    full = {"env": [{"name": "A"}], "volumeMounts": [{"name": "w", "mountPath": "/w"}]}
    pod = a_pod(
        mode,
        containers=[a_container(**full), a_container("test", **full)],
        initContainers=[a_container("setup", **full)],
        volumes=[volume],
        securityContext={"supplementalGroups": [1]},
    )
    lists = [operation["path"].rpartition("/")[0] for operation in _operations(pod, policy)]
    runs = [place for index, place in enumerate(lists) if index == 0 or lists[index - 1] != place]
    assert len(runs) == len(set(runs))


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_nothing_but_add_is_used(mode: str, policy: Policy) -> None:
    assert {operation["op"] for operation in _operations(a_pod(mode), policy)} == {"add"}


def test_containers_that_follow_an_insertion_get_what_was_meant_for_them(policy: Policy) -> None:
    pod = a_pod(initContainers=[a_container("first"), a_container("second", env=[])])
    patched = jsonpatch.apply_patch(pod, _operations(pod, policy))
    assert [container["name"] for container in patched["spec"]["initContainers"]] == ["dind", "first", "second"]
    for name in ("first", "second"):
        assert find_by_name(find_by_name(patched["spec"]["initContainers"], name)["env"], "DOCKER_HOST")
