"""One HTTP connection, with what uvicorn leaves to a proxy in front: time-outs, a cap, a list of who may call."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.web import Metrics

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(slots=True)
class Door:
    """What the connections of one server share. Once `closing`, each answer is the last on its connection.

    `request_seconds` is the longest a request may take, from its first byte to its answer, and
    `idle_seconds` the longest a connection may stay unused. `client_names` are the common names of
    client certificates that are let in, all where it is empty.
    """

    request_seconds: float
    idle_seconds: float
    limit: int
    client_names: frozenset[str] = frozenset()
    metrics: Metrics | None = None
    closing: bool = field(default=False, init=False)

    def count(self, connections: int) -> None:
        """Note how many connections are open."""
        if self.metrics:
            self.metrics.connections(connections)

    def count_closed(self, reason: Literal["timeout", "limit"]) -> None:
        """Count a connection that was closed to protect the server."""
        if self.metrics:
            self.metrics.closed(reason)


class Connection(HttpToolsProtocol):
    """A connection that is either busy with a request, since its first byte, or idle."""

    def __init__(self, config: uvicorn.Config, server_state: ServerState, door: Door) -> None:
        super().__init__(config, server_state, {})
        self._door = door
        self._since = self.loop.time()
        self._busy = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        self._since = self.loop.time()
        if not self._is_welcome():
            transport.close()
        elif len(self.connections) > self._door.limit:
            self._door.count_closed("limit")
            self._longest_idle().transport.close()
        self._door.count(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._door.count(len(self.connections))

    def on_message_begin(self) -> None:
        self._busy = True
        self._since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._door.closing:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        # An answer that came before the end of its request leaves the rest to be read.
        if not self.cycle.more_body:
            self._rest()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close, after the request that is being read or answered if there is one."""
        if not self._busy:
            self.transport.close()
        elif cycle := self._last():
            cycle.keep_alive = False

    def check(self, now: float) -> None:
        """Close the connection if it has taken too long; `now` is the loop's time in seconds."""
        lasted = now - self._since
        if self._busy and lasted > self._door.request_seconds:
            self._door.count_closed("timeout")
            cycle = self._last()
            if cycle is None or cycle.response_complete or not cycle.response_started:
                self.transport.write(_TIMED_OUT)
            self.transport.close()
            # A client that does not read either would keep what is written waiting.
            self.loop.call_later(1, self.transport.abort)
        elif not self._busy and lasted > self._door.idle_seconds:
            self.transport.close()

    def _last(self) -> RequestResponseCycle | None:
        # There is none before the first request, whatever the annotation says.
        return self.cycle

    def _rest(self) -> None:
        self._busy = False
        self._since = self.loop.time()

    def _is_welcome(self) -> bool:
        names = self._door.client_names
        if not names:
            return True
        peer: Any = self.transport.get_extra_info("peercert") or {}
        return any(kind == "commonName" and name in names for parts in peer.get("subject", ()) for kind, name in parts)

    def _longest_idle(self) -> "Connection":
        others: Iterable[Any] = self.connections - {self}
        return min((other for other in others if not other._busy), key=lambda other: other._since, default=self)  # noqa: SLF001  # of its own class
