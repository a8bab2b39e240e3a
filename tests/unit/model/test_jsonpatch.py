"""RFC 6901 pointers and the one operation of RFC 6902 that the project uses."""

import jsonpointer
import pytest

from dind_webhook.model import add, pointer


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((), ""),
        (("spec", "containers", 0), "/spec/containers/0"),
        (("metadata", "annotations", "dind.io/status"), "/metadata/annotations/dind.io~1status"),
        (("a~b",), "/a~0b"),
        (("~1",), "/~01"),
        (("~/",), "/~0~1"),
        (("",), "/"),
    ],
)
def test_tokens_are_joined_and_escaped(tokens: tuple[str | int, ...], expected: str) -> None:
    assert pointer(*tokens) == expected


@pytest.mark.parametrize("key", ["plain", "a/b", "a~b", "~0", "~1", "~01", "", "/~"])
def test_an_independent_library_finds_the_member_that_a_pointer_names(key: str) -> None:
    assert jsonpointer.resolve_pointer({key: 1, "other": 2}, pointer(key)) == 1


def test_an_operation_adds() -> None:
    assert add("/spec/volumes/-", {"name": "w"}) == {"op": "add", "path": "/spec/volumes/-", "value": {"name": "w"}}
