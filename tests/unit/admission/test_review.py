"""AdmissionReview: bytes in, bytes out."""

import json
from base64 import b64decode
from typing import Any

import orjson
import pytest
from msgspec import Raw
from pods import a_pod, permissive_policy

from dind_webhook.admission import NamespaceRequest, decide_review, decode_review, encode_review
from dind_webhook.admission.review import MAX_JSON_VALUES
from dind_webhook.errors import BadRequestError
from dind_webhook.injection import Decision, Mode, Outcome, Policy, Reason, inject
from dind_webhook.model import JsonObject, PodShape, add
from dind_webhook.model.schema import ContainerShape, SpecShape
from dind_webhook.settings import NamespaceSettings

_V1, _V1BETA1 = "admission.k8s.io/v1", "admission.k8s.io/v1beta1"


def _body(pod: Any = None, api_version: str = _V1, **members: Any) -> bytes:
    request = {
        "uid": "0123",
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "ci",
        "object": pod,
        **members,
    }
    return orjson.dumps({"apiVersion": api_version, "kind": "AdmissionReview", "request": request})


def _respond(body: bytes, policy: Policy, namespace_mode: Mode | None = None) -> JsonObject:
    review = decode_review(body)
    found: JsonObject = orjson.loads(
        encode_review(review, decide_review(review, NamespaceRequest(namespace_mode), policy))
    )
    return found


def test_a_request_is_read() -> None:
    found = decode_review(_body({"spec": {"containers": [{"name": "build"}]}}, subResource="status"))
    about = (found.api_version, found.uid, found.operation, found.group, found.resource, found.sub_resource)
    assert about == (_V1, "0123", "CREATE", "", "pods", "status")
    assert (found.namespace, found.pod) == ("ci", PodShape(SpecShape([ContainerShape("build")])))


@pytest.mark.parametrize("malformed", [None, 17, [], {"kind": "Pod"}, {"spec": {"containers": [{"name": 17}]}}])
def test_an_object_that_is_no_pod_is_kept_as_text_for_who_asks(malformed: Any) -> None:
    pod = decode_review(_body(malformed)).pod
    assert pod is None if malformed is None else isinstance(pod, Raw) and orjson.loads(bytes(pod)) == malformed


def test_the_policy_of_the_pods_namespace_decides() -> None:
    entry = NamespaceSettings(names=("team-*",), modes=frozenset({Mode.DAEMONSET}))
    policy = permissive_policy(namespaces=(entry,))
    for namespace, reason in {"ci": "injected", "team-a": "mode-off", None: "injected"}.items():
        response = _respond(_body(a_pod(), namespace=namespace), policy)["response"]
        assert response["auditAnnotations"]["reason"] == reason, namespace


@pytest.mark.parametrize("absent", ["operation", "namespace", "subResource", "object"])
def test_members_that_may_be_absent_may_be_null(absent: str) -> None:
    assert decode_review(_body(**{absent: None})).uid == "0123"


