"""AdmissionReview, as in k8s.io/api/admission/v1/types.go.

| body | answer |
|---|---|
| not JSON, no AdmissionReview, no uid | BadRequestError |
| untouched | allowed, no patch |
| injected | allowed, JSONPatch, warnings |
| denied | not allowed, status with code, reason and message |

`patch` and `patchType` stand both or neither, uid and apiVersion are echoed: the API server counts
anything else as a failed call (plugin/webhook/request/admissionreview.go).
"""

from dataclasses import dataclass
from typing import Any

import orjson
from pybase64 import b64encode_as_string

from app.errors import BadRequestError
from app.injection import Decision, Mode, Outcome, Policy, Reason, inject
from app.model import JsonObject

_API_VERSIONS = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
# metav1.StatusReason of each code that a reason carries
_STATUS_REASONS = {400: "BadRequest", 403: "Forbidden", 422: "Invalid"}


@dataclass
class Review:
    """The request of an AdmissionReview. `pod` is what stands in `object`, as it came from JSON."""

    api_version: str
    uid: str
    operation: str
    group: str
    resource: str
    sub_resource: str
    namespace: str
    pod: Any


def decode_review(body: bytes) -> Review:
    """Return the request in an AdmissionReview; BadRequestError where there is none."""
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(review, dict) or review.get("kind") != "AdmissionReview":
        raise BadRequestError("the body is not an AdmissionReview")
    api_version = review.get("apiVersion")
    if api_version not in _API_VERSIONS:
        raise BadRequestError(f"apiVersion must be one of {', '.join(_API_VERSIONS)}")
    request = review.get("request")
    if not isinstance(request, dict):
        raise BadRequestError("request: must be an object")
    resource = request.get("resource")
    if not isinstance(resource, dict):
        raise BadRequestError("request.resource: must be an object")
    uid = request.get("uid")
    if not isinstance(uid, str) or not uid:
        raise BadRequestError("request.uid: must be a string that is not empty")
    return Review(
        api_version,
        uid,
        _text(request, "operation"),
        _text(resource, "group"),
        _text(resource, "resource"),
        _text(request, "subResource"),
        _text(request, "namespace"),
        request.get("object"),
    )


def answer(review: Review, namespace_mode: Mode | None, policy: Policy) -> Decision:
    """Decide on a request. `namespace_mode` comes from the path that the API server called."""
    if review.group != "" or review.resource != "pods" or review.operation != "CREATE":
        return Decision(Reason.NOT_A_POD_CREATE)
    if review.sub_resource:
        return Decision(Reason.SUBRESOURCE)
    return inject(review.pod, namespace_mode, policy)


def encode_review(review: Review, decision: Decision) -> bytes:
    """Return the AdmissionReview that answers `review`."""
    reason = decision.reason
    audit = {"reason": reason.slug}
    if decision.mode:
        audit["mode"] = decision.mode
    response: JsonObject = {
        "uid": review.uid,
        "allowed": reason.outcome is not Outcome.DENIED,
        "auditAnnotations": audit,
    }
    if reason.outcome is Outcome.INJECTED:
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode_as_string(orjson.dumps(decision.operations))
        if decision.warnings:
            response["warnings"] = decision.warnings
    elif reason.outcome is Outcome.DENIED:
        response["status"] = {
            "status": "Failure",
            "code": reason.code,
            "reason": _STATUS_REASONS[reason.code],
            "message": decision.message,
        }
    return orjson.dumps({"apiVersion": review.api_version, "kind": "AdmissionReview", "response": response})


def _text(parent: JsonObject, key: str) -> str:
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequestError(f"{key} of the request: must be a string")
    return value
