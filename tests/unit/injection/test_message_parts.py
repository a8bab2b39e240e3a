"""Messages and warnings are cut to the length that reaches people."""

import pytest

from dind_webhook.injection.message_parts import join_first, quote, truncate_warning, warn_of_names


@pytest.mark.parametrize("length", [0, 1, 119, 120])
def test_a_warning_of_up_to_120_characters_is_left_as_it_is(length: int) -> None:
    assert truncate_warning("x" * length) == "x" * length


@pytest.mark.parametrize("length", [121, 10_000])
def test_a_longer_warning_is_cut_to_120_characters_and_says_so(length: int) -> None:
    assert truncate_warning("x" * length) == "x" * 119 + "…"


def test_a_list_of_names_is_cut_as_well() -> None:
    assert warn_of_names("left out", ["a", "b"]) == "left out: a, b"
    assert warn_of_names("left out", list("abcdefg")) == "left out: a, b, c, d, e, and 2 more"
    assert len(warn_of_names("left out", ["x" * 63] * 100)) == 120


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], ""),
        ([1], "<1>"),
        ([1, 2, 3, 4, 5], "<1>; <2>; <3>; <4>; <5>"),
        ([1, 2, 3, 4, 5, 6], "<1>; <2>; <3>; <4>; <5>; and 1 more"),
    ],
)
def test_of_many_items_the_first_five_are_described(items: list[int], text: str) -> None:
    assert join_first(items, lambda item: f"<{item}>") == text


def test_the_others_are_not_even_described() -> None:
    described: list[int] = []
    join_first(range(1000), lambda item: described.append(item) or "")
    assert described == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("text", "shown"), [("", '""'), ("a", '"a"'), ("x" * 64, f'"{"x" * 64}"')])
def test_a_text_is_quoted(text: str, shown: str) -> None:
    assert quote(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ci:PASSWORD@proxy.corp:3128", '"***@proxy.corp:3128"'),
        ("http:/ci:PASSWORD@p:1", '"***@p:1"'),
        ('{"HTTPS_PROXY": "ci:PASS/WORD@h"', """'***@h"'"""),
        ("docker@sha256:0a", '"docker@sha256:0a"'),
    ],
)
def test_a_password_is_masked_without_a_scheme_too(text: str, shown: str) -> None:
    assert quote(text) == shown


def test_a_long_text_is_quoted_in_part() -> None:
    assert quote("x" * 65) == f'"{"x" * 61}..."'
