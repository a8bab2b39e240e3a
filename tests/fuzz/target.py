"""The fuzz target that fuzz_review.py runs: it raises for each answer that the API server must not get.

| body | condition |
|---|---|
| refused | BadRequestError with 400, no other exception |
| answered | uid, apiVersion and kind repeated; patch and patchType both or neither; a status only with a denial |
| injected | the patch applies, adds only absent members, keeps all others in their order, and no second patch follows |
"""

import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["app.admission", "app.injection", "app.model"]):
    from app.admission import NamespaceRequest, Review, decide_review, decode_review, encode_review
    from app.errors import BadRequestError
    from app.injection import Mode, Policy, Reason

import jsonpatch
import orjson
from golden import all_cases, created_pods, parse_documents
from mutation import Mutator
from pods import operator_policy, permissive_policy
from reviews import review as review_of
from test_patches import adds_at_fresh_target, contains_all

_DEFAULT_POLICY = operator_policy()
_PERMISSIVE_POLICY = permissive_policy(
    allowed_images=("registry.example/ci/*",), allow_public_tcp=True, allow_host_network=True, allow_host_users=True
)
_NAMESPACE_MODES: tuple[Mode | None, ...] = (None, *Mode)


def main() -> None:
    seeds = list(_seeds())
    if (corpus := Path(sys.argv[1])).is_dir():
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number:03}").write_bytes(seed)
    mutator = Mutator(
        map(orjson.loads, seeds),
        lambda text, max_size: atheris.Mutate(text, max_size),  # noqa: PLW0108  # Fuzz() replaces atheris.Mutate
    )
    atheris.Setup(sys.argv, check, custom_mutator=mutator.mutate)
    atheris.Fuzz()


def _seeds() -> Iterator[bytes]:
    for case in all_cases():
        for _, pod in created_pods(parse_documents(case.manifest.read_text("utf-8"))):
            yield review_of(pod)
            if case.namespace_label == "enabled":
                yield from _patched_reviews(pod)
    yield review_of(None, "v1beta1", operation="UPDATE", subResource="status", dryRun=True)


def _patched_reviews(pod: Any) -> Iterator[bytes]:
    """Yield a review of the pod after injection, as the API server sends it when it calls the webhook again."""
    decision = decide_review(decode_review(review_of(pod)), NamespaceRequest(None), _PERMISSIVE_POLICY)
    if decision.operations:
        yield review_of(jsonpatch.apply_patch(pod, list(decision.operations)))


def check(body: bytes) -> None:
    """Send a body through decode, decide and encode, for each path and two policies."""
    try:
        review = decode_review(body)
    except BadRequestError as error:
        status = error.status
        assert status == 400
        return
    for policy in (_DEFAULT_POLICY, _PERMISSIVE_POLICY):
        for namespace_mode in _NAMESPACE_MODES:
            _check_answer(body, review, namespace_mode, policy)


def _check_answer(body: bytes, review: Review, namespace_mode: Mode | None, policy: Policy) -> None:
    decision = decide_review(review, NamespaceRequest(namespace_mode), policy)
    response_body = orjson.loads(encode_review(review, decision))
    assert (response_body["apiVersion"], response_body["kind"]) == (review.api_version, "AdmissionReview")
    response = response_body["response"]
    assert response["uid"] == review.uid
    assert ("status" in response) is not response["allowed"]
    assert all(len(warning) <= 120 for warning in response.get("warnings", []))
    assert response.get("patchType") == ("JSONPatch" if "patch" in response else None)
    assert ("patch" in response) is (decision.reason is Reason.INJECTED)
    if "patch" in response:
        operations = orjson.loads(b64decode(response["patch"], validate=True))
        # The webhook ignores members that it does not read: their text may have control characters or not be UTF-8.
        text = body.decode("utf-8", "replace")
        with _room_for_recursion():
            document = json.loads(text, strict=False)
            document["request"]["object"] = patched_pod = _apply_operations(document["request"]["object"], operations)
            assert contains_all(json.loads(text, strict=False)["request"]["object"], patched_pod)
            patched = json.dumps(document).encode()
        second_decision = decide_review(decode_review(patched), NamespaceRequest(namespace_mode), policy)
        assert (second_decision.reason, second_decision.operations) == (Reason.UNCHANGED, ()), second_decision


def _apply_operations(target: Any, operations: list[Any]) -> Any:
    assert operations
    for operation in operations:
        assert operation.keys() == {"op", "path", "value"}
        assert operation["op"] == "add"
        assert adds_at_fresh_target(target, operation), operation
        target = jsonpatch.apply_patch(target, [operation], in_place=True)
    return target


@contextmanager
def _room_for_recursion() -> Iterator[None]:
    """Raise the recursion limit for the comparison of deep pods. The tested code keeps Python's own limit."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


if __name__ == "__main__":
    main()
