"""Bounds that connections share. Where one is reached, the remote address that uses most gives way."""

from collections import Counter
from collections.abc import Iterable
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
    def is_idle(self) -> bool:
        """Whether nothing is being read, answered or sent."""

    @property
    def waiting_since(self) -> float:
        """Since when, in the loop's time, the server waits for the client."""

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
        self._members: set[Member] = set()
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._members)

    def admit(self, newcomer: Member, now: float) -> Member | None:
        """Take a connection in; return the one that has to leave for it, which may be itself.

        It is one of the address that has most connections: one that is stalled; else the newcomer, if it is of that
        address; else the one that waits longest. So strangers cannot push out a kept connection of the API server,
        unless it has more connections than any of them.
        """
        self._members.add(newcomer)
        self._by_address[newcomer.address] += 1
        if len(self._members) <= self._limit:
            return None
        most = max(self._by_address.values())
        address = newcomer.address
        if self._by_address[address] < most:
            address = next(one for one, count in self._by_address.items() if count == most)
        others = [one for one in self._members if one.address == address and one is not newcomer]
        stalled = [one for one in others if not one.is_idle and now - one.waiting_since > _STALLED_SECONDS]
        return _longest_waiting(stalled) or (newcomer if address == newcomer.address else _longest_waiting(others))

    def release(self, member: Member) -> None:
        """Note that a connection is gone, or going."""
        if member in self._members:
            self._members.discard(member)
            self._by_address[member.address] -= 1
            # An empty entry for each address that was ever seen would grow without end.
            if not self._by_address[member.address]:
                del self._by_address[member.address]


def _longest_waiting(members: Iterable[Member]) -> Member | None:
    return min(members, key=lambda one: one.waiting_since, default=None)


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
        by_address: Counter[str] = Counter()
        for member, count in held.items():
            by_address[member.address] += count
        while self._spent > self._limit * _ROOM:
            address = max(by_address, key=lambda one: by_address[one])
            largest = max((one for one in held if one.address == address), key=lambda one: held[one])
            count = held.pop(largest)
            by_address[address] -= count
            self._spent -= count
            largest.shed()
