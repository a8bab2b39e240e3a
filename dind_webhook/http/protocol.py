"""The HTTP protocol of one connection, with limits that uvicorn leaves to a proxy: time-outs, sizes, client names."""

import asyncio
import math
import ssl
from collections import deque
from enum import Enum, auto
from typing import Any, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from dind_webhook.http.endpoint import Headers
from dind_webhook.http.framing import MessageFramer
from dind_webhook.http.limits import MAX_HEADERS
from dind_webhook.http.paced_transport import PacedTransport
from dind_webhook.http.server_context import ServerContext

# Pieces that the parser gets before other connections have their turn
_MAX_PIECES = 16
# How long a client has to read a last response and close its side
_CLOSE_SECONDS = 1.0
# A list of headers that stays empty: trailers are dropped.
_TRAILERS: Any = deque(maxlen=0)

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_OVERLOADED = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class ConnectionState(Enum):
    """The state of a connection. A connection is in exactly one."""

    HANDSHAKE = auto()
    """The TLS handshake is not complete."""
    IDLE = auto()
    """No request has begun."""
    READING = auto()
    """A request is being read. Its response may have begun."""
    ANSWERING = auto()
    """A request is complete, its response is not."""
    SKIPPING = auto()
    """The response was complete before the request; the rest of the request is read and dropped."""
    CLOSING = auto()
    """Nothing is read any more."""


_BUSY = (ConnectionState.READING, ConnectionState.ANSWERING, ConnectionState.SKIPPING)
_NOT_PARSING = (ConnectionState.ANSWERING, ConnectionState.CLOSING)


class _HeadTooLargeError(Exception):
    pass


