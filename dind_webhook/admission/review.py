"""AdmissionReview, as in k8s.io/api/admission/v1/types.go.

| body | answer |
|---|---|
| not JSON, not an AdmissionReview, or no uid | BadRequestError |
| untouched | allowed, no patch, warnings |
| injected | allowed, JSONPatch, warnings |
| denied | not allowed, status with code, reason and message |

The answer has both `patch` and `patchType` or neither, and repeats uid and apiVersion. The API server counts any other
answer as a failed call (plugin/webhook/request/admissionreview.go).
"""

import orjson
from msgspec import DecodeError, Raw, ValidationError
from pybase64 import b64encode_as_string

from dind_webhook.admission.paths import NamespaceRequest
from dind_webhook.admission.schema import ReviewOfAny, ReviewOfPod, read_review_of_any, read_review_of_pod
from dind_webhook.errors import BadRequestError
from dind_webhook.injection import Decision, Outcome, Policy, decide_request
from dind_webhook.model import JsonObject, PodShape, describe_validation_error
from dind_webhook.printable import printable

_API_VERSIONS = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
# The most commas and opening braces in a body. A pod of 500 containers has 40,000, including the API server's defaults.
MAX_JSON_VALUES = 100_000
# metav1.StatusReason of each status code of a denial
_STATUS_REASONS = {400: "BadRequest", 403: "Forbidden", 422: "Invalid"}


class Review:
    """The request of an AdmissionReview. `pod` is its `object`, as JSON text if it is not a well-formed pod.

    `user` is the name of the user who sends the request, such as the service account of a controller.
    """

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(  # noqa: PLR0913, PLR0917  # one parameter for each member
        self,
        api_version: str,
        uid: str,
        operation: str,
        group: str,
        resource: str,
        sub_resource: str,
        namespace: str,
        user: str,
        pod: PodShape | Raw | None,
    ) -> None:
        self.api_version = api_version
        self.uid = uid
        self.operation = operation
        self.group = group
        self.resource = resource
        self.sub_resource = sub_resource
        self.namespace = namespace
        self.user = user
        self.pod = pod


def decode_review(body: bytes | bytearray) -> Review:
    """Return the request in an AdmissionReview. Raise BadRequestError if the body is not an AdmissionReview."""
    _check_value_count(body)
    try:
        review = _read_body(body)
    except ValidationError as error:
        raise BadRequestError(describe_validation_error(error, "the body")) from None
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    if review.kind != "AdmissionReview":
        raise BadRequestError("the body is not an AdmissionReview")
    if review.api_version not in _API_VERSIONS:
        raise BadRequestError(f"apiVersion must be one of {', '.join(_API_VERSIONS)}")
    request = review.request
    if request is None:
        raise BadRequestError("request: is missing")
    resource, user_info = request.resource, request.user_info
    return Review(
        review.api_version,
        request.uid,
        request.operation or "",
        resource.group or "",
        resource.resource or "",
        request.sub_resource or "",
        request.namespace or "",
        (user_info.username or "") if user_info else "",
        request.pod,
    )


def _check_value_count(body: bytes | bytearray) -> None:
    # In memory, a value can take a hundred times its size in JSON. A short body cannot have too many values.
    if len(body) > MAX_JSON_VALUES and body.count(b",") + body.count(b"{") > MAX_JSON_VALUES:
        raise BadRequestError(f"the body has more than {MAX_JSON_VALUES} JSON values", status=413)


def _read_body(body: bytes | bytearray) -> ReviewOfPod | ReviewOfAny:
    try:
        return read_review_of_pod(body)
    except ValidationError:
        # If only the pod is malformed, the request still gets an answer.
        return read_review_of_any(body)


def decide_review(review: Review, namespace: NamespaceRequest, policy: Policy) -> Decision:
    """Return the decision about a request. `namespace` comes from the path that the API server called.

    `policy` is that of the cluster; the policy of the pod's namespace decides.
    """
    return decide_request(
        review.pod,
        namespace.mode,
        policy.for_namespace(review.namespace),
        replaces_socket=namespace.replaces_socket,
        creates_pod=review.group == "" and review.resource == "pods" and review.operation == "CREATE",
        is_subresource=review.sub_resource != "",
    )


def encode_review(review: Review, decision: Decision) -> bytes:
    """Return the AdmissionReview that answers `review`, as JSON."""
    reason = decision.reason
    audit = {"reason": reason.slug}
    if decision.mode:
        audit["mode"] = decision.mode
    if decision.isolation:
        audit["isolation"] = decision.isolation
    response: JsonObject = {
        "uid": review.uid,
        "allowed": decision.outcome is not Outcome.DENIED,
        "auditAnnotations": audit,
    }
    if decision.warnings:
        response["warnings"] = [printable(warning) for warning in decision.warnings]
    if decision.outcome is Outcome.INJECTED:
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode_as_string(orjson.dumps(decision.operations))
    elif decision.outcome is Outcome.DENIED:
        response["status"] = {
            "status": "Failure",
            "code": reason.code,
            "reason": _STATUS_REASONS[reason.code],
            "message": printable(decision.message),
        }
    return orjson.dumps({"apiVersion": review.api_version, "kind": "AdmissionReview", "response": response})
