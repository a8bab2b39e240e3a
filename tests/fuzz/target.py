"""The fuzz target that fuzz_review.py runs: raises for each answer that the API server must not get.

| body | what has to hold |
|---|---|
| refused | BadRequestError with 400, nothing else |
| answered | uid, apiVersion and kind echoed; patch and patchType both or neither; a status with a denial only |
| injected | the patch applies, only adds where nothing was, keeps all there was in its order, and is the last one |
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
    from app.admission import Review, decide_review, decode_review, encode_review
    from app.errors import BadRequestError
    from app.injection import Mode, Policy, Reason

import jsonpatch
import orjson
from golden import all_cases, parse
from golden import pods as pods_of
from mutation import Mutator
from pods import everything_open, operator
from reviews import review as review_of
from test_patches import _is_fresh, _keeps

_CLOSED = operator()
_OPEN = everything_open(
    allowed_images=("registry.example/ci/*",), allow_public_tcp=True, allow_host_network=True, allow_host_users=True
)
_PATHS: tuple[Mode | None, ...] = (None, *Mode)


def main() -> None:
    seeds = list(_seeds())
    if (corpus := Path(sys.argv[1])).is_dir():
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number:03}").write_bytes(seed)
    mutator = Mutator(
        map(orjson.loads, seeds),
        lambda text, max_size: atheris.Mutate(text, max_size),  # noqa: PLW0108  # Fuzz() puts another Mutate in its place
    )
    atheris.Setup(sys.argv, check, custom_mutator=mutator.mutate)
    atheris.Fuzz()


def _seeds() -> Iterator[bytes]:
    for case in all_cases():
        for _, pod in pods_of(parse(case.manifest.read_text("utf-8"))):
            yield review_of(pod)
            if case.namespace_label == "enabled":
                yield from _after(pod)
    yield review_of(None, "v1beta1", operation="UPDATE", subResource="status", dryRun=True)


def _after(pod: Any) -> Iterator[bytes]:
    """Yield a review of what becomes of a pod: what was injected may be broken before it comes by once more."""
    decision = decide_review(decode_review(review_of(pod)), None, _OPEN)
    if decision.operations:
        yield review_of(jsonpatch.apply_patch(pod, list(decision.operations)))


def check(body: bytes) -> None:
    """Send a body through the whole contract, on each path and under two operators."""
    try:
        review = decode_review(body)
    except BadRequestError as error:
        refused = error.status
        assert refused == 400
        return
    for policy in (_CLOSED, _OPEN):
        for namespace_mode in _PATHS:
            _check_answer(body, review, namespace_mode, policy)


def _check_answer(body: bytes, review: Review, namespace_mode: Mode | None, policy: Policy) -> None:
    decision = decide_review(review, namespace_mode, policy)
    answered = orjson.loads(encode_review(review, decision))
    assert (answered["apiVersion"], answered["kind"]) == (review.api_version, "AdmissionReview")
    response = answered["response"]
    assert response["uid"] == review.uid
    assert ("status" in response) is not response["allowed"]
    assert all(len(warning) <= 120 for warning in response.get("warnings", []))
    assert response.get("patchType") == ("JSONPatch" if "patch" in response else None)
    assert ("patch" in response) is (decision.reason is Reason.INJECTED)
    if "patch" in response:
        operations = orjson.loads(b64decode(response["patch"], validate=True))
        # What nothing reads need not be UTF-8, or free of control characters.
        text = body.decode("utf-8", "replace")
        with _room_for_recursion():
            document = json.loads(text, strict=False)
            document["request"]["object"] = after = _applied(document["request"]["object"], operations)
            assert _keeps(json.loads(text, strict=False)["request"]["object"], after)
            patched = json.dumps(document).encode()
        again = decide_review(decode_review(patched), namespace_mode, policy)
        assert (again.reason, again.operations) == (Reason.UNCHANGED, ()), again


def _applied(target: Any, operations: list[Any]) -> Any:
    assert operations
    for operation in operations:
        assert operation.keys() == {"op", "path", "value"}
        assert operation["op"] == "add"
        assert _is_fresh(target, operation), operation
        target = jsonpatch.apply_patch(target, [operation], in_place=True)
    return target


@contextmanager
def _room_for_recursion() -> Iterator[None]:
    """Let what compares pods go as deep as JSON may; what is tested keeps Python's own limit."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


if __name__ == "__main__":
    main()
