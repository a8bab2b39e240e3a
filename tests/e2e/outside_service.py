"""A service beside the cluster's nodes, as pods meet it in a company's network."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster.cluster import Cluster
from cluster.processes import Process
from kube import until


@contextmanager
def outside_service(node: Cluster, name: str, command: Sequence[str | Path], port: int) -> Iterator[str]:
    """Start a service, wait until it listens on a port, and yield its address, which pods reach. End it afterwards."""
    address = str(node.record.link.control_plane)
    with outside_process(node, f"{name}-{port}", command):
        until(f"{name} to listen", lambda: _listens(address, port))
        yield address


@contextmanager
def outside_process(node: Cluster, name: str, command: Sequence[str | Path]) -> Iterator[None]:
    """Start a process, with its output in a log named after it. End it afterwards."""
    service = node.sandbox.start(name, command)
    try:
        yield
    finally:
        # Its parent, nsenter, ends with it, but not the other way round.
        if service.parent.poll() is None:
            Process.of(service.wait_for_pid()).kill()
        service.parent.wait()


def _listens(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
