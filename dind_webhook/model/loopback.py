"""Loopback addresses."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a host, `localhost` or an IP address, is reached from the same machine only."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # An IPv4-mapped address, which an IPv4 client of a dual-stack socket has, is not loopback itself.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
