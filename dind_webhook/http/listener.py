"""Accepts sockets, and admits connections."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from dind_webhook.http.fair_queue import Job
from dind_webhook.http.protocol import Connection
from dind_webhook.http.socket_protocols import PlaintextProtocol, TlsProtocol

# Sockets accepted per turn of the event loop. uvloop's own servers accept one, so clients queue. At most a fifth of the
# limit: otherwise new connections evict others before their requests are read.
_MAX_ACCEPTS_PER_TURN = 100
_ACCEPTED_SHARE_OF_LIMIT = 1 / 5
# After this time, file descriptors may be free again.
_ACCEPT_PAUSE_SECONDS = 0.1


class Listener:
    """Accepts connections until it is closed; with TLS if `ssl_context` is not None.

    `admit` returns a connection for a remote address, or None to refuse it. `run_in_turn` runs the work of TLS in
    the turn of the remote address. `limit` is the number of connections that may be open.
    """

    def __init__(
        self,
        listening_socket: socket.socket,
        admit: Callable[[str], Connection | None],
        ssl_context: ssl.SSLContext | None,
        run_in_turn: Callable[[str, Job], None],
        limit: int,
    ) -> None:
        self.socket = listening_socket
        self._accepts_per_turn = max(1, min(_MAX_ACCEPTS_PER_TURN, int(limit * _ACCEPTED_SHARE_OF_LIMIT)))
        self._admit = admit
        self._ssl_context = ssl_context
        self._run_in_turn = run_in_turn
        self._starting: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        listening_socket.setblocking(False)  # noqa: FBT003  # positional in the standard library
        self._listen()

    def close(self) -> None:
        """Refuse connections from now on."""
        self._loop.remove_reader(self.socket)
        self.socket.close()

    def _listen(self) -> None:
        if self.socket.fileno() >= 0:
            self._loop.add_reader(self.socket, self._accept)

    def _accept(self) -> None:
        for _ in range(self._accepts_per_turn):
            try:
                accepted, address = self.socket.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError:
                # No file descriptor, or no memory in the kernel
                self._loop.remove_reader(self.socket)
                self._loop.call_later(_ACCEPT_PAUSE_SECONDS, self._listen)
                return
            connection = self._admit(address[0])
            if connection:
                self._start(connection, accepted)
            else:
                accepted.close()

    def _start(self, connection: Connection, accepted: socket.socket) -> None:
        accepted.setblocking(False)  # noqa: FBT003  # positional in the standard library
        protocol: Any = (
            TlsProtocol(connection, self._ssl_context, self._run_in_turn)
            if self._ssl_context
            else PlaintextProtocol(connection)
        )
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: protocol, accepted))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
