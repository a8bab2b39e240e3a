"""The veth pairs of a cluster: from this machine to the control plane, and from there to the virtual machine."""

import ipaddress
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from cluster.errors import ClusterError

# RFC 2544 reserves this range for network tests, so no real host has these addresses.
_RANGE = ipaddress.ip_network("198.18.0.0/24")


@dataclass(frozen=True)
class Link:
    """The addresses of the veth pairs. The kernel removes all interfaces with the cluster's network namespace."""

    interface: str
    host: str
    control_plane: str
    gateway: str
    node: str

    @classmethod
    def choose(cls, interface: str, others: Iterable["Link"]) -> "Link":
        """Return a link with unused addresses. Other clusters may be running, or starting without their interfaces."""
        in_use = {ipaddress.ip_address(address) for address in (*_addresses(), *(other.host for other in others))}
        for subnet in _RANGE.subnets(new_prefix=29):
            to_host, to_node = subnet.subnets(new_prefix=30)
            if not in_use & set(to_host.hosts()):
                return cls(interface, *map(str, (*to_host.hosts(), *to_node.hosts())))
        raise ClusterError(f"no addresses are left in {_RANGE}: remove a cluster first")

    def connect(self, namespace_of: int) -> None:
        """Connect this machine with the network namespace of a process."""
        peer = ["peer", "name", "host0", "netns", str(namespace_of)]
        for command in (
            ["ip", "link", "add", self.interface, "type", "veth", *peer],
            ["ip", "address", "add", f"{self.host}/30", "dev", self.interface],
            ["ip", "link", "set", self.interface, "up"],
        ):
            _ip(command)


def remove(interface: str) -> None:
    """Remove the interface of a link on this machine, if it exists."""
    if _exists(interface):
        try:
            _ip(["ip", "link", "delete", interface])
        except ClusterError:
            # The kernel removed the interface in the meantime, with the cluster's network namespace.
            if _exists(interface):
                raise


def _exists(interface: str) -> bool:
    return any(entry["ifname"] == interface for entry in _interfaces())


def _ip(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def _interfaces() -> list[dict[str, object]]:
    interfaces: list[dict[str, object]] = json.loads(_ip(["ip", "-json", "address", "show"]))
    return interfaces


def _addresses() -> list[str]:
    listing = json.loads(_ip(["ip", "-json", "-4", "address", "show"]))
    return [address["local"] for entry in listing for address in entry.get("addr_info", []) if "local" in address]
