"""No request, however odd, raises an unexpected exception."""

import json
import re
from base64 import b64decode
from typing import Any

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from strategies import break_pod, broken_pods, json_values, namespace_modes, pods, request_bodies

from dind_webhook.admission import NamespaceRequest, decide_review, decode_review, encode_review
from dind_webhook.errors import BadRequestError
from dind_webhook.injection import INJECT, OPTIONS, Decision, Mode, Outcome, Policy, Reason, inject
from dind_webhook.model import JsonObject

_annotation_names = st.text(max_size=8) | st.sampled_from([option.name for option in OPTIONS])


def _body(pod: Any) -> bytes:
    request = {"uid": "1", "operation": "CREATE", "resource": {"group": "", "resource": "pods"}, "object": pod}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def _check_answer(pod: Any, namespace_mode: Mode | None, policy: Policy) -> None:
    """Send a pod through decode, decide and encode, and check that the API server would accept the answer."""
    review = decode_review(_body(pod))
    decision = decide_review(review, NamespaceRequest(namespace_mode), policy)
    response = json.loads(encode_review(review, decision))["response"]
    assert response["allowed"] is (decision.outcome is not Outcome.DENIED)
    assert bool(decision.message) is (decision.reason.outcome is Outcome.DENIED)
    assert all(len(warning) <= 120 for warning in response.get("warnings", []))
    if decision.outcome is Outcome.INJECTED:
        jsonpatch.apply_patch(pod, json.loads(b64decode(response["patch"])))


@given(broken_pods | json_values, namespace_modes)
def test_what_a_pod_is_read_from_makes_no_difference(policy: Policy, pod: Any, namespace_mode: Mode | None) -> None:
    decision_without_keys = _without_keys(inject(pod, namespace_mode, policy))
    assert (
        _without_keys(decide_review(decode_review(_body(pod)), NamespaceRequest(namespace_mode), policy))
        == decision_without_keys
    )
    assert _without_keys(inject(Raw(json.dumps(pod).encode()), namespace_mode, policy)) == decision_without_keys


def _without_keys(decision: Decision) -> Decision:
    # The message names the key of a map only if a JSON parser has read the map.
    if decision.reason is Reason.MALFORMED_POD:
        decision.message = re.sub(
            r"(annotations|labels|limits|requests|nodeSelector|volumes\[\d+\])\[.*?\]: ", r"\1: ", decision.message
        )
    return decision


@given(broken_pods, namespace_modes)
def test_a_pod_that_is_almost_right_gets_an_answer(policy: Policy, pod: Any, namespace_mode: Mode | None) -> None:
    _check_answer(pod, namespace_mode, policy)


@given(pods(unknown_members=False), st.data())
def test_a_pod_that_was_injected_and_broken_gets_an_answer(
    policy: Policy, pod: JsonObject, data: st.DataObject
) -> None:
    operations = list(inject(pod, None, policy).operations)
    _check_answer(data.draw(break_pod(jsonpatch.apply_patch(pod, operations))), None, policy)


@given(json_values, namespace_modes)
def test_any_json_gets_an_answer(policy: Policy, pod: Any, namespace_mode: Mode | None) -> None:
    _check_answer(pod, namespace_mode, policy)


@given(json_values, json_values, st.sampled_from(Mode))
def test_any_metadata_and_spec_get_an_answer(policy: Policy, metadata: Any, spec: Any, mode: Mode) -> None:
    _check_answer({"metadata": metadata, "spec": spec}, mode, policy)


@given(_annotation_names, json_values)
def test_any_annotation_gets_an_answer(policy: Policy, name: str, value: Any) -> None:
    annotations = {INJECT: "sidecar", f"dind.io/{name}": value}
    _check_answer({"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "a"}]}}, None, policy)


@given(request_bodies)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        uid, status = decode_review(body).uid, None
    except BadRequestError as error:
        uid, status = "", error.status
    assert uid or status == 400


@given(
    st.integers(min_value=2**64)
    | st.integers(max_value=-(2**63) - 1)
    | st.text(st.characters(categories=["Cs"]), min_size=1)
)
def test_what_yaml_can_hold_and_json_cannot_is_decided_on(policy: Policy, value: Any) -> None:
    for name in ("mtu", "env", "dockerd-args", "containers", "inject"):
        pod = {"metadata": {"annotations": {INJECT: "sidecar", f"dind.io/{name}": value}}}
        assert inject(pod, None, policy).outcome is Outcome.DENIED
