"""Ratios, limits and sizes that the report calculates from measurements."""

import math
from typing import Any

import pytest
import report
from report import (
    ACTIONS,
    CACHE,
    CHART_WEBHOOK,
    DIGEST,
    HANDWRITTEN,
    INFO,
    MAP,
    NOT_OPTED_IN,
    NOTHING,
    OPTED_IN,
    PREPULL,
    RUN,
    UNCONFIGURED,
    VM,
)
from servers import OURS
from verdict import Limit, Verdict


def cell(**rounds: list[float]) -> dict[str, dict[str, list[float]]]:
    return {name: {"p50": values} for name, values in rounds.items()}


class TestRatios:
    def test_are_of_the_same_round(self) -> None:
        assert report.ratio(cell(ours=[2, 30, 400], theirs=[1, 10, 100]), "p50", "ours", "theirs") == [2, 3, 4]

    def test_of_what_is_added_leave_the_base_out(self) -> None:
        figures = cell(**{NOTHING: [10, 20, 30], "ours": [13, 24, 35], MAP: [12, 22, 32]})
        assert report.added(figures, "ours", NOTHING) == [3, 4, 5]
        assert report.ratio_of_added(figures, "ours") == [1.5, 2, 2.5]

    def test_to_a_policy_that_adds_nothing_are_infinite(self) -> None:
        figures = cell(**{NOTHING: [10], "ours": [11], MAP: [9]})
        assert report.ratio_of_added(figures, "ours") == [math.inf]


@pytest.mark.parametrize(
    ("opted_in", "verdict"),
    [
        ([2.01, 2.02] * 3, Verdict.MET),
        ([2.4, 2.41] * 3, Verdict.MISSED),
        ([1.0, 2.01, 3.0] * 2, Verdict.UNRESOLVED),
    ],
)
def test_pods_that_do_not_request_docker_are_compared_with_creations_without_a_webhook(
    opted_in: list[float], verdict: Verdict
) -> None:
    figures = cell(**{UNCONFIGURED: [2.0] * 6, NOT_OPTED_IN: [2.0] * 6, OPTED_IN: opted_in})
    other, limit = report.api_limits({"asking": {}, "unasked": {"1": figures}})
    assert other.verdict is Verdict.MET
    assert "one creator" in limit.text
    assert limit.verdict is verdict


def test_a_noisy_limit_is_not_resolved() -> None:
    quiet = {NOTHING: [1.0] * 6, CHART_WEBHOOK: [2.0] * 6, MAP: [2.0] * 6}
    noisy = {**quiet, CHART_WEBHOOK: [1.2, 1.9, 8.0] * 2}
    limits = [report.api_limits({"asking": {"1": cell(**rounds)}, "unasked": {}})[0] for rounds in (quiet, noisy)]
    assert [limit.verdict for limit in limits] == [Verdict.MET, Verdict.UNRESOLVED]


@pytest.mark.parametrize("cpu_seconds", [0.0001, 0.00025, 0.0013])
@pytest.mark.parametrize("calls", [1, 20, 200, 1_000, 10_000])
def test_with_one_replica_down_the_others_are_half_busy_and_have_requested_it(calls: int, cpu_seconds: float) -> None:
    replicas, request = report.size(calls * cpu_seconds)
    each = calls * cpu_seconds / (replicas - 1)
    assert replicas >= 2
    assert each <= 0.5
    assert each <= request < each + 0.05 + 1e-9


def test_there_is_no_replica_too_many() -> None:
    assert report.size(0.5)[0] == 2
    assert report.size(0.51)[0] == 3


def test_the_time_to_docker_is_compared_with_each_hand_written_form_on_each_node() -> None:
    stages = {OURS: 2.0, HANDWRITTEN: 1.0, ACTIONS: 4.0}
    figures = {"stages": {form: {INFO: [seconds] * 6, RUN: [seconds] * 6} for form, seconds in stages.items()}}
    limits = report.docker_limits({"nodes": {VM: figures, "other": figures}})
    assert [limit.verdict for limit in limits] == [Verdict.MISSED, Verdict.MET] * 4
    assert sum(VM in limit.text for limit in limits) == 4


class TestSoak:
    def soak(self, **changed: Any) -> dict[str, Any]:
        """Return a run of 30 points within all limits, except for `changed`."""
        flat = {"p50": 0.001, "p99": 0.002, "resident_mb": 60.0, "other_descriptors": 17.0}
        run = {"answers": {"4.4 KB": 1000}, "failed": 0, "rotations": 4, "served": 4}
        return {**run, "points": {name: [value] * 30 for name, value in flat.items()}, **changed}

    def not_met(self, run: dict[str, Any]) -> list[Limit]:
        return [limit for limit in report.soak_limits(run) if limit.verdict is not Verdict.MET]

    def test_a_flat_run_meets_all_limits(self) -> None:
        assert self.not_met(self.soak()) == []

    @pytest.mark.parametrize(
        ("changed", "text"),
        [
            ({"failed": 1}, "no request fails"),
            ({"served": 3}, "every certificate is served"),
            ({"served": 0, "rotations": 0}, "every certificate is served"),
        ],
    )
    def test_a_fault_misses_its_limit(self, changed: dict[str, Any], text: str) -> None:
        (limit,) = self.not_met(self.soak(**changed))
        assert text in limit.text
        assert limit.verdict is Verdict.MISSED

    @pytest.mark.parametrize(
        ("name", "step", "text"),
        [
            ("resident_mb", 0.2, "memory"),
            ("other_descriptors", 1, "descriptors"),
            ("p50", 0.0001, "median"),
            ("p99", 0.0002, "99th percentile"),
        ],
    )
    def test_slow_growth_misses_its_limit(self, name: str, step: float, text: str) -> None:
        run = self.soak()
        run["points"][name] = [value + step * number for number, value in enumerate(run["points"][name])]
        (limit,) = self.not_met(run)
        assert text in limit.text
        assert limit.verdict is Verdict.MISSED

    def test_the_warm_up_is_left_out(self) -> None:
        run = self.soak()
        run["points"]["resident_mb"][:6] = [40.0] * 6
        assert self.not_met(run) == []

    def test_noise_above_the_growth_is_not_resolved(self) -> None:
        run = self.soak()
        run["points"]["resident_mb"][-6:] = [40.0, 60.0, 60.0, 60.0, 60.0, 80.0]
        (limit,) = self.not_met(run)
        assert limit.verdict is Verdict.UNRESOLVED


@pytest.mark.parametrize(
    ("fetches", "requests", "verdicts"),
    [
        (1, (5, 0), [Verdict.MET, Verdict.MET]),
        (2, (5, 0), [Verdict.MISSED, Verdict.MET]),
        (1, (0, 3), [Verdict.MET, Verdict.MISSED]),
    ],
)
def test_with_the_cache_a_blob_is_fetched_once_and_the_second_build_costs_no_request(
    fetches: int, requests: tuple[int, int], verdicts: list[Verdict]
) -> None:
    builds = {DIGEST: [{"requests": count} for count in requests]}
    forms = {CACHE: {"wave": {"fetches": 1}, "builds": builds}, PREPULL: {"wave": {"fetches": fetches}}}
    limits = report.near_by_limits({"machine": {"pods": 20}, "forms": forms})
    assert [limit.verdict for limit in limits] == verdicts
