"""One HTTP connection, with what uvicorn leaves to a proxy in front: time-outs, a cap, a list of who may call."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.server.whole import Awaited, can_be_awaited, encode
from app.web import Endpoint, Metrics

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LEAVE_SECONDS = 1.0


@dataclass
class Door:
    """What the connections of one server share. Once `closing`, each answer is the last on its connection.

    `request_seconds` is the longest a request may take, from its first byte to its answer, and
    `idle_seconds` the longest a connection may stay unused. `client_names` are the common names of
    client certificates that are let in, all where it is empty. `endpoints` answer what is posted to these paths, apart
    from the application; the paths are as they stand on the wire.
    """

    request_seconds: float
    idle_seconds: float
    limit: int
    client_names: frozenset[str] = frozenset()
    metrics: Metrics | None = None
    endpoints: Mapping[bytes, Endpoint] = field(default_factory=dict)
    closing: bool = False

    def count(self, connections: int) -> None:
        """Note how many connections are open."""
        if self.metrics:
            self.metrics.connections(connections)

    def count_closed(self, reason: Literal["timeout", "limit"]) -> None:
        """Count a connection that was closed to protect the server."""
        if self.metrics:
            self.metrics.closed(reason)


class Connection(HttpToolsProtocol):
    """A connection that is either busy, from the first byte of a request to its answer, or idle."""

    def __init__(self, config: uvicorn.Config, server_state: ServerState, door: Door) -> None:
        super().__init__(config, server_state, {})
        self._door = door
        self._since = self.loop.time()
        self._is_reading = False
        self._is_leaving = False
        self._awaited: Awaited | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is being read or answered."""
        return self._is_reading or self._is_answering()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        self._since = self.loop.time()
        if not self._is_welcome():
            self._leave()
        elif len(self.connections) > self._door.limit:
            self._door.count_closed("limit")
            # At once, or those that never close their side would be more than the limit.
            self._longest_idle().transport.abort()
        self._door.count(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # The base class leaves its timer running where the client broke off: it would hold this connection in memory.
        self._unset_keepalive_if_required()
        # They refer to this connection, which would stay in memory until the garbage collector comes by.
        self.cycle = None  # type: ignore[assignment]  # as before the first request
        self._awaited = None
        self.pipeline.clear()
        self._door.count(len(self.connections))

    def on_message_begin(self) -> None:
        self._is_reading = True
        self._since = self.loop.time()
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        endpoint = self._door.endpoints.get(self.url.partition(b"?")[0])
        # Answers keep the order of their requests, and wait until the client takes earlier ones.
        if endpoint and not self._is_answering() and not self.flow.write_paused:
            headers = dict(self.headers)
            if can_be_awaited(self.parser, headers):
                self._awaited = Awaited(endpoint, headers)
                return
        self._hand_over()

    def on_body(self, body: bytes) -> None:
        if self._awaited:
            self._awaited.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_reading = False
        if self._awaited:
            self._answer(self._awaited)
        else:
            super().on_message_complete()
        # After an answer that came before the end of its request
        if not self._is_answering():
            self._since = self.loop.time()

    def on_response_complete(self) -> None:
        if not self._is_reading:
            self._since = self.loop.time()
        if self.pipeline:
            super().on_response_complete()
        else:
            # All that the base class does here, but for its timer: `check` ends what is idle.
            self.flow.resume_reading()

    def check(self, now: float) -> None:
        """Close the connection if it has taken too long; `now` is the loop's time in seconds."""
        lasted = now - self._since
        if self._is_leaving:
            return
        if self.is_busy and lasted > self._door.request_seconds:
            self._door.count_closed("timeout")
            if not self._is_answering() or not self.cycle.response_started:
                self.transport.write(_TIMED_OUT)
            self._leave()
        elif not self.is_busy and lasted > self._door.idle_seconds:
            self._leave()

    def _hand_over(self) -> None:
        """Have the base class, and by it the application, know of the request whose head is here."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        super().on_url(url)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()
        if self._door.closing:
            self.cycle.keep_alive = False

    def _answer(self, awaited: Awaited) -> None:
        self._awaited = None
        keep_alive = self.parser.should_keep_alive() and not self._door.closing
        self.transport.write(encode(awaited.answer(), keep_alive=keep_alive))
        if not keep_alive:
            self.transport.close()

    def _leave(self) -> None:
        """Close once everything is written, without waiting long for a client that does not read or close its side."""
        self._is_leaving = True
        self.transport.close()
        self.loop.call_later(_LEAVE_SECONDS, self.transport.abort)

    def _is_answering(self) -> bool:
        # There is no cycle before the first request, whatever the annotation says.
        cycle: RequestResponseCycle | None = self.cycle
        return bool(self.pipeline) or (cycle is not None and not cycle.response_complete)

    def _is_welcome(self) -> bool:
        connection: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        if connection is None or connection.context.verify_mode is not ssl.CERT_REQUIRED:
            return True
        # The CA that once vouched for the client of a resumed session may be gone since. API servers resume none.
        if connection.session_reused:
            return False
        names = self._door.client_names
        subject: Any = (connection.getpeercert() or {}).get("subject", ())
        return not names or any(kind == "commonName" and name in names for parts in subject for kind, name in parts)

    def _longest_idle(self) -> "Connection":
        """Return the one that makes room: this one where all others are busy."""
        others: Iterable[Any] = self.connections - {self}
        return min((other for other in others if not other.is_busy), key=lambda other: other._since, default=self)  # noqa: SLF001  # of its own class
