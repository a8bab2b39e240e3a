"""From text to value; what each option refuses stands in the table of the annotations' test."""

from collections.abc import Callable
from typing import Any

import pytest

from app.injection import parsers
from app.injection.options import Address, Medium, Placement


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parsers.names, " a ,b-1", ("a", "b-1")),
        (parsers.boolean, "true", True),
        (parsers.boolean, "false", False),
        (parsers.one_of(Placement), "container", Placement.CONTAINER),
        (parsers.one_of(Medium), "Memory", Medium.MEMORY),
        (parsers.shared_volumes, "true", True),
        (parsers.shared_volumes, "false", False),
        (parsers.shared_volumes, "a,b", ("a", "b")),
        (parsers.registry_mirrors, "https://a.example/v2/,http://b", ("https://a.example/v2/", "http://b")),
        (parsers.registries, "a,a:5000,10.0.0.0/8,fd00::/8", ("a", "a:5000", "10.0.0.0/8", "fd00::/8")),
        (parsers.address_pools, "10.0.0.0/8:8", ("base=10.0.0.0/8,size=8",)),
        (parsers.address_pools, "10.0.0.0/8:32", ("base=10.0.0.0/8,size=32",)),
        (parsers.tcp_address, "[::1]:2375", Address("::1", 2375)),
        (parsers.tcp_address, "127.0.0.1:1", Address("127.0.0.1", 1)),
        (parsers.tcp_address, "0.0.0.0:65535", Address("0.0.0.0", 65535)),
        (parsers.environment, "{}", ()),
        (parsers.environment, '{"B": "2", "A": "1"}', (("B", "2"), ("A", "1"))),
        (parsers.dockerd_args, "[]", ()),
        (parsers.dockerd_args, '["--debug", "--label=a=b"]', ("--debug", "--label=a=b")),
        (parsers.socket_dir, "/" + "x" * 94, "/" + "x" * 94),
        (parsers.socket_dir, "/var/run", "/var/run"),
    ],
)
def test_a_text_is_read(parse: Callable[[str], Any], text: str, expected: Any) -> None:
    assert parse(text) == expected


def test_the_longest_socket_fits_into_the_address_of_a_unix_socket() -> None:
    longest = parsers.socket_dir("/" + "x" * 94)
    assert len(f"{longest}/compat.sock".encode()) < 108
    with pytest.raises(ValueError, match="at most 95 characters"):
        parsers.socket_dir(longest + "x")
