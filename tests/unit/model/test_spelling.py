"""Guesses at misspelt words."""

import pytest

from dind_webhook.model import nearest_word


@pytest.mark.parametrize(
    ("word", "expected"),
    [("sidcar", "sidecar"), ("SIDECAR", "sidecar"), ("daemon-set", "daemonset"), ("", None), ("zzz", None)],
)
def test_the_nearest_known_word_is_guessed(word: str, expected: str | None) -> None:
    assert nearest_word(word, ["sidecar", "daemonset", "disabled"]) == expected


def test_a_very_long_word_has_no_neighbour() -> None:
    assert nearest_word("x" * 1_000_000, ["sidecar"]) is None
