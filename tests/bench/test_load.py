"""What is read of a load, and what makes two pods the same."""

from typing import Any

import pytest
import run
import wrk

CALM = "  100 requests in 2.00s, 1.00MB read\nRequests/sec:     50.00\n"


@pytest.mark.parametrize(
    ("said", "unanswered"),
    [("", 0), ("  Socket errors: connect 1, read 3, write 0, timeout 40\n", 44)],
)
def test_connections_that_fail_and_answers_that_are_late_count(said: str, unanswered: int) -> None:
    assert wrk.unanswered(CALM + said) == unanswered
    assert wrk.failures(CALM + said) == 0


@pytest.mark.parametrize(
    ("member", "counts"),
    [
        ({"status": {}}, False),
        ({"metadata": {"creationTimestamp": None}}, False),
        ({"containers": [{"resources": {}}]}, False),
        ({"containers": [{"resources": {"limits": {"cpu": "1"}}}]}, True),
        ({"volumes": [{"name": "x", "emptyDir": {}}]}, True),
        ({"securityContext": {}}, True),
    ],
)
def test_pods_are_the_same_but_for_what_types_add(member: dict[str, Any], counts: bool) -> None:
    without: dict[str, Any] = {"metadata": {}, "containers": [{}], "volumes": [{"name": "x"}]}
    assert (run.without_added(without | member) != run.without_added(without)) is counts
