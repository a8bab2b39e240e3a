"""The view of a pod, and the message if the pod is malformed."""

from typing import Any

import pytest
from msgspec import Raw

from dind_webhook.model import JsonObject, MalformedPodError, Volume, read_metadata, read_pod

_BUILD: JsonObject = {"name": "build", "image": "alpine"}


def _pod(**spec: Any) -> JsonObject:
    return {"spec": {"containers": [_BUILD], **spec}}


def _mounting(**members: Any) -> JsonObject:
    return _pod(containers=[{**_BUILD, "volumeMounts": [{"name": "w", "mountPath": "/w", **members}]}])


_MOUNT = "spec.containers[0].volumeMounts[0]"


def test_a_view_names_what_injection_reads() -> None:
    raw = {
        "spec": {
            "initContainers": [{"name": "proxy", "restartPolicy": "Always"}, {"name": "setup"}],
            "containers": [
                {
                    "name": "build",
                    "env": [{"name": "A", "value": "1"}],
                    "volumeMounts": [{"name": "w", "mountPath": "/var/run//w/"}],
                }
            ],
            "volumes": [{"name": "w", "emptyDir": {}}],
            "securityContext": {"supplementalGroups": [1, 2]},
        }
    }
    pod = read_pod(raw)
    proxy, setup = pod.init_containers
    (build,) = pod.containers
    assert (proxy.pointer, proxy.is_init, proxy.is_native_sidecar) == ("/spec/initContainers/0", True, True)
    assert (setup.pointer, setup.is_init, setup.is_native_sidecar) == ("/spec/initContainers/1", True, False)
    assert (build.pointer, build.is_init, build.is_native_sidecar) == ("/spec/containers/0", False, False)
    assert {name: variable.value for name, variable in build.env.items()} == {"A": "1"}
    assert [(mount.volume, mount.path) for mount in build.mounts] == [("w", "/run/w")]
    assert pod.volumes == {"w": Volume("w", "emptyDir")}
    assert pod.supplemental_groups == (1, 2)


def test_a_container_that_restarts_always_is_no_native_sidecar() -> None:
    (build,) = read_pod({"spec": {"containers": [{"name": "build", "restartPolicy": "Always"}]}}).containers
    assert not build.is_native_sidecar


def test_containers_and_init_containers_are_found_by_name() -> None:
    pod = read_pod(_pod(initContainers=[{"name": "setup"}]))
    found = {name: pod.containers_by_name.get(name) for name in ("setup", "build", "other")}
    assert [container and container.pointer for container in found.values()] == [
        "/spec/initContainers/0",
        "/spec/containers/0",
        None,
    ]


@pytest.mark.parametrize("member", ["initContainers", "volumes", "securityContext"])
def test_null_is_the_same_as_absence(member: str) -> None:
    null, absent = read_pod(_pod(**{member: None})), read_pod(_pod())
    assert len(null.init_containers) == len(absent.init_containers)
    assert (null.volumes, null.supplemental_groups) == (absent.volumes, absent.supplemental_groups)


def test_null_lists_of_a_container_are_the_same_as_absent_ones() -> None:
    (container,) = read_pod({"spec": {"containers": [{**_BUILD, "env": None, "volumeMounts": None}]}}).containers
    assert (container.env, container.mounts) == ({}, ())


