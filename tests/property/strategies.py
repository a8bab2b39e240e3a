"""All hypothesis strategies: pods as people write them, any JSON, and pods with one fault."""

import copy
from typing import Any

import orjson
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from dind_webhook.injection import Mode
from dind_webhook.model import JsonObject

namespace_modes: SearchStrategy[Mode | None] = st.sampled_from([None, *Mode])


def _nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


_json_texts = st.text(max_size=8) | st.sampled_from(
    ["", "dind", "dind-run", "Always", "windows", "/", "/run/dind", "1Gi", "~/"]
)
_json_numbers = (
    st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([0, 1, 2375, -1])
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
)
_json_leaves = (
    st.none() | st.booleans() | _json_numbers | _json_texts | st.builds(list) | st.builds(dict) | st.just(_nested(300))
)
_json_member_names = _json_texts | st.sampled_from(
    ["name", "spec", "metadata", "annotations", "containers", "volumeMounts", "mountPath", "hostPath", "path", "env"]
)
json_values: SearchStrategy[Any] = st.recursive(
    _json_leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_json_member_names, inner, max_size=3),
    max_leaves=8,
)

_container_names = st.sampled_from(["build", "test", "setup", "proxy", "a", "0", "dind2", "x" * 63])
_sources: SearchStrategy[JsonObject] = st.sampled_from(
    [
        {"emptyDir": {}},
        {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"persistentVolumeClaim": {"claimName": "cache"}},
        {"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {}}}}},
        {"configMap": {"name": "c", "items": [{"key": "a~/b", "path": "b"}]}},
        {"secret": {"secretName": "s"}},
        {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"downwardAPI": {"items": []}},
        {"hostPath": {"path": "/data", "type": ""}},
    ]
)
_hidden_paths = ["/usr/local/x", "/run/lock", "/var/run/postgresql", "/etc/c", "/var", "/usr/" + "x" * 130]
_mount_paths = st.sampled_from(["/work", "/work/", "/work/cache", "/home/ci", "w", "/a b/~1", *_hidden_paths])


def _list_or_null(items: SearchStrategy[Any], max_size: int, **unique: Any) -> SearchStrategy[Any]:
    """Return a list as a manifest may have it: filled, empty or null."""
    return st.lists(items, max_size=max_size, **unique) | st.none()


_variables = st.builds(
    lambda name, rest: {"name": name, **rest},
    st.sampled_from(["PATH", "HOME", "CI", "DOCKER_HOST", "A~/B"]),
    st.sampled_from(
        [
            {},
            {"value": ""},
            {"value": "unix:///run/dind/docker.sock"},
            {"valueFrom": {"fieldRef": {"fieldPath": "spec"}}},
        ]
    ),
)
_resources = st.sampled_from(
    [None, {}, {"requests": {"cpu": "1"}}, {"requests": None, "limits": {"cpu": "1500m", "memory": "1Gi"}}]
)
_volume_names = ["w", "cache", "x" * 63, "conf", "tmp"]
_mounts = st.builds(
    lambda name, path, rest: {"name": name, "mountPath": path, **rest},
    st.sampled_from(_volume_names),
    _mount_paths,
    st.sampled_from(
        [
            {},
            {"readOnly": True},
            {"readOnly": False, "subPath": ""},
            {"readOnly": None, "subPath": "a"},
            {"readOnly": True, "subPath": "a/b"},
            {"subPathExpr": "$(CI)"},
            {"subPathExpr": "", "mountPropagation": "HostToContainer"},
        ]
    ),
)
_container_members: dict[str, SearchStrategy[Any]] = {
    "env": _list_or_null(_variables, 3, unique_by=lambda variable: variable["name"]),
    "volumeMounts": _list_or_null(_mounts, 4),
    "resources": _resources,
    "restartPolicy": st.sampled_from(["Always", None]),
}
_containers = st.fixed_dictionaries({"image": st.just("alpine:3")}, optional=_container_members)
_future_containers = st.fixed_dictionaries(
    {"image": st.just("alpine:3")}, optional={**_container_members, "futureMember": json_values}
)


def _finish_container(container: JsonObject, name: str, volumes: list[str], *, init: bool) -> JsonObject:
    """Return the container with that name, and only with mounts of volumes that exist."""
    named = {"name": name, **container}
    if not init:
        named.pop("restartPolicy", None)
    if named.get("volumeMounts"):
        named["volumeMounts"] = [mount for mount in named["volumeMounts"] if mount["name"] in volumes]
    return named


_option_texts = {
    "placement": ["native", "container"],
    "wait": ["true", "false"],
    "cpu-request": ["1m", "500m"],
    "cpu-limit": ["1", "1e1"],
    "memory-request": ["1Mi", "1G"],
    "memory-limit": ["1.5Gi", "8Gi"],
    "storage-size": ["1Gi", "100G"],
    "storage-medium": ["Disk", "Memory", "Volume"],
    "storage-data-source": ["pvc/golden", "volumesnapshot/docker-golden"],
    "group": ["0", "1000"],
    "mtu": ["1450"],
    "registry-mirrors": ["https://a.example", "*=node:5000, docker.io=http://b:5000,ghcr.io=none"],
    "insecure-registries": ["10.0.0.0/8,registry:5000"],
    "address-pools": ["10.200.0.0/16:24"],
    "ca": ["company-ca"],
    "daemon-files": ["daemon.json=configmap/a/b, certs.d/[fd00::1]:5000/ca.crt=secret/c/d"],
    "registry-secret": ["registry-credentials"],
    "proxy": ["http://proxy.corp.example:3128"],
    "no-proxy": [".corp.example, 10.0.0.0/8"],
    "image": ["registry.example/ci/docker:29-dind"],
    "socket-dir": ["/var/run", "/srv/sock"],
    "tcp": ["127.0.0.1:2375", "[::]:80"],
    "metrics-port": ["9323"],
    "env": ["{}", '{"HTTPS_PROXY": "http://ü"}'],
    "dockerd-args": ["[]", '["--debug"]'],
}
_options = st.lists(
    st.sampled_from([(name, text) for name, texts in _option_texts.items() for text in texts]),
    max_size=5,
    unique_by=lambda option: option[0],
).map(dict)
_other_annotations = st.dictionaries(
    st.sampled_from(["a", "a~b/c", "kubectl.kubernetes.io/default-container", "example.com/~0~1"]),
    st.sampled_from(["", "x", "ü"]),
    max_size=2,
)
_supplemental_groups = _list_or_null(st.sampled_from([0, 1000, 2375, 9]), 3, unique=True)
_security_contexts = st.sampled_from([None, {"runAsUser": 1000, "runAsNonRoot": True}]) | st.fixed_dictionaries(
    {}, optional={"supplementalGroups": _supplemental_groups}
)
_spec_members: dict[str, SearchStrategy[Any]] = {
    "restartPolicy": st.sampled_from(["Never", "OnFailure", "Always"]),
    "securityContext": _security_contexts,
    "nodeSelector": st.sampled_from([None, {}, {"kubernetes.io/os": "linux"}, {"a~1/b": "", "c": "d"}]),
    "tolerations": st.sampled_from(
        [None, [{"operator": "Exists"}], [{"key": "docker", "operator": "Equal", "value": "only"}]]
    ),
    "imagePullSecrets": st.sampled_from([None, [], [{"name": "mirror"}, {"name": "own"}]]),
}
_specs = st.fixed_dictionaries({}, optional=_spec_members)
_future_specs = st.fixed_dictionaries({}, optional={**_spec_members, "futureMember": json_values})
_pod_container_names = st.lists(_container_names, min_size=1, max_size=5, unique=True)
_pod_volumes = st.lists(
    st.builds(lambda name, source: {"name": name, **source}, st.sampled_from(_volume_names), _sources),
    max_size=4,
    unique_by=lambda volume: volume["name"],
)
_empty_lists = st.sampled_from(["absent", None]) | st.builds(list)  # a new list each time


@st.composite
def pods(draw: DrawFn, *, unknown_members: bool = True) -> JsonObject:
    """Return pods that ask for Docker and get it, if the operator allows everything."""
    names, volumes = draw(_pod_container_names), draw(_pod_volumes)
    known = [volume["name"] for volume in volumes]
    containers = _future_containers if unknown_members else _containers
    split = draw(st.integers(0, len(names) - 1))
    init = [_finish_container(draw(containers), name, known, init=True) for name in names[:split]]
    running = [_finish_container(draw(containers), name, known, init=False) for name in names[split:]]
    metadata = draw(_metadata(names, volumes))
    _make_shareable([*init, *running], metadata)
    spec: JsonObject = {**draw(_future_specs if unknown_members else _specs), "containers": running}
    for member, items in (("initContainers", init), ("volumes", volumes)):
        filled = items or draw(_empty_lists)
        if filled != "absent":
            spec[member] = filled
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _make_shareable(containers: list[JsonObject], metadata: JsonObject) -> None:
    """Remove the mounts for which a pod is denied that shares a volume by name.

    These are mounts of that volume with a subPathExpr or where the daemon needs its own files, and mounts at a path
    where another container mounts another volume, as the daemon has each path once.
    """
    shared = (metadata.get("annotations") or {}).get("dind.io/share-volumes")
    is_shared: dict[str, bool] = {}
    for container in containers:
        if mounts := container.get("volumeMounts"):
            container["volumeMounts"] = [
                mount
                for mount in mounts
                if mount["name"] != shared or not (mount.get("subPathExpr") or mount["mountPath"] in _hidden_paths)
                if is_shared.setdefault(mount["mountPath"].rstrip("/"), mount["name"] == shared)
                is (mount["name"] == shared)
            ]


@st.composite
def _metadata(draw: DrawFn, names: list[str], volumes: list[JsonObject]) -> JsonObject:
    mode = draw(st.sampled_from(["sidecar", "sidecar", "daemonset"]))
    form = draw(st.integers(0, 5))
    if form < 2:
        return {"labels": {"dind.io/inject": mode}, **({"annotations": None} if form else {})}
    options = draw(_options)
    if form == 2:
        options["containers"] = ",".join([names[-1], *draw(st.lists(st.sampled_from(names), max_size=2))])
    shareable = [volume["name"] for volume in volumes if volume.keys() & {"emptyDir", "persistentVolumeClaim"}]
    options["share-volumes"] = draw(st.sampled_from(["true", "true", "false", *shareable]))
    if mode == "daemonset" and options.get("socket-dir") == "/var/run":
        del options["socket-dir"]  # nothing can be mounted in that directory: it is read-only
    ours = {"inject": mode, **options}
    return {"annotations": {**draw(_other_annotations), **{f"dind.io/{name}": text for name, text in ours.items()}}}


@st.composite
def late_containers(draw: DrawFn, pod: JsonObject, *, init: bool) -> JsonObject:
    """Return containers that a later mutator adds to a pod, and with which it still can have Docker."""
    spec = pod["spec"]
    volumes = [volume["name"] for volume in spec.get("volumes") or []]
    late = _finish_container(draw(_containers), "late", volumes, init=init)
    _make_shareable([*(spec.get("initContainers") or []), *spec["containers"], late], pod["metadata"])
    return late


def _places(node: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path to each subtree of a JSON value."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place, *(deeper for step, child in steps for deeper in _places(child, (*place, step)))]


@st.composite
def break_pod(draw: DrawFn, pod: JsonObject) -> JsonObject:
    """Return a copy of a pod with any JSON in the place of one subtree."""
    copied = copy.deepcopy(pod)
    *parents, last = draw(st.sampled_from([place for place in _places(copied) if place]))
    parent: Any = copied
    for step in parents:
        parent = parent[step]
    parent[last] = draw(_json_leaves | json_values)
    return copied


broken_pods: SearchStrategy[JsonObject] = pods(unknown_members=False).flatmap(break_pod)

_plain_json = json_values.filter(lambda value: len(repr(value)) < 250)  # the depth that orjson.dumps accepts
request_bodies: SearchStrategy[bytes] = st.binary(max_size=64) | _plain_json.map(
    lambda value: orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": value})
)
