"""What is made of measurements: ratios, spreads, sizes, and whether a limit is met."""

import math
from typing import Any

import pytest
import report_api
import report_scale
import report_soak
from figures import Spread, added, ratio, ratio_of_added
from report_api import ALONE, NOT_OPTED_IN, NOTHING, OPTED_IN, POLICY, UNCONFIGURED

CPU_SECONDS = (0.0001, 0.00025, 0.0013)


def rounds(*values: float) -> list[dict[str, float]]:
    return [{"p50": value, "p99": value * 2} for value in values]


class TestRatios:
    def test_are_of_the_same_round(self) -> None:
        cell = {"ours": rounds(2, 30, 400), "theirs": rounds(1, 10, 100)}
        assert ratio(cell, "p50", "ours", "theirs") == Spread(3, 2, 4)

    def test_of_what_is_added_leave_the_base_out(self) -> None:
        cell = {"base": rounds(10, 20, 30), "ours": rounds(13, 24, 35), "theirs": rounds(12, 22, 32)}
        assert added(cell, "p50", "ours", "base") == [3, 4, 5]
        assert ratio_of_added(cell, "p50", ("ours", "theirs"), "base") == Spread(2, 1.5, 2.5)

    def test_to_what_adds_nothing_are_infinite(self) -> None:
        cell = {"base": rounds(10, 10), "ours": rounds(11, 11), "theirs": rounds(9, 10)}
        found = ratio_of_added(cell, "p50", ("ours", "theirs"), "base")
        assert math.isinf(found.least)
        assert found.show(2) == "∞ (∞ to ∞)"


def test_a_spread_is_shown_in_its_unit_and_without_a_sign_of_nothing() -> None:
    assert Spread.of([0.001, -0.0000001, 2.5]).times(1e3).show(1, " ms") == "1.0 ms (0.0 to 2,500.0)"


class TestSizes:
    @pytest.mark.parametrize("cpu_seconds", CPU_SECONDS)
    @pytest.mark.parametrize("calls", [1, 20, 200, 1_000, 10_000])
    def test_with_a_replica_away_the_others_are_half_busy_and_have_requested_it(
        self, calls: float, cpu_seconds: float
    ) -> None:
        found = report_scale.size(calls, cpu_seconds)
        each = calls * cpu_seconds / (found.replicas - 1)
        assert found.replicas >= 2
        assert each <= 0.5
        assert each <= found.cpu < each + 0.05 + 1e-9

    def test_have_no_replica_more_than_that_takes(self) -> None:
        assert report_scale.size(2_000, 0.00025).replicas == 2
        assert report_scale.size(2_001, 0.00025).replicas == 3

    def test_of_memory_are_whole_steps(self) -> None:
        assert report_scale.memory_request(64 * 2**20 / 1e6) == 64
        assert report_scale.memory_request(64.1 * 2**20 / 1e6) == 96


class TestLimitsInTheApiServer:
    @pytest.mark.parametrize(("ours", "met"), [(1.3, True), (1.4, False)])
    def test_hold_what_is_added_against_what_the_policy_adds(self, ours: float, met: bool) -> None:
        cell = {NOTHING: rounds(2.0, 2.0), POLICY: rounds(3.0, 3.0), ALONE: rounds(2 + ours - 1e-9, 2 + ours - 1e-9)}
        (limit,) = report_api.limits({"asking": {"10": cell}, "unasked": {}})
        assert "10 creators" in limit.text
        assert limit.met is met

    @pytest.mark.parametrize(("opted_in", "met"), [((2.1, 2.2), True), ((2.1, 2.6), False)])
    def test_hold_what_pods_pay_that_do_not_ask_against_how_rounds_of_nothing_differ(
        self, opted_in: tuple[float, float], met: bool
    ) -> None:
        cell = {UNCONFIGURED: rounds(2.0, 2.2), NOT_OPTED_IN: rounds(2.0, 2.2), OPTED_IN: rounds(*opted_in)}
        others, limit = report_api.limits({"asking": {}, "unasked": {"1": cell}})
        assert others.met
        assert "one creator" in limit.text
        assert limit.met is met


class TestLimitsOverTime:
    def soak(self, **changed: Any) -> dict[str, Any]:
        """Return a run of 20 points in which all is well but what is `changed`."""
        points = [
            {"seconds": number, "resident_mb": 60.0, "descriptors": 25, "connections": 8, "p50": 0.001, "p99": 0.002}
            for number in range(20)
        ]
        run = {"seconds": 900, "points": points, "answers": {"4.5 KB": 1000}, "failed": 0, "rotations": 4, "loaded": 4}
        return {**run, "descriptors": [17, 17], **changed}

    def unmet(self, run: dict[str, Any]) -> list[str]:
        return [limit.text for limit in report_soak.limits(run) if not limit.met]

    def test_are_met_where_nothing_grows(self) -> None:
        assert self.unmet(self.soak()) == []

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"failed": 1}, "no request fails"),
            ({"loaded": 3}, "every certificate is served"),
            ({"loaded": 0, "rotations": 0}, "every certificate is served"),
            ({"descriptors": [17, 18]}, "left open"),
        ],
    )
    def test_say_what_went_wrong(self, changed: dict[str, Any], said: str) -> None:
        (text,) = self.unmet(self.soak(**changed))
        assert said in text

    @pytest.mark.parametrize(
        ("key", "step", "said"),
        [
            ("resident_mb", 0.2, "memory"),
            ("descriptors", 1, "descriptors"),
            ("p50", 0.0001, "latency"),
            ("p99", 0.0002, "99th percentile"),
        ],
    )
    def test_see_what_grows_slowly(self, key: str, step: float, said: str) -> None:
        run = self.soak()
        for number, point in enumerate(run["points"]):
            point[key] += step * number
        (text,) = self.unmet(run)
        assert said in text

    def test_leave_the_warming_up_out(self) -> None:
        run = self.soak()
        for point in run["points"][:4]:
            point["resident_mb"] = 40.0
        assert self.unmet(run) == []

    def test_do_not_take_connections_for_what_grows(self) -> None:
        run = self.soak()
        for number, point in enumerate(run["points"]):
            point["descriptors"] += number
            point["connections"] += number
        assert self.unmet(run) == []
