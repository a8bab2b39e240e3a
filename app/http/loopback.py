"""Loopback addresses."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name or IP address is this machine, as only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # On a dual-stack socket, an IPv4 client has an IPv4-mapped address.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
