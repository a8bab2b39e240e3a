"""bind: the addresses on which a server listens, and errors."""

import socket

import pytest

from dind_webhook.errors import SettingsError
from dind_webhook.http import bind


def reaches(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "reached"),
    [("::", {"127.0.0.1", "::1"}), ("0.0.0.0", {"127.0.0.1"}), ("127.0.0.1", {"127.0.0.1"}), ("::1", {"::1"})],
)
def test_two_colons_stand_for_every_address_of_both_families(host: str, reached: set[str]) -> None:
    with bind(host, 0, "server.port") as listening_socket:
        port = listening_socket.getsockname()[1]
        assert {address for address in ("127.0.0.1", "::1") if reaches(address, port)} == reached


def test_on_a_node_without_ipv6_they_stand_for_those_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with bind("::", 0, "server.port") as listening_socket:
        assert listening_socket.family == socket.AF_INET
        assert reaches("127.0.0.1", listening_socket.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "why"),
    [("192.0.2.1", "Cannot assign requested address"), ("nowhere.invalid", "Name or service not known")],
)
def test_an_address_that_cannot_be_had_is_said_with_the_setting(host: str, why: str) -> None:
    with pytest.raises(SettingsError) as raised:
        bind(host, 443, "certs.health_port")
    assert str(raised.value) == f"certs.health_port: cannot listen on {host}:443: {why}"
