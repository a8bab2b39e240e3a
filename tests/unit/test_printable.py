"""Text from pods and clusters cannot control a terminal."""

import json
import unicodedata

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dind_webhook.printable import printable, printable_json, printable_lines

_ODD = "\x1b]0;owned\x07 \x9b2J \u202e \u2066 \u200b \u2028 \x7f \ud800 \U000e0001"
_FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("text", ["", "plain", "Grüße, 世界", "a\\b"])
def test_what_is_printable_stays(text: str) -> None:
    assert printable(text) == printable_lines(text) == text


def test_what_is_not_is_escaped() -> None:
    assert printable("a\x1b[2J\u202eb\n") == r"a\x1b[2J\u202eb\n"
    assert printable_lines("a\n\tb\x1b\n") == "a\n\tb\\x1b\n"


@given(st.text())
@example(_ODD)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    assert not {unicodedata.category(char) for char in printable(text)} & _FORBIDDEN
    shown = printable_lines(text).replace("\n", "").replace("\t", "")
    assert not {unicodedata.category(char) for char in shown} & _FORBIDDEN


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example(_ODD.replace("\ud800", ""))
def test_json_says_the_same_with_nothing_left_that_a_terminal_obeys(text: str) -> None:
    document = printable_json(orjson.dumps({"key": text}))
    assert json.loads(document) == {"key": text}
    assert document.decode().isprintable()
