"""Limits on heads, and limits that connections share: at these, the address that uses most loses connections."""

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from app.http.endpoint import Endpoint
from app.http.fair_queue import FairQueue
from app.http.metrics import Metrics

# The longest head, and the most bytes in a row that belong to no body: trailers, chunk extensions
MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
# A healthy client sends a request, or takes a response, within milliseconds.
_STALLED_SECONDS = 1.0
# The part of the budget that may stay in use after connections were shed, so that the next request sheds none
_FILL_AFTER_SHEDDING = 3 / 4


class LimitedConnection(Protocol):
    """A connection that shares limits with others."""

    @property
    def address(self) -> str:
        """The remote address, without the port."""

    @property
    def waiting_since(self) -> float:
        """Since when the server waits for the client, in the event loop's time."""

    @property
    def busy_since(self) -> float:
        """The same, or infinity if no request is being read, answered or sent."""

    @property
    def held_bytes(self) -> int:
        """Bytes received and not answered yet, plus bytes written and not taken by the client yet."""

    def evict(self) -> None:
        """Close at once: there are too many connections."""

    def shed(self) -> None:
        """Close: the connections hold too many bytes."""


class ConnectionPool:
    """The open connections of one server, at most `limit`; connections in a TLS handshake count."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._count = 0
        self._by_address: dict[str, set[LimitedConnection]] = {}
        # Connections that never sent a whole request, oldest first
        self._silent: dict[LimitedConnection, None] = {}

    def __len__(self) -> int:
        return self._count

    def make_room(self, address: str, now: float) -> bool:
        """Return whether a new connection from `address` may come in; evict another connection if that is needed.

        An address without a connection always gets one. An address that has as many connections as any other gets one
        more only if one of its own is stalled, or if some connection has sent no request for a second. So strangers
        cannot lock out an API server or a kubelet. They can evict a connection that an API server keeps only if it has
        more connections than any stranger, or if each stranger sends requests too.
        """
        if self._count < self.limit:
            return True
        own = self._by_address.get(address, ())
        most = max(map(len, self._by_address.values()))
        if own and len(own) + 1 >= most:
            leaving = _stalled(own, now) or self._longest_silent(now)
        else:
            crowd = [one for members in self._by_address.values() if len(members) == most for one in members]
            leaving = _stalled(crowd, now) or min(crowd, key=self._eviction_key)
        if leaving:
            leaving.evict()
        return leaving is not None

    def _longest_silent(self, now: float) -> LimitedConnection | None:
        oldest = next(iter(self._silent), None)
        return oldest if oldest and now - oldest.waiting_since > _STALLED_SECONDS else None

    def _eviction_key(self, member: LimitedConnection) -> tuple[bool, float]:
        return member not in self._silent, member.waiting_since

    def mark_request_sent(self, member: LimitedConnection) -> None:
        """Note that the connection sent a whole request."""
        self._silent.pop(member, None)

    def add(self, newcomer: LimitedConnection) -> None:
        """Add a connection that `make_room` has let in."""
        self._by_address.setdefault(newcomer.address, set()).add(newcomer)
        self._silent[newcomer] = None
        self._count += 1

    def release(self, member: LimitedConnection) -> None:
        """Remove a connection that is closed or being closed."""
        members = self._by_address.get(member.address, set())
        if member in members:
            members.discard(member)
            self._silent.pop(member, None)
            self._count -= 1
            # Otherwise the map would keep each address that ever connected.
            if not members:
                del self._by_address[member.address]


def _stalled(members: Collection[LimitedConnection], now: float) -> LimitedConnection | None:
    """Return the connection that has been busy longest, or None if that is less than a second."""
    longest = min(members, key=lambda one: one.busy_since, default=None)
    return longest if longest and now - longest.busy_since > _STALLED_SECONDS else None


class ByteBudget:
    """How many bytes the connections of a process may hold together.

    `spend` only adds to an estimate, which is cheap. When the estimate reaches the limit, it is computed exactly.
    """

    def __init__(self, limit: int) -> None:
        self.members: set[LimitedConnection] = set()
        self._limit = limit
        self._spent = 0

    def spend(self, count: int) -> None:
        """Note that a connection holds `count` more bytes; shed connections if the total exceeds the limit."""
        self._spent += count
        if self._spent > self._limit:
            self._make_room()

    def _make_room(self) -> None:
        held = {member: member.held_bytes for member in self.members}
        self._spent = sum(held.values())
        if self._spent <= self._limit:
            return
        # The clock that uvloop's loop.time() uses
        now = time.monotonic()
        stalled = {
            member: count for member, count in held.items() if count and now - member.busy_since > _STALLED_SECONDS
        }
        self._shed(stalled)
        self._shed({member: count for member, count in held.items() if member not in stalled})

    def _shed(self, held: dict[LimitedConnection, int]) -> None:
        """Close connections until there is room: each time the largest one of the address that holds most."""
        by_address: Counter[str] = Counter()
        for member, count in held.items():
            by_address[member.address] += count
        while held and self._spent > self._limit * _FILL_AFTER_SHEDDING:
            address = max(by_address, key=lambda one: by_address[one])
            largest = max((one for one in held if one.address == address), key=lambda one: held[one])
            count = held.pop(largest)
            by_address[address] -= count
            self._spent -= count
            largest.shed()


@dataclass
class ConnectionLimits:
    """The limits and counters that all connections of one server share.

    `request_seconds` is the longest time from the first byte of a request until the client has taken the response;
    `idle_seconds` is the longest time between requests. `budget` and `queue` belong to the whole process.
    `client_names` are the accepted common names of client certificates; if empty, all that the CA vouches for.
    `endpoints` maps paths, as they are on the wire, to what the fast path answers. Once `closing` is set, each response
    is the last one on its connection.
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
        """Update the metric of open connections."""
        if self.metrics:
            self.metrics.set_connections(len(self.pool))

    def count_closed(self, reason: Literal["timeout", "limit", "overload"]) -> None:
        """Count a connection that was closed to protect the server."""
        if self.metrics:
            self.metrics.count_closed_connection(reason)
