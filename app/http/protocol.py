"""One HTTP connection, with what uvicorn leaves to a proxy in front: bounds, time-outs, a list of who may call."""

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.http import Endpoint, FairQueue, Metrics
from app.http.fast_path import BufferedRequest, encode_response, is_bufferable
from app.http.framing import MessageFramer
from app.http.limits import ByteBudget, ConnectionPool
from app.http.paced_transport import PacedTransport

MOST_HEADERS = 100
# Pieces that are parsed before other connections have their turn
_MOST_PIECES = 16
_LEAVE_SECONDS = 1.0
# Nothing of them is kept.
_TRAILERS: Any = deque(maxlen=0)

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_OVERLOADED = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class ConnectionState(Enum):
    """What a connection is doing."""

    HANDSHAKE = auto()
    """TLS is being agreed on."""
    IDLE = auto()
    """No request has begun."""
    READING = auto()
    """A request is being read; its answer may have begun."""
    ANSWERING = auto()
    """A request is here whole, its answer is not complete."""
    SKIPPING = auto()
    """The answer came before the end of the request, whose rest is read and dropped."""
    CLOSING = auto()
    """Nothing is read any more."""


_BUSY = (ConnectionState.READING, ConnectionState.ANSWERING, ConnectionState.SKIPPING)
_WAITING = (ConnectionState.ANSWERING, ConnectionState.CLOSING)


@dataclass
class ConnectionLimits:
    """What the connections of one server share. Once `closing`, each answer is the last on its connection.

    `request_seconds` is the longest a request may take, from its first byte until its answer is taken, and
    `idle_seconds` the longest a connection may stay unused. `client_names` are the common names of
    client certificates that are let in, all where it is empty. `endpoints` answer what is posted to these paths, apart
    from the application; the paths are as they stand on the wire. `budget` and `turns` are those of the process.
    """

    request_seconds: float
    idle_seconds: float
    pool: ConnectionPool
    budget: ByteBudget
    queue: FairQueue = field(default_factory=FairQueue)
    client_names: frozenset[str] = frozenset()
    metrics: Metrics | None = None
    endpoints: Mapping[bytes, Endpoint] = field(default_factory=dict)
    closing: bool = False

    def count(self) -> None:
        """Note how many connections are open."""
        if self.metrics:
            self.metrics.connections(len(self.pool))

    def count_closed(self, reason: Literal["timeout", "limit", "overload"]) -> None:
        """Count a connection that was closed to protect the server."""
        if self.metrics:
            self.metrics.closed(reason)


class _HeadTooLargeError(Exception):
    pass