def _review(**members: Any) -> JsonObject:
    review: JsonObject = {**orjson.loads(_body()), **members}
    return review


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"NaN", "the body is not JSON"),
        (b"[" * 100_000, "the body: must be an object, found a list"),
        (b'{"kind": "AdmissionReview", "x": ' + b"[" * 100_000, "the body is not JSON"),
        (b'{"kind": "\xff"}', "the body is not JSON"),
        (_body() + b" x", "the body is not JSON"),
        (b"null", "the body: must be an object, found nothing"),
        (b"[]", "the body: must be an object, found a list"),
        (b"{}", "the body is not an AdmissionReview"),
        (orjson.dumps(_review(kind="Pod")), "the body is not an AdmissionReview"),
        (orjson.dumps(_review(kind=["AdmissionReview"])), "kind: must be a string, found a list"),
        (orjson.dumps(_review(apiVersion="v1")), f"apiVersion must be one of {_V1}, {_V1BETA1}"),
        (orjson.dumps(_review(apiVersion=None)), f"apiVersion must be one of {_V1}, {_V1BETA1}"),
        (orjson.dumps(_review(apiVersion=[_V1])), "apiVersion: must be a string, found a list"),
        (orjson.dumps(_review(request=None)), "request: is missing"),
        (orjson.dumps(_review(request=[])), "request: must be an object"),
        (_body(resource=None), "request.resource: must be an object"),
        (_body(resource="pods"), "request.resource: must be an object"),
        (_body(uid=None), "request.uid: must be a string, found nothing"),
        (_body(uid=""), "request.uid: must be a string that is not empty"),
        (_body(uid=1), "request.uid: must be a string, found a number"),
        (_body(operation=1), "request.operation: must be a string"),
        (_body(namespace=["ci"]), "request.namespace: must be a string"),
        (_body(subResource={}), "request.subResource: must be a string"),
        (_body(resource={"group": 1, "resource": "pods"}), "request.resource.group: must be a string"),
        (_body(resource={"group": "", "resource": True}), "request.resource.resource: must be a string"),
    ],
)
def test_what_is_no_admission_review_is_a_bad_request(body: bytes, says: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        decode_review(body)
    assert str(raised.value).startswith(says)
    assert raised.value.status == 400


@pytest.mark.parametrize("value", [b'{"a":1},', b"1,"])
def test_a_body_of_too_many_values_is_not_read(value: bytes) -> None:
    many = _body().replace(b'"request"', b'"x": [' + value * MAX_JSON_VALUES + b'1], "request"')
    with pytest.raises(BadRequestError) as raised:
        decode_review(many)
    assert (raised.value.status, str(raised.value)) == (413, "the body has more than 100000 JSON values")


@pytest.mark.parametrize("api_version", [_V1, _V1BETA1])
def test_uid_and_version_are_echoed(api_version: str, policy: Policy) -> None:
    found = _respond(_body(a_pod(), api_version), policy)
    assert (found["apiVersion"], found["kind"]) == (api_version, "AdmissionReview")
    assert found["response"]["uid"] == "0123"


def test_an_injected_pod_is_allowed_with_a_patch(policy: Policy) -> None:
    response = _respond(_body(a_pod()), policy)["response"]
    assert response["allowed"] is True
    assert response["patchType"] == "JSONPatch"
    assert json.loads(b64decode(response["patch"])) == list(inject(a_pod(), None, policy).operations)
    assert response["auditAnnotations"] == {"reason": "injected", "mode": "sidecar", "isolation": "none"}
    assert response.keys() == {"uid", "allowed", "auditAnnotations", "patchType", "patch"}


def test_warnings_are_passed_on(policy: Policy) -> None:
    pod = a_pod("daemonset", {"mtu": "1450"})
    response = _respond(_body(pod), policy)["response"]
    assert response["warnings"] == ["without effect in daemonset mode: dind.io/mtu"]


def test_an_untouched_pod_is_allowed_without_a_patch(policy: Policy) -> None:
    response = _respond(_body(a_pod("disabled")), policy)["response"]
    assert response == {"uid": "0123", "allowed": True, "auditAnnotations": {"reason": "opted-out"}}


@pytest.mark.parametrize(
    ("pod", "code", "status_reason", "slug"),
    [
        (a_pod("sidcar"), 400, "BadRequest", "unknown-value"),
        (a_pod(hostNetwork=True), 403, "Forbidden", "host-network"),
        (a_pod(options={"status": "{}"}), 422, "Invalid", "stale-status"),
    ],
)
def test_a_bad_pod_is_refused_with_a_status(
    pod: JsonObject, code: int, status_reason: str, slug: str, policy: Policy
) -> None:
    response = _respond(_body(pod), policy)["response"]
    message = inject(pod, None, policy).message
    assert response["allowed"] is False
    assert response["status"] == {"status": "Failure", "code": code, "reason": status_reason, "message": message}
    assert response["auditAnnotations"]["reason"] == slug
    assert {"patch", "patchType", "warnings"}.isdisjoint(response)


@pytest.mark.parametrize("reason", Reason)
def test_patch_and_patch_type_stand_both_or_neither(reason: Reason) -> None:
    decision = Decision(reason, Mode.SIDECAR, "message", ({"op": "add", "path": "/x", "value": 1},), ("warning",))
    response = orjson.loads(encode_review(decode_review(_body()), decision))["response"]
    injected = reason.outcome is Outcome.INJECTED
    assert ("patch" in response, "patchType" in response) == (injected, injected)
    assert ("status" in response) is (reason.outcome is Outcome.DENIED)
    assert response["allowed"] is (reason.outcome is not Outcome.DENIED)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, Reason.INJECTED),
        ({"subResource": ""}, Reason.INJECTED),
        ({"dryRun": True}, Reason.INJECTED),
        ({"operation": "UPDATE"}, Reason.NOT_A_POD_CREATE),
        ({"operation": "DELETE", "object": None}, Reason.NOT_A_POD_CREATE),
        ({"operation": "create"}, Reason.NOT_A_POD_CREATE),
        ({"operation": None}, Reason.NOT_A_POD_CREATE),
        ({"resource": {"group": "", "resource": "services"}}, Reason.NOT_A_POD_CREATE),
        ({"resource": {"group": "metrics.k8s.io", "resource": "pods"}}, Reason.NOT_A_POD_CREATE),
        ({"resource": {}}, Reason.NOT_A_POD_CREATE),
        ({"resource": {"resource": "pods"}}, Reason.INJECTED),
        ({"subResource": "eviction"}, Reason.SUBRESOURCE),
        ({"subResource": "ephemeralcontainers", "operation": "UPDATE"}, Reason.NOT_A_POD_CREATE),
        ({"object": None}, Reason.MALFORMED_POD),
    ],
)
def test_only_the_creation_of_a_pod_is_looked_at(members: JsonObject, reason: Reason, policy: Policy) -> None:
    review = decode_review(_body(**{"object": a_pod(), **members}))
    assert decide_review(review, NamespaceRequest(Mode.SIDECAR), policy).reason is reason


def test_a_dry_run_is_answered_alike(policy: Policy) -> None:
    assert _respond(_body(a_pod(), dryRun=True), policy) == _respond(_body(a_pod()), policy)


@pytest.mark.parametrize("namespace_mode", [None, *Mode])
def test_the_namespaces_mode_reaches_the_decision(namespace_mode: Mode | None, policy: Policy) -> None:
    review = decode_review(_body(a_pod(None)))
    assert decide_review(review, NamespaceRequest(namespace_mode), policy).mode is namespace_mode


def test_text_beyond_ascii_survives() -> None:
    pod = a_pod(options={"env": '{"NAME": "Grüße 🐳"}'})
    response = _respond(_body(pod), permissive_policy())["response"]
    assert "Grüße 🐳" in b64decode(response["patch"]).decode()


def test_what_reaches_the_api_server_cannot_command_a_terminal() -> None:
    review = decode_review(_body())
    evil = "\x1b]0;owned\x07\u202e"
    for decision in (
        Decision(Reason.UNKNOWN_VALUE, message=evil),
        Decision(Reason.INJECTED, operations=(add("/x", 1),), warnings=(evil,)),
    ):
        response = orjson.loads(encode_review(review, decision))["response"]
        shown = [*response.get("warnings", []), response.get("status", {}).get("message", "")]
        assert r"\x1b]0;owned\x07\u202e" in shown
