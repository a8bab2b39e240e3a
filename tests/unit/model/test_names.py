"""RFC 1123 names, and guesses."""

import pytest

from app.model import is_dns_label, is_dns_subdomain, nearest


@pytest.mark.parametrize("text", ["a", "0", "dind", "a-b", "x1", "a" * 63])
def test_a_label_is_accepted(text: str) -> None:
    assert is_dns_label(text)


@pytest.mark.parametrize("text", ["", "A", "-a", "a-", "a.b", "a_b", "a" * 64, "a\n", " a", "é"])
def test_no_label_is_refused(text: str) -> None:
    assert not is_dns_label(text)


@pytest.mark.parametrize("text", ["a", "fast-ssd", "a.b", "csi.example.com", "a" * 253])
def test_a_subdomain_is_accepted(text: str) -> None:
    assert is_dns_subdomain(text)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "A.b", "a_b", "a" * 254, "a\n"])
def test_no_subdomain_is_refused(text: str) -> None:
    assert not is_dns_subdomain(text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("sidcar", "sidecar"), ("SIDECAR", "sidecar"), ("daemon-set", "daemonset"), ("", None), ("zzz", None)],
)
def test_the_nearest_known_word_is_guessed(word: str, expected: str | None) -> None:
    assert nearest(word, ["sidecar", "daemonset", "disabled"]) == expected


def test_a_very_long_word_has_no_neighbour() -> None:
    assert nearest("x" * 1_000_000, ["sidecar"]) is None
