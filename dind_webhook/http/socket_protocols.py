"""The protocols of accepted sockets: they pass what a client sends to its connection, after TLS if there is TLS.

They have the interface of asyncio.BufferedProtocol. They are not subclasses: a compiled class must not have an
interpreted base (setup.py).
"""

import asyncio
import ssl
import struct
from collections.abc import Callable
from typing import Any, ClassVar

# Only with SSLProtocol is the transport below TLS known, and known before the handshake; `start_tls` hides it.
from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]  # not in its stubs

from dind_webhook.http.fair_queue import Job
from dind_webhook.http.protocol import Connection

# A healthy client needs milliseconds.
_HANDSHAKE_SECONDS = 5.0
# A ClientHello has some 2 KB. OpenSSL accepts 128 KiB, and allocates what the header announces before it has read that.
MAX_CLIENT_HELLO_BYTES = 16 * 1024
# Headers of a TLS record and of a handshake message (RFC 8446, sections 4 and 5.1)
_HELLO_HEADER = struct.Struct(">BHHB3s")
_HANDSHAKE_RECORD, _CLIENT_HELLO = 22, 1
# Three times the longest record. A healthy client's handshake is shorter; a flood of key updates is longer.
MAX_BYTES_WITHOUT_CONTENT = 48 * 1024
# The most bytes that are decrypted in one turn: the longest TLS record, and less while no content comes. 4 KiB can be
# 150 key updates, which take some milliseconds.
_ENCRYPTED_BYTES = 16 * 1024
_ENCRYPTED_BYTES_WITHOUT_CONTENT = 4 * 1024
_DECRYPTED_BYTES = 64 * 1024
# A client that reads leaves fewer unsent bytes than this.
_UNSENT_BYTES = 32 * 1024