def test_members_that_nothing_reads_are_not_looked_at() -> None:
    raw = _pod(futureField={"a": [None]}, topologySpreadConstraints="?", containers=[{**_BUILD, "ports": 17}])
    assert [container.name for container in read_pod(raw).containers] == ["build"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "spec: is missing"),
        ({"spec": None}, "spec: must be an object, found nothing"),
        ({"spec": {}}, "spec.containers: is missing"),
        ({"spec": []}, "spec: must be an object, found a list"),
        ({"spec": "x"}, "spec: must be an object, found a string"),
        ({"spec": {"containers": []}}, "spec.containers: must be a list that is not empty"),
        ({"spec": {"containers": {"a": 1}}}, "spec.containers: must be a list, found an object"),
        ({"spec": {"containers": [None]}}, "spec.containers[0]: must be an object, found nothing"),
        ({"spec": {"containers": [{}]}}, "spec.containers[0].name: is missing"),
        (
            {"spec": {"containers": [{"name": ""}]}},
            "spec.containers[0].name: must be a string that is not empty",
        ),
        (
            {"spec": {"containers": [{"name": 1.5}]}},
            "spec.containers[0].name: must be a string, found a number",
        ),
        (_pod(initContainers=[_BUILD, 1]), "spec.initContainers[1]: must be an object, found a number"),
        (
            _pod(containers=[{**_BUILD, "env": [{"name": True}]}]),
            "spec.containers[0].env[0].name: must be a string, found a boolean",
        ),
        (
            _pod(containers=[{**_BUILD, "volumeMounts": [{"name": "w"}]}]),
            "spec.containers[0].volumeMounts[0].mountPath: is missing",
        ),
        (
            _pod(containers=[{**_BUILD, "volumeMounts": [{"mountPath": "/w"}]}]),
            "spec.containers[0].volumeMounts[0].name: is missing",
        ),
        (
            _pod(containers=[{**_BUILD, "volumeMounts": {"name": "w"}}]),
            "spec.containers[0].volumeMounts: must be a list, found an object",
        ),
        (_mounting(subPath=1), f"{_MOUNT}.subPath: must be a string, found a number"),
        (_mounting(subPathExpr=[1]), f"{_MOUNT}.subPathExpr: must be a string, found a list"),
        (_mounting(readOnly="yes"), f"{_MOUNT}.readOnly: must be true or false, found a string"),
        (
            _pod(containers=[{**_BUILD, "env": [{"name": "A"}, {"name": ""}]}]),
            "spec.containers[0].env[1].name: must be a string that is not empty",
        ),
        (
            _pod(containers=[{**_BUILD, "env": [{"name": ["A"]}]}]),
            "spec.containers[0].env[0].name: must be a string, found a list",
        ),
        (_pod(containers=[{**_BUILD, "env": ["A"]}]), "spec.containers[0].env[0]: must be an object, found a string"),
        (_pod(volumes=[[]]), "spec.volumes[0]: must be an object, found a list"),
        (_pod(volumes=[{}]), "spec.volumes[0].name: is missing"),
        (
            _pod(volumes=[{"name": "w", "hostPath": "/x"}]),
            "spec.volumes[0].hostPath: must be an object, found a string",
        ),
        (
            _pod(volumes=[{"name": "w", "hostPath": {"type": "File"}}]),
            "spec.volumes[0].hostPath.path: is missing",
        ),
        (_pod(securityContext=[1]), "spec.securityContext: must be an object, found a list"),
        (
            _pod(securityContext={"supplementalGroups": 1}),
            "spec.securityContext.supplementalGroups: must be a list, found a number",
        ),
        (
            _pod(securityContext={"supplementalGroups": [1, "2"]}),
            "spec.securityContext.supplementalGroups[1]: must be a whole number, found a string",
        ),
        (
            _pod(securityContext={"supplementalGroups": [True]}),
            "spec.securityContext.supplementalGroups[0]: must be a whole number, found a boolean",
        ),
    ],
)
def test_a_malformed_pod_is_refused_with_the_place(raw: JsonObject, message: str) -> None:
    with pytest.raises(MalformedPodError) as raised:
        read_pod(raw)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (None, "pod: must be an object, found nothing"),
        (7, "pod: must be an object, found a number"),
        ([1], "pod: must be an object, found a list"),
        ({"metadata": 1}, "metadata: must be an object, found a number"),
        ({"metadata": {"annotations": ["a"]}}, "metadata.annotations: must be an object, found a list"),
        ({"metadata": {"labels": "x"}}, "metadata.labels: must be an object, found a string"),
    ],
)
def test_malformed_metadata_is_refused_with_the_place(raw: Any, message: str) -> None:
    with pytest.raises(MalformedPodError) as raised:
        read_metadata(raw)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "json",
    ["\ud800", {"metadata": "\ud800"}, Raw(b'{"metadata": {"labels": {"a": "\xff"}}}')],
    ids=["a lone surrogate", "a lone surrogate further in", "bytes that are not UTF-8"],
)
def test_text_that_is_not_unicode_is_refused_and_not_quoted(json: Any) -> None:
    with pytest.raises(MalformedPodError) as raised:
        read_metadata(json)
    assert str(raised.value) == "pod: has text that is not Unicode"


