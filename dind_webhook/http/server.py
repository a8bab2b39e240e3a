"""An HTTP server on a listening socket, in an event loop that it shares with other servers."""

import asyncio
import contextlib
import math
import os
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from dind_webhook.errors import SettingsError

# Without the fast path: import `Connection` of protocol.py here.
from dind_webhook.http.fast_path import FastPathConnection as AcceptedConnection
from dind_webhook.http.limits import ByteBudget, ConnectionRegistry
from dind_webhook.http.listener import Listener
from dind_webhook.http.protocol import Connection
from dind_webhook.http.server_context import ServerContext

# The API server keeps idle connections for 90 s (Go's DefaultTransport). The server must not close them first.
IDLE_SECONDS = 120
# kubelet opens one for each probe; Prometheus and an operator open one each.
HEALTH_CONNECTIONS = 20
# As long as Linux allows by default (net.core.somaxconn): a connection that finds no place asks again after a second.
_BACKLOG = 4096
_SOCKET_BUFFER_BYTES = 16 * 1024
# A client that has just connected, or just got a response, may have sent its next request already.
_IDLE_SECONDS_WHILE_DRAINING = 1.0
_TICK_SECONDS = 0.1


class Server(uvicorn.Server):
    """uvicorn's server with connections that have limits. It does not handle signals: the process does."""

    def __init__(
        self,
        application: ASGIApp,
        listening_socket: socket.socket,
        context: ServerContext,
        drain_seconds: float,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=math.ceil(context.idle_seconds),
            )
        )
        self.listening_socket = listening_socket
        self.context = context
        self._ssl_context = ssl_context
        self._drain_seconds = drain_seconds
        self.cut_off = 0
        """How many requests were cut off by the shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Listen."""
        run_in_turn, limit = self.context.queue.run, self.context.connections.limit
        self._listener = Listener(self.listening_socket, self._admit, self._ssl_context, run_in_turn, limit)
        self.started = True

    def _admit(self, address: str) -> Connection | None:
        """Return a new connection for a remote address, or None if the limit is reached."""
        if self.context.connections.make_room(address, asyncio.get_running_loop().time()):
            return AcceptedConnection(self.config, self.server_state, self.context, address)
        self.context.count_closed("limit")
        return None

    async def on_tick(self, counter: int) -> bool:
        """Check the time-outs of all connections. uvicorn calls this ten times a second."""
        for connection in self._connections():
            connection.check_time_outs(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Refuse new connections, and drain the others until the drain time is over or `force_exit` is set."""
        self._listener.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._drain_seconds
        self.context.idle_seconds = min(self.context.idle_seconds, _IDLE_SECONDS_WHILE_DRAINING)
        while self._connections() and not self.force_exit and loop.time() < end:
            for connection in self._connections():
                connection.check_time_outs(loop.time())
            await asyncio.sleep(_TICK_SECONDS)
        for connection in self._connections():
            self.cut_off += connection.is_busy
            connection.transport.abort()

    def _connections(self) -> list[Connection]:
        return [connection for connection in self.server_state.connections if isinstance(connection, Connection)]


def health_server(
    application: ASGIApp, listening_socket: socket.socket, request_seconds: float, budget: ByteBudget
) -> Server:
    """Return a server for the health port of a process; it shares the process's `budget`."""
    context = ServerContext(request_seconds, IDLE_SECONDS, ConnectionRegistry(HEALTH_CONNECTIONS), budget)
    return Server(application, listening_socket, context, drain_seconds=1)


def bind(host: str, port: int, setting: str) -> socket.socket:
    """Return a listening socket; raise SettingsError, naming `setting`, if the address cannot be bound.

    `::` binds all addresses of both families, or all IPv4 addresses on a node without IPv6.
    """
    both = host == "::" and socket.has_dualstack_ipv6()
    if host == "::" and not both:
        host = "0.0.0.0"  # noqa: S104  # the setting asks for it
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening_socket = socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        # The error number of a failed host lookup is negative, and is not an errno.
        problem = (
            os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror).partition(" (while")[0]
        )
        raise SettingsError([f"{setting}: cannot listen on {host}:{port}: {problem}"]) from None
    # Accepted sockets inherit these sizes. The kernel would let buffers grow to megabytes, which count as our memory.
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        listening_socket.setsockopt(socket.SOL_SOCKET, buffer, _SOCKET_BUFFER_BYTES)
    return listening_socket