class Connection(HttpToolsProtocol):
    """A connection, from the accepted socket on: through a TLS handshake where there is one, then HTTP.

    Requests are parsed one at a time: what follows one waits, unparsed, for its answer.
    """

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, limits: ConnectionLimits, address: str
    ) -> None:
        super().__init__(config, server_state, {})
        self._limits = limits
        self._state = ConnectionState.HANDSHAKE
        self._socket: asyncio.Transport | None = None
        self._paced: PacedTransport | None = None
        self._address = address
        self._request_began = self._idle_since = self.loop.time()
        self._abort_at = math.inf
        self._framer = MessageFramer()
        self._is_parsing = self._is_holding_back = False
        self._buffered: BufferedRequest | None = None
        self._body_bytes = 0
        limits.pool.add(self)
        limits.count()

    @property
    def address(self) -> str:
        return self._address

    @property
    def is_busy(self) -> bool:
        """Whether a request is being read, answered or skipped, or its answer was not taken yet."""
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
        unread = self._paced.unread_bytes if self._paced else 0
        unparsed = len(self._framer.unparsed) + self._framer.bytes_without_body
        return unread + unparsed + self._body_bytes + self._unsent_bytes

    @property
    def _unsent_bytes(self) -> int:
        return self._paced.unsent_bytes if self._paced else 0

    def take_socket(self, transport: asyncio.Transport) -> bool:
        """Take over the accepted socket, below TLS; return whether the connection is still to be."""
        self._socket = transport
        return self._state is ConnectionState.HANDSHAKE

    def handshake_ended(self) -> None:
        """Forget the connection unless HTTP began on it."""
        if self._paced is None:
            self._release()
            self._break_cycles()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        self._paced = PacedTransport(transport, self._socket or transport)
        super().connection_made(cast(asyncio.Transport, self._paced))
        self._limits.budget.members.add(self)
        self._become_idle()
        if not self._is_welcome():
            self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._state = ConnectionState.CLOSING
        self._buffered = None
        self._framer.unparsed = b""
        self._release()
        self._break_cycles()

    def data_received(self, data: bytes) -> None:
        if self._state is ConnectionState.CLOSING:
            return
        self._framer.add(data)
        self._limits.budget.spend(len(data))
        self._go_on()

    def pause_writing(self) -> None:
        # TLS says so once more of a connection that is lost.
        if self._paced:
            super().pause_writing()
            self._paced.pause()

    def resume_writing(self) -> None:
        if self._paced and self._paced.resume():
            super().resume_writing()
            if self._state is ConnectionState.IDLE:
                self._go_on()

    def on_message_begin(self) -> None:
        if self._state is not ConnectionState.IDLE:
            # A head whose end the framer did not see; the parser takes none.
            raise httptools.HttpParserError("a request before the answer to the last one")
        self._state = ConnectionState.READING
        self._request_began = self.loop.time()
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # At once: a head of 32 KiB has thousands, each of which takes 200 bytes of memory.
        if len(self.headers) == MOST_HEADERS:
            raise _HeadTooLargeError
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        headers = dict(self.headers)
        # A body without a length comes in chunks.
        self._framer.head_complete(int(headers.get(b"content-length", -1)))
        endpoint = self._limits.endpoints.get(self.url.partition(b"?")[0])
        if endpoint and is_bufferable(self.parser, headers):
            self._buffered = BufferedRequest(endpoint, headers)
        else:
            self._hand_over()
        self.headers = _TRAILERS

    def on_body(self, body: bytes) -> None:
        self._framer.body_received(len(body))
        if self._state is ConnectionState.SKIPPING:
            return
        self._body_bytes += len(body)
        if self._buffered:
            self._buffered.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._framer.message_complete()
        self._limits.pool.has_sent_request(self)
        if self._state is ConnectionState.SKIPPING:
            self._become_idle()
            return
        self._state = ConnectionState.ANSWERING
        if self._buffered:
            self._answer(self._buffered, keep_alive=self.parser.should_keep_alive())
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self._body_bytes = 0
        self._limits.budget.spend(self._unsent_bytes)
        if self._state is ConnectionState.CLOSING:
            return
        if self.transport.is_closing():
            self._close(self._request_began + self._limits.request_seconds)
        elif self._state is ConnectionState.READING:
            self._state = ConnectionState.SKIPPING
            self.flow.resume_reading()
        else:
            self._become_idle()
            self._go_on()

    def check(self, now: float) -> None:
        """Close the connection if it has taken too long; `now` is the loop's time in seconds."""
        if self._state is ConnectionState.CLOSING:
            if now > self._abort_at:
                self._abort_at = math.inf
                self._abort()
        elif self.is_busy:
            if now - self._request_began > self._limits.request_seconds:
                self._limits.count_closed("timeout")
                self._leave(_TIMED_OUT if self._state in _BUSY else b"")
        elif self._state is ConnectionState.IDLE and now - self._idle_since > self._limits.idle_seconds:
            self._leave()

    def evict(self) -> None:
        self._limits.count_closed("limit")
        # At once, or those that never close their side would be more than the limit.
        self._state = ConnectionState.CLOSING
        self._release()
        self._abort()
        if self._paced is None:
            # Of a connection that was not made, none is lost.
            self._break_cycles()

    def shed(self) -> None:
        self._limits.count_closed("overload")
        if self._state in _BUSY:
            self._linger(_OVERLOADED)
        else:
            # It does not take its answer.
            self._stop()
            self._abort()

    def _become_idle(self) -> None:
        self._state = ConnectionState.IDLE
        self._idle_since = self.loop.time()

    def _go_on(self) -> None:
        """Parse what is here, when it is our turn, and read on."""
        if not self._is_parsing:
            self._is_parsing = True
            self._limits.queue.run(self._address, self._parse)
            if self._is_parsing:
                # It is not our turn yet.
                self._hold_back()

    def _parse(self) -> None:
        framer = self._framer
        for _ in range(_MOST_PIECES):
            if (
                not framer.unparsed
                or self._state in _WAITING
                or (self._state is ConnectionState.IDLE and self.flow.write_paused)
            ):
                break
            piece = framer.next_piece()
            if not piece:
                self._linger(_HEAD_TOO_LARGE)
                break
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                # What follows is in another protocol, as far as the client knows.
                framer.unparsed = b""
                self._unsupported_upgrade_warning()
            except httptools.HttpParserError as error:
                self._refuse(error)
        else:
            self.loop.call_soon(self._go_on)
        self._is_parsing = False
        if framer.unparsed:
            self._hold_back()
        elif self._is_holding_back:
            self._is_holding_back = False
            self.flow.resume_reading()

    def _hold_back(self) -> None:
        self._is_holding_back = True
        self.flow.pause_reading()

    def _refuse(self, error: httptools.HttpParserError) -> None:
        if isinstance(error.__context__, _HeadTooLargeError):
            self._linger(_HEAD_TOO_LARGE)
            return
        message = "Invalid HTTP request received."
        self.logger.warning(message)
        self.send_400_response(message)
        self._close(self.loop.time() + _LEAVE_SECONDS)

    def _hand_over(self) -> None:
        """Have the base class, and by it the application, know of the request whose head is here."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        super().on_url(url)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()
        if self._limits.closing:
            self.cycle.keep_alive = False

    def _answer(self, buffered: BufferedRequest, *, keep_alive: bool) -> None:
        self._buffered = None
        keep_alive = keep_alive and not self._limits.closing
        answer = encode_response(buffered.answer(), keep_alive=keep_alive)
        self.transport.write(answer)
        self._body_bytes = 0
        self._limits.budget.spend(len(answer))
        if self._state is ConnectionState.CLOSING:
            return
        if keep_alive:
            self._become_idle()
        else:
            self._close(self._request_began + self._limits.request_seconds)

    def _leave(self, last_words: bytes = b"") -> None:
        """Close; a client that does not read, or close its side, is not waited for long."""
        self._say(last_words)
        self._close(self.loop.time() + _LEAVE_SECONDS)

    def _linger(self, last_words: bytes) -> None:
        """Close a little later: while a client goes on sending, the last words would be lost with the connection."""
        self._say(last_words)
        self._stop()
        self._abort_at = self.loop.time() + 2 * _LEAVE_SECONDS
        self.flow.resume_reading()

    def _close(self, abort_at: float) -> None:
        """Close once everything is written, at `abort_at` at the latest."""
        self._stop()
        self._abort_at = abort_at
        self.transport.close()

    def _stop(self) -> None:
        """Read and answer no more, and let go of what was read."""
        self._state = ConnectionState.CLOSING
        self._framer.unparsed = b""
        self._buffered = None
        cycle: RequestResponseCycle | None = self.cycle
        if cycle and not cycle.response_complete:
            cycle.body.clear()
            cycle.disconnected = True
            cycle.message_event.set()

    def _say(self, last_words: bytes) -> None:
        """EndpointResponse what is being read, unless an answer has begun."""
        cycle: RequestResponseCycle | None = self.cycle
        has_begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if last_words and not has_begun:
            self.transport.write(last_words)

    def _abort(self) -> None:
        if transport := self._paced or self._socket:
            transport.abort()

    def _release(self) -> None:
        self._limits.budget.members.discard(self)
        self._limits.pool.release(self)
        self._limits.count()

    def _break_cycles(self) -> None:
        """Let go of what refers to this connection, which would stay in memory until the garbage collector comes by."""
        self.cycle = self.parser = None  # type: ignore[assignment]  # as the base class has it when all is over
        self._paced = self._socket = None

    def _is_welcome(self) -> bool:
        connection: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        if connection is None or connection.context.verify_mode is not ssl.CERT_REQUIRED:
            return True
        # The CA that once vouched for the client of a resumed session may be gone since. API servers resume none.
        if connection.session_reused:
            return False
        names = self._limits.client_names
        subject: Any = (connection.getpeercert() or {}).get("subject", ())
        return not names or any(kind == "commonName" and name in names for parts in subject for kind, name in parts)
