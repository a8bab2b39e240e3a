"""RFC 1123 names."""

import pytest

from dind_webhook.model import is_dns_label, is_dns_subdomain


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