class Connection(HttpToolsProtocol):
    """One connection, from the accepted socket on: a TLS handshake if there is TLS, then HTTP/1.1.

    Requests are parsed one at a time: pipelined requests wait, unparsed, for the response to the previous one.
    """

    # With more than 30 attributes in its dictionary, CPython reads and writes each attribute of an object more slowly.
    __slots__ = (
        "_abort_at",
        "_address",
        "_body_bytes",
        "_context",
        "_framer",
        "_idle_since",
        "_is_parsing",
        "_is_reading_paused",
        "_paced",
        "_request_began",
        "_socket",
        "_state",
    )

    def __init__(self, config: uvicorn.Config, server_state: ServerState, context: ServerContext, address: str) -> None:
        super().__init__(config, server_state, {})
        self._context = context
        self._state = ConnectionState.HANDSHAKE
        self._socket: asyncio.Transport | None = None
        self._paced: PacedTransport | None = None
        self._address = address
        self._request_began = self._idle_since = self.loop.time()
        self._abort_at = math.inf
        self._framer = MessageFramer()
        self._is_parsing = self._is_reading_paused = False
        self._body_bytes = 0
        context.connections.add(self)
        context.update_connection_metric()

    @property
    def address(self) -> str:
        return self._address

    @property
    def is_busy(self) -> bool:
        """Return whether a request is read, answered or skipped, or the client has not received the response yet."""
        return self._state in _BUSY or bool(self._state is ConnectionState.IDLE and self._unsent_bytes)

    @property
    def waiting_since(self) -> float:
        return self._idle_since if self._is_idle else self._request_began

    @property
    def busy_since(self) -> float:
        return math.inf if self._is_idle else self._request_began

    @property
    def _is_idle(self) -> bool:
        return self._state is ConnectionState.IDLE and not self._unsent_bytes

    @property
    def held_bytes(self) -> int:
        undecrypted = self._paced.undecrypted_bytes if self._paced else 0
        unparsed = len(self._framer.unparsed) + self._framer.bytes_without_body
        return undecrypted + unparsed + self._body_bytes + self._unsent_bytes

    @property
    def _unsent_bytes(self) -> int:
        return self._paced.unsent_bytes if self._paced else 0

    # Called by the listener

    def attach_socket(self, transport: asyncio.Transport) -> bool:
        """Keep the transport of the accepted socket, below TLS; return False if the connection was already evicted."""
        self._socket = transport
        return self._state is ConnectionState.HANDSHAKE

    def spend(self, unsent: int) -> None:
        """Count bytes that TLS wrote by itself and the client has not received."""
        self._context.budget.spend(unsent)

    def handshake_finished(self) -> None:
        """Forget the connection unless the handshake led to HTTP."""
        if self._paced is None:
            self._unregister()
            self._drop_references()

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        self._paced = PacedTransport(transport, self._socket or transport)
        super().connection_made(cast(asyncio.Transport, self._paced))
        self._context.budget.connections.add(self)
        self._become_idle()
        if not self._is_client_accepted():
            self._close_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._state = ConnectionState.CLOSING
        self._discard_request()
        self._framer.unparsed = b""
        self._unregister()
        self._drop_references()

    def data_received(self, data: bytes) -> None:
        if self._state is ConnectionState.CLOSING:
            return
        self._framer.add(data)
        self._context.budget.spend(len(data))
        self._parse_in_turn()

    def pause_writing(self) -> None:
        # TLS calls this once more after the connection was lost.
        if self._paced:
            super().pause_writing()
            self._paced.pause()

    def resume_writing(self) -> None:
        if self._paced and self._paced.resume():
            super().resume_writing()
            if self._state is ConnectionState.IDLE:
                self._parse_in_turn()

    # Called by the parser

    def on_message_begin(self) -> None:
        if self._state is not ConnectionState.IDLE:
            # Cannot happen while framer and parser agree on where a head ends. If they did not, a second request would
            # overwrite the state of the first.
            raise httptools.HttpParserError("a request before the response to the previous one")
        self._state = ConnectionState.READING
        self._request_began = self.loop.time()
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # Counted here, not at the end of the head: 32 KiB hold thousands of headers, at 200 bytes of memory each.
        if len(self.headers) == MAX_HEADERS:
            raise _HeadTooLargeError
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        headers = dict(self.headers)
        # A body without a length is chunked.
        self._framer.head_complete(int(headers.get(b"content-length", -1)))
        self._begin_request(headers)
        self.headers = _TRAILERS

    def on_body(self, body: bytes) -> None:
        self._framer.body_received(len(body))
        if self._state is not ConnectionState.SKIPPING:
            self._body_bytes += len(body)
            self._receive_body(body)

    def on_message_complete(self) -> None:
        self._framer.message_complete()
        self._context.connections.mark_request_sent(self)
        if self._state is ConnectionState.SKIPPING:
            self._become_idle()
            return
        self._state = ConnectionState.ANSWERING
        self._finish_request()

    # How a request is answered: here by the ASGI application. The fast path overrides these.

    def _begin_request(self, headers: Headers) -> None:  # noqa: ARG002  # for the fast path
        url, pairs = self.url, self.headers
        super().on_message_begin()
        super().on_url(url)
        for name, value in pairs:
            super().on_header(name, value)
        super().on_headers_complete()
        if self._context.closing:
            self.cycle.keep_alive = False

    def _receive_body(self, body: bytes) -> None:
        super().on_body(body)

    def _finish_request(self) -> None:
        super().on_message_complete()

    def _discard_request(self) -> None:
        """Release the memory of an unanswered request, and tell the application that its client is gone."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle and not cycle.response_complete:
            cycle.body.clear()
            cycle.disconnected = True
            cycle.message_event.set()

    def on_response_complete(self) -> None:
        self._body_bytes = 0
        self._context.budget.spend(self._unsent_bytes)
        if self._state is ConnectionState.CLOSING:
            return
        if self.transport.is_closing():
            self._close(self._request_began + self._context.request_seconds)
        elif self._state is ConnectionState.READING:
            self._state = ConnectionState.SKIPPING
            self.flow.resume_reading()
        else:
            self._become_idle()
            self._parse_in_turn()

    def _respond(self, response: bytes, *, keep_alive: bool) -> None:
        """Write a whole response, head included."""
        self.transport.write(response)
        self._body_bytes = 0
        self._context.budget.spend(len(response))
        if self._state is ConnectionState.CLOSING:
            return
        if keep_alive:
            self._become_idle()
        else:
            self._close(self._request_began + self._context.request_seconds)

    def _become_idle(self) -> None:
        self._state = ConnectionState.IDLE
        self._idle_since = self.loop.time()

    # Parsing, in turns with other addresses

    def _parse_in_turn(self) -> None:
        if not self._is_parsing:
            self._is_parsing = True
            self._context.queue.run(self._address, self._parse)
            if self._is_parsing:
                # The turn comes later.
                self._pause_reading()

    def _parse(self) -> None:
        framer = self._framer
        for _ in range(_MAX_PIECES):
            if not framer.unparsed or not self._may_parse():
                break
            piece = framer.next_piece()
            if not piece:
                self._close_lingering(_HEAD_TOO_LARGE)
                break
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                # To the client, all that follows belongs to another protocol.
                framer.unparsed = b""
                self._unsupported_upgrade_warning()
            except httptools.HttpParserError as error:
                self._reject(error)
        else:
            self.loop.call_soon(self._parse_in_turn)
        self._is_parsing = False
        if framer.unparsed:
            self._pause_reading()
        elif self._is_reading_paused:
            self._is_reading_paused = False
            self.flow.resume_reading()

    def _may_parse(self) -> bool:
        if self._state is ConnectionState.IDLE:
            return not self.flow.write_paused
        return self._state not in _NOT_PARSING

    def _pause_reading(self) -> None:
        self._is_reading_paused = True
        self.flow.pause_reading()

    def _reject(self, error: httptools.HttpParserError) -> None:
        if isinstance(error.__context__, _HeadTooLargeError):
            self._close_lingering(_HEAD_TOO_LARGE)
            return
        message = "Invalid HTTP request received."
        self.logger.warning(message)
        self.send_400_response(message)
        self._close(self.loop.time() + _CLOSE_SECONDS)

    # Closing

    def check_time_outs(self, now: float) -> None:
        """Close the connection if it takes too long. `now` is the event loop's time in seconds."""
        if self._state is ConnectionState.CLOSING:
            if now > self._abort_at:
                self._abort_at = math.inf
                self._abort()
        elif self.is_busy:
            if now - self._request_began > self._context.request_seconds:
                self._context.count_closed("timeout")
                self._close_soon(_TIMED_OUT if self._state in _BUSY else b"")
        elif self._state is ConnectionState.IDLE and now - self._idle_since > self._context.idle_seconds:
            self._close_soon()

    def evict(self) -> None:
        self._context.count_closed("limit")
        # At once: clients that never close their side would otherwise add up to more than the limit.
        self._state = ConnectionState.CLOSING
        self._unregister()
        self._abort()
        if self._paced is None:
            # Before HTTP began, connection_lost is never called.
            self._drop_references()

    def shed(self) -> None:
        self._context.count_closed("overload")
        if self._state in _BUSY:
            self._close_lingering(_OVERLOADED)
        else:
            # The client does not read its response.
            self._stop_reading()
            self._abort()

    def _close_soon(self, last_response: bytes = b"") -> None:
        """Close, and abort shortly after if the client does not close its side."""
        self._write_last_response(last_response)
        self._close(self.loop.time() + _CLOSE_SECONDS)

    def _close_lingering(self, last_response: bytes) -> None:
        """Drop what the client still sends for a while, then abort.

        If the socket were closed with unread data, the kernel would reset the connection and the response be lost.
        """
        self._write_last_response(last_response)
        self._stop_reading()
        self._abort_at = self.loop.time() + 2 * _CLOSE_SECONDS
        self.flow.resume_reading()

    def _close(self, abort_at: float) -> None:
        """Close once all is written, and abort at `abort_at` if that takes longer."""
        self._stop_reading()
        self._abort_at = abort_at
        self.transport.close()

    def _stop_reading(self) -> None:
        self._state = ConnectionState.CLOSING
        self._framer.unparsed = b""
        self._discard_request()

    def _write_last_response(self, response: bytes) -> None:
        """Write a response unless another one has begun."""
        cycle: RequestResponseCycle | None = self.cycle
        has_begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if response and not has_begun:
            self.transport.write(response)

    def _abort(self) -> None:
        if transport := self._paced or self._socket:
            transport.abort()

    def _unregister(self) -> None:
        self._context.budget.connections.discard(self)
        self._context.connections.release(self)
        self._context.update_connection_metric()

    def _drop_references(self) -> None:
        """Break the reference cycles of this connection, so that its memory need not wait for the garbage collector."""
        self.cycle = self.parser = None  # type: ignore[assignment]  # as the base class does at the end
        self._paced = self._socket = None

    def _is_client_accepted(self) -> bool:
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        if tls is None or tls.context.verify_mode is not ssl.CERT_REQUIRED:
            return True
        # The CA that signed the certificate of a resumed session may have been removed since. API servers resume none.
        if tls.session_reused:
            return False
        names = self._context.client_names
        subject: Any = (tls.getpeercert() or {}).get("subject", ())
        return not names or any(kind == "commonName" and name in names for parts in subject for kind, name in parts)
