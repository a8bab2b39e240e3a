"""Texts that the parsers accept. test_annotations.py has the texts that they refuse."""

from collections.abc import Callable
from typing import Any

import pytest

from dind_webhook.injection import parsers
from dind_webhook.injection.options import Mirror, Placement, StorageMedium, TcpAddress


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parsers.parse_names, " a ,b-1", ("a", "b-1")),
        (parsers.parse_boolean, "true", True),
        (parsers.parse_boolean, "false", False),
        (parsers.choice_parser(Placement), "container", Placement.CONTAINER),
        (parsers.choice_parser(StorageMedium), "Memory", StorageMedium.MEMORY),
        (parsers.parse_shared_volumes, "true", True),
        (parsers.parse_shared_volumes, "false", False),
        (parsers.parse_shared_volumes, "a,b", ("a", "b")),
        (parsers.parse_registry_mirrors, "https://a.example/v2/", (Mirror("docker.io", "https://a.example/v2/"),)),
        (
            parsers.parse_registry_mirrors,
            "GHCR.io=node:5000,[::1]:5000=https://b/v2/x, *=none",
            (Mirror("ghcr.io", "http://node:5000"), Mirror("[::1]:5000", "https://b/v2/x"), Mirror("*", "")),
        ),
        (
            parsers.parse_registry_mirrors,
            "a.example=NODE:5000,b.example=http://Node:5000/V,c.example=https://[FD00::1]",
            (
                Mirror("a.example", "http://node:5000"),
                Mirror("b.example", "http://node:5000/V"),
                Mirror("c.example", "https://[fd00::1]"),
            ),
        ),
        (parsers.parse_insecure_registries, "a,a:5000,10.0.0.0/8,fd00::/8", ("a", "a:5000", "10.0.0.0/8", "fd00::/8")),
        (parsers.parse_address_pools, "10.0.0.0/8:8", ("base=10.0.0.0/8,size=8",)),
        (parsers.parse_address_pools, "10.0.0.0/8:32", ("base=10.0.0.0/8,size=32",)),
        (parsers.parse_tcp_address, "[::1]:2375", TcpAddress("::1", 2375)),
        (parsers.parse_tcp_address, "127.0.0.1:1", TcpAddress("127.0.0.1", 1)),
        (parsers.parse_tcp_address, "0.0.0.0:65535", TcpAddress("0.0.0.0", 65535)),
        (parsers.parse_environment, "{}", ()),
        (parsers.parse_environment, '{"B": "2", "A": "1"}', (("B", "2"), ("A", "1"))),
        (parsers.parse_dockerd_args, "[]", ()),
        (parsers.parse_dockerd_args, '["--debug", "--label=a=b"]', ("--debug", "--label=a=b")),
        (parsers.parse_socket_dir, "/" + "x" * 94, "/" + "x" * 94),
        (parsers.parse_socket_dir, "/var/run", "/var/run"),
    ],
)
def test_a_text_is_read(parse: Callable[[str], Any], text: str, expected: Any) -> None:
    assert parse(text) == expected


def test_the_longest_socket_fits_into_the_address_of_a_unix_socket() -> None:
    longest = parsers.parse_socket_dir("/" + "x" * 94)
    assert len(f"{longest}/compat.sock".encode()) < 108
    with pytest.raises(ValueError, match="at most 95 characters"):
        parsers.parse_socket_dir(longest + "x")
