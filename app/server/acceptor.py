"""From an accepted socket to a connection that speaks HTTP."""

import asyncio
import ssl
from collections.abc import Callable

# Not `start_tls`, nor a server with a context: only so is the transport below TLS known, and before the handshake.
from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]  # not in its stubs

from app.server.connection import Connection

# A client that is alive needs milliseconds.
_HANDSHAKE_SECONDS = 5.0


class Acceptor(asyncio.Protocol):
    """An accepted socket, until a connection takes it over, within TLS where there is a `context`."""

    def __init__(self, make_connection: Callable[[], Connection], context: ssl.SSLContext | None) -> None:
        self._make_connection = make_connection
        self._context = context

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a stream
        connection = self._make_connection()
        if not connection.admit(transport):
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
