"""The memory that the worst reviews take while they are answered."""

import json
import tracemalloc
from typing import Any

import pytest
from pods import a_container, a_pod, permissive_policy

from dind_webhook.admission import NamespaceRequest, decide_review, decode_review, encode_review
from dind_webhook.admission.review import MAX_JSON_VALUES
from dind_webhook.errors import BadRequestError

_MAX_BODY_BYTES = 7 * 2**20
_MAX_RATIO = 7
_POLICY = permissive_policy()


def _body(note: str = "", **spec: Any) -> bytes:
    pod = a_pod(**spec)
    pod["metadata"]["annotations"]["note"] = note
    request = {"uid": "1", "operation": "CREATE", "resource": {"group": "", "resource": "pods"}, "object": pod}
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(review, ensure_ascii=False, separators=(",", ":")).encode()


def _fill(item: Any, values: int) -> list[Any]:
    """Return as many items as a body may have, if each item has so many JSON values."""
    return [item] * ((MAX_JSON_VALUES - 500) // values)


def _wide_text(characters: int) -> str:
    # One character needs four bytes, so Python stores every character of the text in four.
    return "\U0001f600" + "a" * characters


_VARIABLES = [a_container(env=_fill({"name": "e"}, 2))]
_BODIES = {
    "containers": _body(containers=[{"name": "a"}] * 1000),
    "volumes": _body(volumes=_fill({"name": "v"}, 2)),
    "variables": _body(containers=_VARIABLES),
    "mounts": _body(containers=[a_container(volumeMounts=_fill({"name": "v", "mountPath": "/m"}, 3))]),
    "groups": _body(securityContext={"supplementalGroups": _fill(300_000, 1)}),
    "a wide text": _body(_wide_text(_MAX_BODY_BYTES - 1000)),
    "a wide annotation of ours": _body().replace(
        b'"note"', json.dumps(f"dind.io/{_wide_text(_MAX_BODY_BYTES - 1000)}", ensure_ascii=False).encode()
    ),
    "a wide text and variables": _body(_wide_text(_MAX_BODY_BYTES - 700_000), containers=_VARIABLES),
}


def _peak_of_answering(body: bytes) -> int:
    tracemalloc.start()
    try:
        review = decode_review(body)
        encode_review(review, decide_review(review, NamespaceRequest(None), _POLICY))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", _BODIES)
def test_a_review_costs_at_most_seven_times_the_largest_body(name: str) -> None:
    assert len(_BODIES[name]) <= _MAX_BODY_BYTES
    assert _peak_of_answering(_BODIES[name]) <= _MAX_RATIO * _MAX_BODY_BYTES


@pytest.mark.parametrize("item", [{}, 1, {"a": {}}, "a", [[]]])
def test_a_body_of_more_values_is_refused_before_it_is_read(item: Any) -> None:
    body = _body(future=[item] * (MAX_JSON_VALUES + 1))
    tracemalloc.start()
    try:
        with pytest.raises(BadRequestError):
            decode_review(body)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
