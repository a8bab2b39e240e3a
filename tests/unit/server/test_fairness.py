"""Who gives way when connections, or the bytes they hold, are too many."""

from dataclasses import dataclass, field

import pytest

from app.server.fairness import ByteBudget, ConnectionPool

NOW = 100.0


@dataclass(eq=False)
class Client:
    """A connection of which only what counts here is known."""

    address: str
    is_idle: bool = True
    waiting_since: float = NOW
    held_bytes: int = 0
    has_left: bool = False
    leaves: list["Client"] = field(default_factory=list)

    def evict(self) -> None:
        self.has_left = True

    def shed(self) -> None:
        self.has_left = True
        self.leaves.append(self)


def fill(pool: ConnectionPool, *clients: Client) -> None:
    for client in clients:
        assert pool.admit(client, NOW) is None


def test_all_are_admitted_up_to_the_limit() -> None:
    pool = ConnectionPool(3)
    fill(pool, Client("a"), Client("a"), Client("a"))
    assert len(pool) == 3


def test_the_newcomer_leaves_where_its_address_has_most() -> None:
    pool = ConnectionPool(2)
    fill(pool, Client("a"), Client("b"))
    newcomer = Client("a")
    assert pool.admit(newcomer, NOW) is newcomer


@pytest.mark.parametrize("is_idle", [True, False])
def test_one_of_the_address_with_most_leaves_for_a_newcomer_of_another(is_idle: bool) -> None:
    pool = ConnectionPool(4)
    first, longest, kept = Client("a", is_idle, NOW - 2), Client("a", is_idle, NOW - 3), Client("b", True, NOW - 9)
    fill(pool, first, longest, Client("a", is_idle), kept)
    assert pool.admit(Client("c"), NOW) is longest


def test_a_stalled_one_leaves_before_the_newcomer_of_its_address() -> None:
    pool = ConnectionPool(3)
    stalled = Client("a", is_idle=False, waiting_since=NOW - 1.5)
    fill(pool, Client("a", waiting_since=NOW - 9), stalled, Client("a", is_idle=False, waiting_since=NOW - 0.5))
    assert pool.admit(Client("a"), NOW) is stalled


def test_who_has_been_released_counts_no_more() -> None:
    pool = ConnectionPool(1)
    client = Client("a")
    fill(pool, client)
    pool.release(client)
    pool.release(client)
    fill(pool, Client("a"))
    assert len(pool) == 1


def test_strangers_of_many_addresses_leave_one_with_few_alone() -> None:
    pool = ConnectionPool(20)
    kept = [Client("apiserver", waiting_since=NOW - 60), Client("apiserver", waiting_since=NOW - 50)]
    fill(pool, *kept)
    for number in range(200):
        leaving = pool.admit(Client(f"stranger {number % 6}", is_idle=False), NOW)
        if leaving:
            pool.release(leaving)
        assert leaving not in kept


def spend(budget: ByteBudget, client: Client, count: int) -> None:
    budget.members.add(client)
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


def test_room_is_made_for_more_than_the_next_request() -> None:
    budget = ByteBudget(100)
    clients = [Client("a") for _ in range(11)]
    for client in clients:
        spend(budget, client, 10)
    assert sum(client.held_bytes for client in clients if not client.has_left) <= 75
