"""The parsed values of the options."""

from dataclasses import FrozenInstanceError, fields

import pytest

from dind_webhook.injection import OPTIONS, Options, Policy
from dind_webhook.injection.options import TcpAddress


def test_options_have_one_member_for_each_row_of_the_table() -> None:
    assert {field.name for field in fields(Options)} == {option.field for option in OPTIONS}


@pytest.mark.parametrize(
    ("host", "loopback", "text"),
    [
        ("127.0.0.1", True, "127.0.0.1:2375"),
        ("127.1.2.3", True, "127.1.2.3:2375"),
        ("localhost", True, "localhost:2375"),
        ("::1", True, "[::1]:2375"),
        ("0.0.0.0", False, "0.0.0.0:2375"),
        ("10.0.0.1", False, "10.0.0.1:2375"),
        ("::", False, "[::]:2375"),
        ("fe80::1", False, "[fe80::1]:2375"),
    ],
)
def test_an_address_knows_whether_it_is_loopback_and_how_dockerd_writes_it(
    host: str, loopback: bool, text: str
) -> None:
    address = TcpAddress(host, 2375)
    assert (address.is_loopback, str(address)) == (loopback, text)


def test_policy_and_options_cannot_be_changed(policy: Policy) -> None:
    with pytest.raises(FrozenInstanceError):
        policy.defaults.mtu = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        policy.storage = False  # type: ignore[misc]