class PlaintextProtocol:
    """The first protocol of a socket without TLS: hands the socket to its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connection_made(self, transport: asyncio.Transport) -> None:
        if self._connection.attach_socket(transport):
            transport.set_protocol(self._connection)
            self._connection.connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._connection.handshake_finished()


class TlsProtocol:
    """The protocol of a socket with TLS. Handshakes and decryption take turns by remote address.

    A ClientHello costs more to answer than a review, and records without content cost time without a request.

    This class is also the transport of uvloop's SSLProtocol. Both this class and SSLProtocol pause reading; reading
    resumes only when neither has paused it.
    """

    def __init__(
        self, connection: Connection, ssl_context: ssl.SSLContext, run_in_turn: Callable[[str, Job], None]
    ) -> None:
        self._connection = connection
        self._address = connection.address
        self._run_in_turn = run_in_turn
        self._transport: Any = None
        self._is_handshake_begun = False
        self._bytes_without_content = 0
        # In the buffer: too few to begin the handshake
        self._held_bytes = 0
        # In the buffer: these wait for their turn. Nothing is read meanwhile.
        self._received_bytes = 0
        self._is_paused = self._is_paused_by_tls = False
        self._decrypt_in_turn: Job | None = self._decrypt
        loop = asyncio.get_running_loop()
        handshake: asyncio.Future[None] = loop.create_future()
        handshake.add_done_callback(self._finish_handshake)
        self._decrypted = _DecryptedProtocol(connection)
        self._tls: Any = SSLProtocol(
            loop,
            self._decrypted,
            ssl_context,
            handshake,
            server_side=True,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=_HANDSHAKE_SECONDS,
        )
        self._buffer: Any = self._tls.get_buffer(_ENCRYPTED_BYTES)[:_ENCRYPTED_BYTES]
        self._small_buffer: Any = self._buffer[:_ENCRYPTED_BYTES_WITHOUT_CONTENT]

    # Called by the socket's transport

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._time_out = asyncio.get_running_loop().call_later(_HANDSHAKE_SECONDS, transport.abort)
        if not self._connection.attach_socket(transport):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._time_out.cancel()
        if self._is_handshake_begun:
            self._tls.connection_lost(exc)
            self._is_handshake_begun = False
        else:
            self._connection.handshake_finished()
        # Break the reference cycles, so that the memory need not wait for the garbage collector.
        self._tls = self._buffer = self._small_buffer = self._decrypt_in_turn = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        buffer: memoryview = self._small_buffer if self._bytes_without_content else self._buffer
        return buffer[self._held_bytes :] if self._held_bytes else buffer

    def buffer_updated(self, nbytes: int) -> None:
        received = self._held_bytes + nbytes
        if not self._is_handshake_begun and received < _HELLO_HEADER.size:
            self._held_bytes = received
            return
        self._held_bytes = 0
        self._received_bytes = received
        if self._decrypt_in_turn:
            self._run_in_turn(self._address, self._decrypt_in_turn)
        if self._received_bytes:
            # The turn comes later.
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        if self._is_handshake_begun:
            self._tls.eof_received()

    def pause_writing(self) -> None:
        if self._is_handshake_begun:
            self._tls.pause_writing()

    def resume_writing(self) -> None:
        if self._is_handshake_begun:
            self._tls.resume_writing()

    def _decrypt(self) -> None:
        received, self._received_bytes = self._received_bytes, 0
        if self._tls is None:
            return
        self._bytes_without_content += received
        if self._bytes_without_content > MAX_BYTES_WITHOUT_CONTENT:
            self._transport.abort()
            return
        if not self._is_handshake_begun:
            if _client_hello_bytes(self._buffer) > MAX_CLIENT_HELLO_BYTES:
                self._transport.abort()
                return
            self._is_handshake_begun = True
            self._tls.connection_made(self)
        self._tls.buffer_updated(received)
        if self._decrypted.take_content_flag():
            self._bytes_without_content = 0
        unsent = self._transport.get_write_buffer_size()
        if unsent > _UNSENT_BYTES:
            # For example, answers to key updates
            self._connection.spend(unsent)
        if self._is_paused:
            self._is_paused = False
            if not self._is_paused_by_tls and not self._transport.is_closing():
                self._transport.resume_reading()

    def _finish_handshake(self, handshake: asyncio.Future[None]) -> None:
        self._time_out.cancel()
        if not handshake.cancelled():
            # Otherwise asyncio would log the exception.
            handshake.exception()
        self._connection.handshake_finished()

    # Called by SSLProtocol, as its transport

    def write(self, data: Any) -> None:
        self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def _force_close(self, exc: Exception | None) -> None:
        self._transport._force_close(exc)  # noqa: SLF001  # the interface of uvloop's transports to SSLProtocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._is_paused_by_tls = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused_by_tls = False
        if not self._received_bytes:
            self._transport.resume_reading()


def _client_hello_bytes(data: memoryview) -> int:
    """Return the length in the header of a ClientHello, or 0 for another message, which OpenSSL refuses."""
    record, _, _, message, length = _HELLO_HEADER.unpack_from(data)
    return int.from_bytes(length) if (record, message) == (_HANDSHAKE_RECORD, _CLIENT_HELLO) else 0


class _DecryptedProtocol:
    """Passes decrypted data to a connection.

    uvloop allocates 256 KiB at each read for a protocol that brings no buffer. All connections share this one, since
    what is received is copied at once.
    """

    _buffer: ClassVar = memoryview(bytearray(_DECRYPTED_BYTES))

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self._has_content = False

    def take_content_flag(self) -> bool:
        """Return whether there was content since the last call."""
        had_content, self._has_content = self._has_content, False
        return had_content

    def connection_made(self, transport: asyncio.Transport) -> None:
        if self._connection:
            self._connection.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection:
            self._connection.connection_lost(exc)
            # uvloop still refers to this protocol: without this line, the garbage collector would have to free both.
            self._connection = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._has_content = True
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
