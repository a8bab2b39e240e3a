"""JSON as CEL."""

from typing import Any

import pytest

from dind_webhook.strict_policy.cel import cel_literal

LITERALS: list[tuple[Any, str]] = [
    ("text", '"text"'),
    ('a "b" \\c\n', r'"a \"b\" \\c\n"'),
    ("", '""'),
    (True, "true"),
    (5, "5"),
    (["a", "b"], '["a", "b"]'),
    ([], "[]"),
    (["a", 1], '[dyn("a"), dyn(1)]'),
    ({"a": {"b": False}}, '{"a": dyn({"b": dyn(false)})}'),
]


@pytest.mark.parametrize(("value", "expected"), LITERALS)
def test_a_value_has_its_literal(value: Any, expected: str) -> None:
    assert cel_literal(value) == expected


def test_texts_give_way_to_variables() -> None:
    assert cel_literal("a /dir/b", {"/dir": "variables.dir"}) == '"a " + variables.dir + "/b"'
    assert cel_literal("/dir", {"/dir": "variables.dir"}) == "variables.dir"
    assert cel_literal("", {"/dir": "variables.dir"}) == '""'