@pytest.mark.parametrize("raw", [{}, {"metadata": None}, {"metadata": {"annotations": None, "labels": None}}])
def test_absent_metadata_is_empty(raw: JsonObject) -> None:
    metadata = read_metadata(raw)
    assert (metadata.annotations, metadata.labels) == ({}, {})


def test_annotations_and_labels_may_be_null_as_the_api_server_has_it() -> None:
    metadata = read_metadata({"metadata": {"annotations": {"a": None}, "labels": {"b": "2"}}})
    assert (metadata.annotations, metadata.labels) == ({"a": None}, {"b": "2"})


@pytest.mark.parametrize(
    ("value", "found"), [(1450, "a number"), (True, "a boolean"), (1.5, "a number"), ({"a": []}, "an object")]
)
def test_an_annotation_that_is_no_string_is_named_with_the_remedy(value: Any, found: str) -> None:
    remedy = "" if isinstance(value, dict) else "; put quotes around it"
    with pytest.raises(MalformedPodError) as raised:
        read_metadata({"metadata": {"annotations": {"a": "b", "dind.io/mtu": value}}})
    assert str(raised.value) == f"metadata.annotations[dind.io/mtu]: must be a string, found {found}{remedy}"


def test_the_amounts_of_resources_may_be_numbers() -> None:
    read_pod(_pod(containers=[{**_BUILD, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]))
    with pytest.raises(MalformedPodError, match=r"limits\[cpu\]: must be a number or a string, found"):
        read_pod(_pod(containers=[{**_BUILD, "resources": {"limits": {"cpu": []}}}]))


@pytest.mark.parametrize(
    ("kind", "source"),
    [("emptyDir", None), ("secret", {"secretName": "s"}), ("csi", {"driver": "d"}), ("hostPath", "")],
)
def test_a_volume_has_the_kind_of_its_source(kind: str, source: Any) -> None:
    source = {"path": "/x", "type": ""} if source == "" else source
    (volume,) = read_pod(_pod(volumes=[{"name": "v", kind: source}])).volumes.values()
    assert volume == Volume("v", kind, "/x" if kind == "hostPath" else "")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"containers": [_BUILD] * 1001}, "spec.containers: must be a list of at most 1000 items"),
        ({"containers": [{"name": "a" * 254}]}, "spec.containers[0].name: must be a string of at most 253 characters"),
        ({"volumes": [{"name": "a" * 254}]}, "spec.volumes[0].name: must be a string of 1 to 253 characters"),
        (
            {"volumes": [{"name": "a", "hostPath": {"path": "/" + "a" * 4096}}]},
            "spec.volumes[0].hostPath.path: must be a string of 1 to 4096 characters",
        ),
        (
            _mounting(mountPath="/" + "a" * 4096)["spec"],
            f"{_MOUNT}.mountPath: must be a string of at most 4096 characters",
        ),
    ],
)
def test_what_is_read_has_a_bound(spec: JsonObject, message: str) -> None:
    with pytest.raises(MalformedPodError) as raised:
        read_pod(_pod(**spec))
    assert str(raised.value) == message
