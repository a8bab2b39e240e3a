"""ConnectionRegistry and ByteBudget: which connections are closed at the limits on connections and bytes."""

import math
import time
from dataclasses import dataclass, field

import pytest

from dind_webhook.http.limits import ByteBudget, ConnectionRegistry

NOW = 100.0


@dataclass(eq=False)
class Client:
    """A connection with only the members that the limits use."""

    address: str
    is_idle: bool = True
    waiting_since: float = NOW
    held_bytes: int = 0
    has_left: bool = False
    leaves: list["Client"] = field(default_factory=list)
    registry: ConnectionRegistry | None = None

    @property
    def busy_since(self) -> float:
        return math.inf if self.is_idle else self.waiting_since

    def evict(self) -> None:
        self.has_left = True
        if self.registry:
            self.registry.release(self)

    def shed(self) -> None:
        self.has_left = True
        self.leaves.append(self)


def admit(registry: ConnectionRegistry, client: Client) -> bool:
    """Return whether the registry admits the new connection."""
    client.registry = registry
    has_room = registry.make_room(client.address, NOW)
    if has_room:
        registry.add(client)
    return has_room


def fill(registry: ConnectionRegistry, *clients: Client) -> None:
    assert all(admit(registry, client) for client in clients)
    assert not any(client.has_left for client in clients)


def test_all_are_admitted_up_to_the_limit() -> None:
    registry = ConnectionRegistry(3)
    fill(registry, Client("a"), Client("a"), Client("a"))
    assert len(registry) == 3


@pytest.mark.parametrize("kept", ["a", "b"])
def test_the_newcomer_is_refused_where_its_address_has_most(kept: str) -> None:
    registry = ConnectionRegistry(2)
    clients = [Client("a"), Client(kept)]
    fill(registry, *clients)
    assert not admit(registry, Client("a"))
    assert not any(client.has_left for client in clients)
    assert len(registry) == 2


@pytest.mark.parametrize("is_idle", [True, False])
def test_one_of_the_address_with_most_leaves_for_a_newcomer_of_another(is_idle: bool) -> None:
    registry = ConnectionRegistry(4)
    first, longest, kept = Client("a", is_idle, NOW - 2), Client("a", is_idle, NOW - 3), Client("b", True, NOW - 9)
    fill(registry, first, longest, Client("a", is_idle), kept)
    assert admit(registry, Client("c"))
    assert [client.has_left for client in (first, longest, kept)] == [False, True, False]
    assert len(registry) == 4


def test_a_stalled_one_leaves_before_the_newcomer_of_its_address() -> None:
    registry = ConnectionRegistry(3)
    stalled = Client("a", is_idle=False, waiting_since=NOW - 1.5)
    fill(registry, Client("a", waiting_since=NOW - 9), stalled, Client("a", is_idle=False, waiting_since=NOW - 0.5))
    assert admit(registry, Client("a"))
    assert stalled.has_left


def test_who_has_been_released_counts_no_more() -> None:
    registry = ConnectionRegistry(1)
    client = Client("a")
    fill(registry, client)
    registry.release(client)
    registry.release(client)
    fill(registry, Client("a"))
    assert len(registry) == 1


def test_strangers_of_many_addresses_leave_one_with_few_alone() -> None:
    registry = ConnectionRegistry(20)
    kept = [Client("apiserver", waiting_since=NOW - 60), Client("apiserver", waiting_since=NOW - 50)]
    fill(registry, *kept)
    for client in kept:
        registry.mark_request_sent(client)
    for number in range(200):
        admit(registry, Client(f"stranger {number % 6}", is_idle=False))
    assert not any(client.has_left for client in kept)
    assert len(registry) == 20


@pytest.mark.parametrize("all_sent_one", [False, True])
def test_who_has_no_connection_gets_one_though_all_others_have_one_each(all_sent_one: bool) -> None:
    registry = ConnectionRegistry(20)
    kept, *strangers = [Client("apiserver", waiting_since=NOW - 60), *(Client(f"stranger {n}") for n in range(19))]
    fill(registry, kept, *strangers)
    for client in [kept, *strangers] if all_sent_one else [kept]:
        registry.mark_request_sent(client)
    assert admit(registry, Client("kubelet"))
    assert kept.has_left == all_sent_one, "of those that sent a request, the one that waits longest"


@pytest.mark.parametrize(("seconds", "admitted"), [(2, True), (0.5, False)])
def test_who_has_as_many_as_any_gets_more_for_one_that_sends_nothing(seconds: float, admitted: bool) -> None:
    registry = ConnectionRegistry(20)
    kept = Client("apiserver")
    fill(registry, kept, *(Client(f"stranger {number}", waiting_since=NOW - seconds) for number in range(19)))
    registry.mark_request_sent(kept)
    assert admit(registry, Client("apiserver")) is admitted
    assert not kept.has_left


def spend(budget: ByteBudget, client: Client, count: int) -> None:
    budget.connections.add(client)
    client.held_bytes += count
    budget.spend(count)


def test_nobody_leaves_for_bytes_that_are_held_no_more() -> None:
    budget = ByteBudget(100)
    client = Client("a")
    for _ in range(10):
        spend(budget, client, 60)
        client.held_bytes = 0
    assert not client.has_left


def test_who_holds_most_of_the_address_that_holds_most_leaves() -> None:
    budget = ByteBudget(100)
    large, small, other = Client("a"), Client("a"), Client("b")
    spend(budget, large, 30)
    spend(budget, small, 25)
    spend(budget, other, 46)
    assert (large.has_left, small.has_left, other.has_left) == (True, False, False)


def test_who_is_stalled_leaves_before_who_holds_more() -> None:
    budget = ByteBudget(100)
    stalled = [Client(name, is_idle=False, waiting_since=time.monotonic() - 2) for name in "abc"]
    silent = Client("d", is_idle=False, waiting_since=time.monotonic() - 2)
    budget.connections.add(silent)
    for client in stalled:
        spend(budget, client, 20)
    large = Client("e", is_idle=False, waiting_since=time.monotonic())
    spend(budget, large, 50)
    assert sum(client.has_left for client in stalled) == 2
    assert not large.has_left
    assert not silent.has_left


def test_room_is_made_for_more_than_the_next_request() -> None:
    budget = ByteBudget(100)
    clients = [Client("a") for _ in range(11)]
    for client in clients:
        spend(budget, client, 10)
    assert sum(client.held_bytes for client in clients if not client.has_left) <= 75
