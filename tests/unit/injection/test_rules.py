"""The rules that `explain` goes through."""

from collections import Counter

import pytest

from app.injection import RULES, Reason

_STOPS = Counter(reason for rule in RULES for reason in rule.stops)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.INJECTED])
def test_every_reason_to_stop_stands_in_exactly_one_rule(reason: Reason) -> None:
    assert _STOPS[reason] == 1


def test_an_injected_pod_stops_at_no_rule() -> None:
    assert Reason.INJECTED not in _STOPS


def test_every_rule_can_stop_a_pod_and_says_what_has_to_hold() -> None:
    assert all(rule.stops and rule.statement for rule in RULES)
