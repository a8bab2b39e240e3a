"""Accepts sockets, admits connections, and begins their TLS handshakes."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

# Only with SSLProtocol is the transport below TLS known, and known before the handshake; `start_tls` hides it.
from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]  # not in its stubs

from app.http.fair_queue import Job
from app.http.protocol import Connection

# A healthy client needs milliseconds.
_HANDSHAKE_SECONDS = 5.0
# Sockets accepted in one turn of the event loop. uvloop's own servers accept one, so a client waits for all before it.
# With more than a share of the limit, strangers could evict a connection before its request is read.
_MAX_ACCEPTS_PER_TURN = 100
_ACCEPTED_SHARE_OF_LIMIT = 1 / 5
# After this time, file descriptors may be free again.
_ACCEPT_PAUSE_SECONDS = 0.1
_READ_BYTES = 64 * 1024


class Listener:
    """Accepts connections until it is closed; with TLS if `context` is not None.

    `admit` returns a connection for a remote address, or None to refuse it. `run_in_turn` begins a TLS handshake in the
    turn of the remote address. `limit` is the number of connections that may be open.
    """

    def __init__(
        self,
        bound: socket.socket,
        admit: Callable[[str], Connection | None],
        context: ssl.SSLContext | None,
        run_in_turn: Callable[[str, Job], None],
        limit: int,
    ) -> None:
        self.socket = bound
        self._accepts_per_turn = max(1, min(_MAX_ACCEPTS_PER_TURN, int(limit * _ACCEPTED_SHARE_OF_LIMIT)))
        self._admit = admit
        self._context = context
        self._run_in_turn = run_in_turn
        self._starting: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        bound.setblocking(False)
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
        accepted.setblocking(False)
        starter: Any = _HandshakeProtocol(connection, self._context, self._run_in_turn)
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: starter, accepted))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)


# The interface of asyncio.BufferedProtocol. It is no subclass: a compiled class has no interpreted base (setup.py).
class _SharedBufferProtocol:
    """A protocol that receives into one buffer that all connections share; what is received must be copied at once."""

    _buffer: ClassVar = memoryview(bytearray(_READ_BYTES))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        return self._buffer


class _HandshakeProtocol(_SharedBufferProtocol):
    """The first protocol of a socket: hands the socket to its connection, after a TLS handshake if there is TLS.

    A ClientHello costs more to answer than a review, so the handshake begins in the turn of the remote address.
    """

    def __init__(
        self, connection: Connection, context: ssl.SSLContext | None, run_in_turn: Callable[[str, Job], None]
    ) -> None:
        self._connection = connection
        self._context = context
        self._run_in_turn = run_in_turn

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._time_out = loop.call_later(_HANDSHAKE_SECONDS, transport.abort)
        if not self._connection.attach_socket(transport):
            transport.abort()
        elif self._context is None:
            self._time_out.cancel()
            transport.set_protocol(self._connection)
            self._connection.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._time_out.cancel()
        self._connection.handshake_finished()

    def buffer_updated(self, nbytes: int) -> None:
        self._transport.pause_reading()
        self._run_in_turn(self._connection.address, partial(self._shake_hands, bytes(self._buffer[:nbytes])))

    def _shake_hands(self, received: bytes) -> None:
        if self._transport.is_closing():
            return
        # The future must not be a local of this frame: the exception of a failed handshake refers to the frame.
        tls = self._make_tls()
        self._transport.set_protocol(tls)
        tls.connection_made(self._transport)
        tls.get_buffer(len(received))[: len(received)] = received
        tls.buffer_updated(len(received))
        self._transport.resume_reading()

    def _make_tls(self) -> SSLProtocol:
        loop = asyncio.get_running_loop()
        handshake: asyncio.Future[None] = loop.create_future()
        handshake.add_done_callback(self._finish_handshake)
        return SSLProtocol(
            loop,
            _DecryptedProtocol(self._connection),
            self._context,
            handshake,
            server_side=True,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=_HANDSHAKE_SECONDS,
        )

    def _finish_handshake(self, handshake: asyncio.Future[None]) -> None:
        self._time_out.cancel()
        if not handshake.cancelled():
            # An exception that nobody retrieves is logged.
            handshake.exception()
        self._connection.handshake_finished()


class _DecryptedProtocol(_SharedBufferProtocol):
    """Passes decrypted data to a connection.

    uvloop allocates 256 KiB at each read for a protocol that brings no buffer.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection

    def connection_made(self, transport: asyncio.Transport) -> None:
        if self._connection:
            self._connection.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection:
            self._connection.connection_lost(exc)
            # uvloop still refers to this protocol: without this line, the garbage collector would have to free both.
            self._connection = None

    def buffer_updated(self, nbytes: int) -> None:
        if self._connection:
            self._connection.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> None:
        if self._connection:
            self._connection.eof_received()

    def pause_writing(self) -> None:
        if self._connection:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        if self._connection:
            self._connection.resume_writing()
