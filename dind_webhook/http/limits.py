"""Limits on heads, and limits that connections share.

At a shared limit, the address that uses most loses connections.
"""

import time
from collections import Counter
from collections.abc import Collection
from typing import Protocol

# The longest head, and the most bytes in a row that belong to no body: trailers, chunk extensions
MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
# A healthy client sends a request, or receives a response, within milliseconds.
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
        """The same, or infinity if the connection is idle."""

    @property
    def held_bytes(self) -> int:
        """Bytes received and not answered yet, plus bytes written and not received by the client yet."""

    def evict(self) -> None:
        """Close at once: there are too many connections."""

    def shed(self) -> None:
        """Close: the connections hold too many bytes."""


class ConnectionRegistry:
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

        1. Below the limit, no connection is evicted.
        2. If `address` has connections, and with one more would have at least as many as any other address: evict its
           own longest stalled connection, otherwise the oldest connection of any address that never sent a request. If
           none is stalled, and none that never sent a request is older than a second, refuse the new connection.
        3. Otherwise, look at the addresses with the most connections: evict their longest stalled connection, otherwise
           the oldest that never sent a request, otherwise the one that waits longest for its client.

        So strangers cannot lock out an API server or a kubelet. They can evict a connection that an API server keeps
        only if it has more connections than any stranger, or if each stranger sends requests too.
        """
        if self._count < self.limit:
            return True
        own = self._by_address.get(address, ())
        largest_count = max(map(len, self._by_address.values()))
        if own and len(own) + 1 >= largest_count:
            victim = _longest_stalled(own, now) or self._longest_silent(now)
        else:
            candidates = [
                connection for group in self._by_address.values() if len(group) == largest_count for connection in group
            ]
            victim = _longest_stalled(candidates, now) or min(candidates, key=self._eviction_key)
        if victim:
            victim.evict()
        return victim is not None

    def _longest_silent(self, now: float) -> LimitedConnection | None:
        oldest = next(iter(self._silent), None)
        return oldest if oldest and now - oldest.waiting_since > _STALLED_SECONDS else None

    def _eviction_key(self, connection: LimitedConnection) -> tuple[bool, float]:
        return connection not in self._silent, connection.waiting_since

    def mark_request_sent(self, connection: LimitedConnection) -> None:
        """Note that the connection sent a whole request."""
        self._silent.pop(connection, None)

    def add(self, connection: LimitedConnection) -> None:
        """Add a connection that `make_room` has let in."""
        self._by_address.setdefault(connection.address, set()).add(connection)
        self._silent[connection] = None
        self._count += 1

    def release(self, connection: LimitedConnection) -> None:
        """Remove a connection that is closed or being closed."""
        group = self._by_address.get(connection.address, set())
        if connection in group:
            group.discard(connection)
            self._silent.pop(connection, None)
            self._count -= 1
            # Otherwise the map would keep each address that ever connected.
            if not group:
                del self._by_address[connection.address]


def _longest_stalled(connections: Collection[LimitedConnection], now: float) -> LimitedConnection | None:
    """Return the connection that has been busy longest, or None if that is less than a second."""
    longest = min(connections, key=lambda connection: connection.busy_since, default=None)
    return longest if longest and now - longest.busy_since > _STALLED_SECONDS else None


class ByteBudget:
    """The limit on the bytes that all connections of a process hold together.

    `spend` only adds to an estimate, which is cheap. When the estimate exceeds the limit, the exact sum is computed.
    """

    def __init__(self, limit: int) -> None:
        self.connections: set[LimitedConnection] = set()
        self._limit = limit
        self._spent = 0

    def spend(self, count: int) -> None:
        """Note that a connection holds `count` more bytes; shed connections if the total exceeds the limit."""
        self._spent += count
        if self._spent > self._limit:
            self._make_room()

    def _make_room(self) -> None:
        held = {connection: connection.held_bytes for connection in self.connections}
        self._spent = sum(held.values())
        if self._spent <= self._limit:
            return
        # The clock that uvloop's loop.time() uses
        now = time.monotonic()
        stalled = {
            connection: count
            for connection, count in held.items()
            if count and now - connection.busy_since > _STALLED_SECONDS
        }
        self._shed(stalled)
        self._shed({connection: count for connection, count in held.items() if connection not in stalled})

    def _shed(self, held: dict[LimitedConnection, int]) -> None:
        """Close connections until there is room: each time the largest one of the address that holds most."""
        by_address: Counter[str] = Counter()
        for connection, count in held.items():
            by_address[connection.address] += count
        while held and self._spent > self._limit * _FILL_AFTER_SHEDDING:
            address = max(by_address, key=by_address.__getitem__)
            largest = max((connection for connection in held if connection.address == address), key=held.__getitem__)
            count = held.pop(largest)
            by_address[address] -= count
            self._spent -= count
            largest.shed()
