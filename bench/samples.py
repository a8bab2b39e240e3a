"""What is sent: reviews as an API server sends them for the pod of a CI job, and what each peer needs to answer."""

import json
from typing import Any, TypeAlias

from app.injection import Policy, inject
from app.settings import InjectionSettings, make_policy

JsonObject: TypeAlias = dict[str, Any]

SMALL, LARGE = 4_500, 40_000
POLICY: Policy = make_policy(InjectionSettings())
# What is another for each pod: the beginning of its review's uid, and the end of its token volume's name
UID, TOKEN = "705ab4f5", "x7k2p"

_TOKEN_MOUNT = {
    "name": f"kube-api-access-{TOKEN}",
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    "readOnly": True,
}
_TOKEN_VOLUME = {
    "name": f"kube-api-access-{TOKEN}",
    "projected": {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ],
    },
}
_VAULT = {"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "ci"}
DIND = {"dind.io/inject": "sidecar"}


def review(size: int, *, vault: bool = False) -> bytes:
    """Return a review of about `size` bytes: more of them are more containers, as many as 4.5 KB need are two."""
    count = 2
    while len(body := encode(pod(count, _VAULT if vault else DIND))) < size * 0.9:
        count += 1
    return body


def creation(annotations: JsonObject) -> JsonObject:
    """Return the small pod as its creator sends it: an API server then makes of it what is in a review of 4.5 KB."""
    made = pod(2, annotations)
    for of_others in ("namespace", "managedFields", "ownerReferences"):
        del made["metadata"][of_others]
    made["spec"]["volumes"].remove(_TOKEN_VOLUME)
    for container in (*made["spec"]["initContainers"], *made["spec"]["containers"]):
        container["volumeMounts"].remove(_TOKEN_MOUNT)
    return made


def pod(count: int, annotations: JsonObject | None = None) -> JsonObject:
    """Return the pod of a job that clones into a workspace and works in it with `count` containers."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "build-",
            "namespace": "ci",
            "annotations": dict(DIND) if annotations is None else annotations,
            "labels": {"batch.kubernetes.io/job-name": "build", "app": "build"},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": "build",
                    "uid": "0d3cf9a2-5f0b-4a47-8d1d-8f1c39a5a6d1",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [
                {
                    "manager": "kube-controller-manager",
                    "operation": "Update",
                    "apiVersion": "v1",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:dind.io/inject": {}}}},
                }
            ],
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "default",
            "schedulerName": "default-scheduler",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "volumes": [
                {"name": "workspace", "emptyDir": {}},
                {"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}},
                _TOKEN_VOLUME,
            ],
            "initContainers": [
                {
                    "name": "clone",
                    "image": "alpine/git:2.47",
                    "args": ["clone", "https://git.example/ci/build", "/workspace"],
                    "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}, _TOKEN_MOUNT],
                }
            ],
            "containers": [_container(number) for number in range(count)],
            "tolerations": [
                {
                    "key": "node.kubernetes.io/not-ready",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
            ],
        },
    }


def _container(number: int) -> JsonObject:
    return {
        "name": f"step-{number}",
        "image": "registry.example/ci/build:1.2",
        "command": ["sh", "-c", f"make step-{number}"],
        "env": [{"name": f"CI_VARIABLE_{index}", "value": f"value-{index}" * 2} for index in range(12)],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [
            {"name": "workspace", "mountPath": "/workspace"},
            {"name": "cache", "mountPath": "/root/.cache"},
            _TOKEN_MOUNT,
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }


def encode(a_pod: JsonObject) -> bytes:
    """Return the review in which an API server asks for this pod."""
    pods = {"group": "", "version": "v1", "resource": "pods"}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {
        "uid": f"{UID}-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": pods,
        "requestKind": kind,
        "requestResource": pods,
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
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(review, separators=(",", ":")).encode()


def additions() -> JsonObject:
    """Return what every pod gets, for the peers: taken from what we answer for a pod that has nothing."""
    bare = {"metadata": {"annotations": dict(DIND)}, "spec": {"containers": [{"name": "only"}]}}
    values = {operation["path"]: operation["value"] for operation in inject(bare, None, POLICY).operations}
    annotations = {
        path.removeprefix("/metadata/annotations/").replace("~1", "/"): value
        for path, value in values.items()
        if path.startswith("/metadata/annotations/") and not path.endswith("default-container")
    }
    return {
        "container": values["/spec/initContainers"][0],
        "volumes": values["/spec/volumes"],
        "clientEnv": values["/spec/containers/0/env"][0],
        "clientMounts": values["/spec/containers/0/volumeMounts"],
        "group": values["/spec/securityContext"]["supplementalGroups"][0],
        "annotations": annotations,
    }
