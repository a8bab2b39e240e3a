"""From a listening socket to connections that speak HTTP."""

import asyncio
import socket
import ssl
from collections.abc import Callable

# Not `start_tls`, nor a server with a context: only so is the transport below TLS known, and before the handshake.
from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]  # not in its stubs

from app.server.connection import Connection

# A client that is alive needs milliseconds.
_HANDSHAKE_SECONDS = 5.0
# Before other connections have their turn. uvloop's own servers accept one: who connects would wait for all before it.
_MOST_AT_ONCE = 100
# Until file descriptors may be free again
_PAUSE_SECONDS = 0.1


class Listener:
    """Accepts connections, within TLS where there is a `context`, until it is closed."""

    def __init__(
        self, bound: socket.socket, make_connection: Callable[[], Connection], context: ssl.SSLContext | None
    ) -> None:
        self.socket = bound
        self._make_connection = make_connection
        self._context = context
        self._starting: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        bound.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Accept no more: who connects from now on is refused."""
        self._loop.remove_reader(self.socket)
        self.socket.close()

    def _listen(self) -> None:
        if self.socket.fileno() >= 0:
            self._loop.add_reader(self.socket, self._accept)

    def _accept(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                accepted, address = self.socket.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError:
                # No file descriptors, or no memory in the kernel
                self._loop.remove_reader(self.socket)
                self._loop.call_later(_PAUSE_SECONDS, self._listen)
                return
            connection = self._make_connection()
            if connection.admit(address[0]):
                self._start(connection, accepted)
            else:
                accepted.close()

    def _start(self, connection: Connection, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        starter = _Starter(connection, self._context)
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: starter, accepted))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)


class _Starter(asyncio.Protocol):
    """Has a connection take its socket over, through a TLS handshake where there is a context."""

    def __init__(self, connection: Connection, context: ssl.SSLContext | None) -> None:
        self._connection = connection
        self._context = context

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a stream
        connection = self._connection
        if not connection.take_socket(transport):
            transport.abort()
            return
        if self._context is None:
            transport.set_protocol(connection)
            connection.connection_made(transport)
            return
        loop = asyncio.get_running_loop()
        handshake: asyncio.Future[None] = loop.create_future()
        handshake.add_done_callback(connection.handshake_ended)
        tls = SSLProtocol(
            loop,
            connection,
            self._context,
            handshake,
            server_side=True,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=_HANDSHAKE_SECONDS,
        )
        transport.set_protocol(tls)
        tls.connection_made(transport)
