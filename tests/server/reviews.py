"""Pods, and AdmissionReviews of pods as the API server sends them."""

import json
from typing import Any

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
SECRET = "do-not-log-me"


def pod(inject: str | None = "sidecar", **spec: Any) -> dict[str, Any]:
    annotations = {} if inject is None else {"dind.io/inject": inject}
    containers = [{"name": "build", "image": "docker:29-cli", "env": [{"name": "TOKEN", "value": SECRET}]}]
    metadata = {
        "generateName": "build-",
        "annotations": {"note": SECRET, **annotations},
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "build", "uid": "1"}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def review(object_: Any, version: str = "v1", **request: Any) -> bytes:
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {"uid": UID, "operation": "CREATE", "resource": resource, "namespace": "ci", "object": object_, **request}
    return json.dumps(
        {"apiVersion": f"admission.k8s.io/{version}", "kind": "AdmissionReview", "request": request}
    ).encode()


BODY = review(pod())
HEADERS = b"POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
REQUEST = HEADERS + b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
"""The bytes of a complete HTTP request"""
LAST_REQUEST = HEADERS + b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
"""The same request with `connection: close`"""
