"""The fuzz target that fuzz_review.py runs: it raises for each answer that the API server must not get.

| body | condition |
|---|---|
| refused | BadRequestError with 400, no other exception |
| answered | uid, apiVersion and kind repeated; patch and patchType both or neither; a status only with a denial |
| injected | the patch applies, adds only absent members, keeps all others in their order, and no second patch follows |
| node's socket replaced | the same, but volumes and mounts of the node's docker.sock may change |
"""

import json
import re
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["dind_webhook.admission", "dind_webhook.injection", "dind_webhook.model"]):
    from dind_webhook.admission import (
        NAMESPACE_REQUESTS,
        NamespaceRequest,
        Review,
        decide_review,
        decode_review,
        encode_review,
    )
    from dind_webhook.errors import BadRequestError
    from dind_webhook.injection import Policy, Reason

import jsonpatch
import jsonpointer
import orjson
from golden import all_cases, created_pods, parse_documents
from mutation import Mutator
from pods import operator_policy, permissive_policy
from reviews import review as review_of
from test_patches import adds_at_fresh_target, contains_all

_DEFAULT_POLICY = operator_policy()
_PERMISSIVE_POLICY = permissive_policy(
    allowed_images=("registry.example/ci/*",), allow_public_tcp=True, allow_host_network=True
)
_SOCKET_VOLUME = re.compile(r"/spec/volumes/\d+|(?P<host_path>/spec/volumes/\d+/hostPath)/(path|type)")
_MOUNT = re.compile(r"/spec/(initContainers|containers|ephemeralContainers)/\d+/volumeMounts/\d+")


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
        for request in NAMESPACE_REQUESTS:
            _check_answer(body, review, request, policy)


def _check_answer(body: bytes, review: Review, request: NamespaceRequest, policy: Policy) -> None:
    decision = decide_review(review, request, policy)
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
            kept = json.loads(text, strict=False)["request"]["object"]
            document["request"]["object"] = patched_pod = _apply_operations(
                document["request"]["object"], kept, operations
            )
            assert contains_all(kept, patched_pod)
            patched = json.dumps(document).encode()
        second_decision = decide_review(decode_review(patched), request, policy)
        assert (second_decision.reason, second_decision.operations) == (Reason.UNCHANGED, ()), second_decision


def _apply_operations(target: Any, kept: Any, operations: list[Any]) -> Any:
    """Return the patched target. Make the changes of the node's socket, and only these, in `kept` too."""
    assert operations
    for operation in operations:
        assert operation.keys() == ({"op", "path"} if operation["op"] == "remove" else {"op", "path", "value"})
        if _changes_node_socket(target, operation):
            jsonpatch.apply_patch(kept, [operation], in_place=True)
        else:
            assert operation["op"] == "add", operation
            assert adds_at_fresh_target(target, operation), operation
        target = jsonpatch.apply_patch(target, [operation], in_place=True)
    return target


def _changes_node_socket(target: Any, operation: Any) -> bool:
    """Return whether an operation changes or removes a volume of a docker.sock of the node, or a mount of one."""
    path = operation["path"]
    if match := _SOCKET_VOLUME.fullmatch(path):
        volume = jsonpointer.resolve_pointer(target, (match["host_path"] or path).removesuffix("/hostPath"))
        return _is_docker_socket(volume)
    if operation["op"] == "replace" and _MOUNT.fullmatch(path):
        mount = jsonpointer.resolve_pointer(target, path)
        sockets = [volume["name"] for volume in target["spec"]["volumes"] if _is_docker_socket(volume)]
        return mount["name"] in sockets and mount["mountPath"] == operation["value"]["mountPath"]
    return False


def _is_docker_socket(volume: Any) -> bool:
    return "docker.sock" in ((volume.get("hostPath") or {}).get("path") or "")


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
