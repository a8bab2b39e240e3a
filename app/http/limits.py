"""Bounds that connections share. Where one is reached, the remote address that uses most gives way."""

import time
from collections import Counter
from collections.abc import Collection
from typing import Protocol

# A client that sends a request, or takes an answer, needs milliseconds.
_STALLED_SECONDS = 1.0
# How much of a budget is in use after room was made in it, so that room is not made for each request that follows.
_ROOM = 3 / 4


class Member(Protocol):
    """A connection, as others that share a bound with it see it."""

    @property
    def address(self) -> str:
        """The remote address, without a port."""

    @property
    def waiting_since(self) -> float:
        """Since when, in the loop's time, the server waits for the client."""

    @property
    def busy_since(self) -> float:
        """The same, infinity where nothing is being read, answered or sent."""

    @property
    def held_bytes(self) -> int:
        """How much was received and not answered yet, or written and not taken by the client yet."""

    def evict(self) -> None:
        """Close at once, because there are too many connections."""

    def shed(self) -> None:
        """Close, because too many bytes are held."""


class ConnectionPool:
    """The open connections of one server, those in a TLS handshake included: at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._by_address: dict[str, set[Member]] = {}
        # The oldest first
        self._silent: dict[Member, None] = {}

    def __len__(self) -> int:
        return self._count

    def make_room(self, address: str, now: float) -> bool:
        """Close a connection if there are too many for a newcomer from this address; return if it may come in.

        An address without a connection always gets one. One that has as many as any other gets another only if one of
        its own is stalled, or if some connection has sent no request for a second. So strangers cannot keep out an API
        server or a kubelet, nor push out a connection that an API server keeps, unless it has more of them than any
        stranger, or each stranger sends requests, too.
        """
        if self._count < self._limit:
            return True
        own = self._by_address.get(address, ())
        most = max(map(len, self._by_address.values()))
        if own and len(own) + 1 >= most:
            leaving = _stalled(own, now) or self._longest_silent(now)
        else:
            crowd = [one for members in self._by_address.values() if len(members) == most for one in members]
            leaving = _stalled(crowd, now) or min(crowd, key=self._when_to_leave)
        if leaving:
            leaving.evict()
        return leaving is not None

    def _longest_silent(self, now: float) -> Member | None:
        oldest = next(iter(self._silent), None)
        return oldest if oldest and now - oldest.waiting_since > _STALLED_SECONDS else None

    def _when_to_leave(self, member: Member) -> tuple[bool, float]:
        return member not in self._silent, member.waiting_since

    def has_sent_request(self, member: Member) -> None:
        """Note that a request of a connection was received whole."""
        self._silent.pop(member, None)

    def add(self, newcomer: Member) -> None:
        """Take in a connection for which there is room."""
        self._by_address.setdefault(newcomer.address, set()).add(newcomer)
        self._silent[newcomer] = None
        self._count += 1

    def release(self, member: Member) -> None:
        """Note that a connection is gone, or going."""
        members = self._by_address.get(member.address, set())
        if member in members:
            members.discard(member)
            self._silent.pop(member, None)
            self._count -= 1
            # An empty entry for each address that was ever seen would grow without end.
            if not members:
                del self._by_address[member.address]


def _stalled(members: Collection[Member], now: float) -> Member | None:
    """Return the one that is busy longest, None where it is not so for long."""
    longest = min(members, key=lambda one: one.busy_since, default=None)
    return longest if longest and now - longest.busy_since > _STALLED_SECONDS else None


class ByteBudget:
    """How many bytes the connections of a process may hold together.

    What is spent is an estimate that only grows, so that a request costs an addition; it is made exact when it reaches
    the limit.
    """

    def __init__(self, limit: int) -> None:
        self.members: set[Member] = set()
        self._limit = limit
        self._spent = 0

    def spend(self, count: int) -> None:
        """Note that a connection holds this many bytes more; close some connections if that is too much."""
        self._spent += count
        if self._spent > self._limit:
            self._make_room()

    def _make_room(self) -> None:
        held = {member: member.held_bytes for member in self.members}
        self._spent = sum(held.values())
        if self._spent <= self._limit:
            return
        # The clock of event loops
        now = time.monotonic()
        stalled = {
            member: count for member, count in held.items() if count and now - member.busy_since > _STALLED_SECONDS
        }
        self._shed(stalled)
        self._shed({member: count for member, count in held.items() if member not in stalled})

    def _shed(self, held: dict[Member, int]) -> None:
        """Close, of these connections, the largest of the address that holds most, until there is room."""
        by_address: Counter[str] = Counter()
        for member, count in held.items():
            by_address[member.address] += count
        while held and self._spent > self._limit * _ROOM:
            address = max(by_address, key=lambda one: by_address[one])
            largest = max((one for one in held if one.address == address), key=lambda one: held[one])
            count = held.pop(largest)
            by_address[address] -= count
            self._spent -= count
            largest.shed()
