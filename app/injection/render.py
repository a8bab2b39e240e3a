"""From a plan to RFC 6902 operations. Each list is rendered once, and nothing but `add` is used."""

from typing import Any

from app.injection.plan import MemberAddition, Plan
from app.model import Operation, add, pointer


def render(plan: Plan) -> tuple[Operation, ...]:
    """Return the operations of a plan, in an order in which each applies."""
    operations: list[Operation] = []
    for members in plan.members:
        operations += _members(members)
    for addition in plan.lists:
        operations += _list(*addition)
    return tuple(operations)


def _list(place: str, existing: bool, values: tuple[Any, ...], in_front: bool) -> list[Operation]:
    if not existing:
        # Absent or null: there is no list to append to (RFC 6902, section 4.1).
        return [add(place, list(values))]
    if in_front:
        return [add(f"{place}/{index}", value) for index, value in enumerate(values)]
    end = f"{place}/-"
    return [add(end, value) for value in values]


def _members(addition: MemberAddition) -> list[Operation]:
    if not addition.existing:
        return [add(addition.pointer, addition.members)]
    return [add(addition.pointer + pointer(key), value) for key, value in addition.members.items()]
