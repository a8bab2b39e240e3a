"""A small HTTP proxy, as a process beside the cluster's nodes. It writes each request to a file.

It opens a tunnel for CONNECT: to the port that the client asks for, on the address in its first argument, whatever the
name is. It answers other requests itself. So names that no resolver knows work through the proxy alone.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.cluster import Cluster

ANSWER = "from the proxy"


@dataclass(frozen=True)
class HttpProxy:
    """A running proxy, and the file with its requests."""

    url: str
    log: Path

    @property
    def requests(self) -> list[str]:
        """The method and the target of each request so far."""
        return self.log.read_text("utf-8").splitlines()


@contextmanager
def http_proxy(node: "Cluster", folder: Path, port: int) -> Iterator[HttpProxy]:
    """Start a proxy that pods reach."""
    # The proxy's own process does not need the Kubernetes client.
    from outside_service import outside_service

    log = folder / "requests.log"
    log.touch()
    command = [sys.executable, __file__, str(node.record.link.control_plane), str(port), str(log)]
    with outside_service(node, "http-proxy", command, port) as address:
        yield HttpProxy(f"http://{address}:{port}", log)


class _Handler(BaseHTTPRequestHandler):
    address = ""
    log = Path()

    def do_CONNECT(self) -> None:
        self._log_request()
        with socket.create_connection((self.address, int(self.path.rpartition(":")[2]))) as server:
            self.send_response(200, "Connection established")
            self.end_headers()
            reply = Thread(target=_copy, args=(server, self.connection))
            reply.start()
            _copy(self.connection, server)
            reply.join()
        self.close_connection = True

    def do_GET(self) -> None:
        self._log_request()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{ANSWER}\n".encode())

    def log_message(self, *_: object) -> None:
        """Do not write the lines of the base class."""

    def _log_request(self) -> None:
        with self.log.open("a") as file:
            file.write(f"{self.command} {self.path}\n")


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _main(address: str, port: str, log: str) -> None:
    _Handler.address, _Handler.log = address, Path(log)
    ThreadingHTTPServer(("", int(port)), _Handler).serve_forever()


if __name__ == "__main__":
    _main(*sys.argv[1:])
