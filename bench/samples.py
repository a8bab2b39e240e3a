"""Reviews as an API server sends them for the pod of a CI job, and the additions that the peers make to it."""

import copy
import json
from pathlib import Path

import yaml
from webhook_api import JsonObject, make_patch

# The label of each review, and its shortest length in bytes
SIZES = {"4.4 KB": 4_000, "37 KB": 36_000}
# These differ from pod to pod: the first part of the review's uid, and the suffix of the token volume's name.
UID, TOKEN = "705ab4f5", "x7k2p"
DIND = {"dind.io/inject": "sidecar"}
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_POD = yaml.safe_load(Path(__file__).with_name("pod.yaml").read_text("utf-8"))


def review(size: int) -> bytes:
    """Return a review of at least `size` bytes, reached by adding containers; 4.4 KB are two containers."""
    count = 2
    while len(body := encode_review(pod(count))) < size:
        count += 1
    return body


def encode_review(a_pod: JsonObject) -> bytes:
    """Return the AdmissionReview for the creation of this pod."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {
        "uid": f"{UID}-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "namespace": "ci",
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:job-controller",
            "uid": "ff2d6e6e-4d3c-4b1a-9a53-8f8f6d1fbd2e",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
        },
        "object": a_pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(body, separators=(",", ":")).encode()


def pod(count: int, annotations: JsonObject = DIND) -> JsonObject:
    """Return the pod of a job with `count` containers that work in a shared workspace."""
    made: JsonObject = copy.deepcopy(_POD)
    made["metadata"]["annotations"] = dict(annotations)
    (step,) = made["spec"]["containers"]
    step["env"] = [{"name": f"CI_VARIABLE_{index}", "value": f"value-{index}" * 2} for index in range(12)]
    names = [f"step-{number}" for number in range(count)]
    made["spec"]["containers"] = [
        {**copy.deepcopy(step), "name": name, "command": ["sh", "-c", f"make {name}"]} for name in names
    ]
    return made


def with_managed_fields(a_pod: JsonObject, labels: int) -> JsonObject:
    """Add this many entries to the managedFields of a pod, and return it."""
    fields = a_pod["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]
    fields["f:labels"] = {f"f:label-{number}": {} for number in range(labels)}
    return a_pod


def pod_before_admission(annotations: JsonObject) -> JsonObject:
    """Return the small pod as a client creates it, before the API server adds the token and managedFields."""
    created = pod(2, annotations)
    for field in ("namespace", "managedFields", "ownerReferences"):
        del created["metadata"][field]
    spec = created["spec"]
    for owner, field in [(spec, "volumes")] + [
        (container, "volumeMounts") for container in (*spec["initContainers"], *spec["containers"])
    ]:
        owner[field] = [one for one in owner[field] if TOKEN not in one["name"]]
    return created


def pods_to_compare() -> dict[str, JsonObject]:
    """Return the pods for which every peer must make the same pod as dind-webhook."""
    mixed = pod(3)
    first, second, third = mixed["spec"]["containers"]
    first["volumeMounts"][0]["readOnly"] = True
    second["volumeMounts"].append({"name": "cache", "mountPath": "/go", "readOnly": True})
    third["env"].append({"name": "DOCKER_HOST", "value": "tcp://elsewhere:2375"})
    mixed["spec"]["initContainers"].append({"name": "proxy", "image": "proxy", "restartPolicy": "Always"})
    mixed["spec"]["securityContext"] = {"supplementalGroups": [1000]}
    mixed["metadata"]["annotations"][_DEFAULT_CONTAINER] = "step-1"
    by_size = {label: json.loads(review(size))["request"]["object"] for label, size in SIZES.items()}
    return {**by_size, "mixed": mixed, "bare": _minimal_pod()}


def additions() -> JsonObject:
    """Return the additions to every pod, for the peers. They come from the patch for a minimal pod."""
    values = {operation["path"]: operation["value"] for operation in make_patch(_minimal_pod())}
    prefix = "/metadata/annotations/"
    annotations = {
        path.removeprefix(prefix).replace("~1", "/"): value for path, value in values.items() if path.startswith(prefix)
    }
    del annotations[_DEFAULT_CONTAINER]
    return {
        "container": values["/spec/initContainers"][0],
        "volumes": values["/spec/volumes"],
        "clientEnv": values["/spec/containers/0/env"][0],
        "clientMounts": values["/spec/containers/0/volumeMounts"],
        "group": values["/spec/securityContext"]["supplementalGroups"][0],
        "annotations": annotations,
        "labels": values["/metadata/labels"],
    }


def _minimal_pod() -> JsonObject:
    return {"metadata": {"name": "bare", "annotations": dict(DIND)}, "spec": {"containers": [{"name": "only"}]}}
