"""Hosts and networks, as dockerd's flags contain them."""

import ipaddress
import re


def host_of(host_and_port: str) -> str:
    """Return the host in HOST[:PORT], without the brackets of an IPv6 address; empty if there is none."""
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?", host_and_port)
    return (match[1] or match[2]) if match else ""


def find_ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a host is, or None if it is a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parse_network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the network of a CIDR. An IPv4 network that is mapped into IPv6 becomes IPv4, as in Docker up to 28."""
    network = ipaddress.ip_network(cidr)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return ipaddress.ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network
