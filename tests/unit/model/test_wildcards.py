"""Patterns with `*`."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dind_webhook.model import matches_wildcards


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("ci", "ci", True),
        ("ci", "ci-a", False),
        ("ci-*", "ci-a", True),
        ("ci-*", "ci-", True),
        ("ci-*", "ci", False),
        ("*-ci", "a-ci", True),
        ("*", "", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("ab*ba", "aba", False),
        ("**", "x", True),
        # A pattern covers another one: only a `*` matches a `*`.
        ("ci-*", "ci-a*", True),
        ("ci-a*", "ci-*", False),
        ("*", "*", True),
        ("a*c", "a*b*c", True),
    ],
)
def test_a_pattern_matches_whole_texts(pattern: str, text: str, expected: bool) -> None:
    assert matches_wildcards(pattern, text) is expected


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_it_agrees_with_a_regular_expression(pattern: str, text: str) -> None:
    expression = re.escape(pattern).replace(r"\*", ".*")
    assert matches_wildcards(pattern, text) is bool(re.fullmatch(expression, text))


@given(st.text("ab*", max_size=6), st.text("ab*", max_size=6), st.text("ab", max_size=10))
def test_a_pattern_that_covers_another_matches_what_that_matches(pattern: str, other: str, text: str) -> None:
    if matches_wildcards(pattern, other) and matches_wildcards(other, text):
        assert matches_wildcards(pattern, text)


def test_many_wildcards_take_no_exponential_time() -> None:
    started = time.monotonic()
    assert not matches_wildcards("*a" * 31 + "b", "a" * 63)
    assert time.monotonic() - started < 0.1
