"""From a plan to RFC 6902 operations. Each list is rendered once, and nothing but `add` is used."""

from collections.abc import Iterator

from app.injection.plan import ListAddition, MemberAddition, Plan
from app.model import Operation, add, pointer


def render(plan: Plan) -> tuple[Operation, ...]:
    """Return the operations of a plan, in an order in which each applies."""
    operations: list[Operation] = []
    for members in plan.members:
        operations += _members(members)
    for addition in plan.lists:
        operations += _list(addition)
    return tuple(operations)


def _list(addition: ListAddition) -> Iterator[Operation]:
    if not addition.existing:
        # Absent or null: there is no list to append to (RFC 6902, section 4.1).
        yield add(addition.pointer, list(addition.values))
    elif addition.in_front:
        for index, value in enumerate(addition.values):
            yield add(f"{addition.pointer}/{index}", value)
    else:
        for value in addition.values:
            yield add(f"{addition.pointer}/-", value)


def _members(addition: MemberAddition) -> Iterator[Operation]:
    if not addition.existing:
        yield add(addition.pointer, addition.members)
    else:
        for key, value in addition.members.items():
            yield add(addition.pointer + pointer(key), value)
