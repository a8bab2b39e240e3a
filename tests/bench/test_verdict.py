"""Verdicts: a limit is not resolved if the noise is larger than the effect."""

import math

import pytest
from verdict import Estimate, Verdict, check_limit

QUIET = [1.00, 1.00, 1.01, 1.01, 1.02, 1.02]


@pytest.mark.parametrize(
    ("rounds", "limit", "verdict"),
    [
        (QUIET, 1.3, Verdict.MET),
        (QUIET, 0.7, Verdict.MISSED),
        (QUIET, 1.015, Verdict.UNRESOLVED),
        (
            [0.21, 1.0, 1.17, 1.17, 2.0, 7.14],
            1.3,
            Verdict.UNRESOLVED,
        ),  # The median is within the limit, the noise is 5.97.
        ([0.2, 1.0, 1.5, 1.5, 2.0, 7.1], 1.3, Verdict.UNRESOLVED),  # The median is beyond the limit, the noise is 1.3.
        ([0.21, 1.0, 1.17, 1.17, 1.2, 1.25], 1.3, Verdict.MET),  # Noise on the other side of the median does not count.
        ([1.4, 1.4, 1.5, 1.5, 2.0, 7.1], 1.3, Verdict.MISSED),
        ([1.0] * 6, 1.0, Verdict.MET),  # Neither effect nor noise
        ([math.inf] * 5 + [1.0], 1.3, Verdict.UNRESOLVED),
    ],
)
def test_a_limit_is_resolved_if_the_effect_is_at_least_the_noise(
    rounds: list[float], limit: float, verdict: Verdict
) -> None:
    assert check_limit(Estimate.of(rounds), limit) is verdict


@pytest.mark.parametrize("noise", [0.01, 0.31, 5.0])
@pytest.mark.parametrize("effect", [0.0, 0.1, 0.3, 4.0])
@pytest.mark.parametrize("at_least", [True, False])
def test_noise_above_the_effect_is_never_yes_or_no(noise: float, effect: float, at_least: bool) -> None:
    for median in (10 - effect, 10 + effect):
        verdict = check_limit(Estimate(median, median - noise, median + noise, 6), 10, at_least=at_least)
        assert (verdict is Verdict.UNRESOLVED) == (noise > effect)


def test_at_least_is_the_opposite() -> None:
    assert check_limit(Estimate.of(QUIET), 0.7, at_least=True) is Verdict.MET
    assert check_limit(Estimate.of(QUIET), 1.3, at_least=True) is Verdict.MISSED


@pytest.mark.parametrize("count", [1, 2, 5])
def test_fewer_than_six_rounds_resolve_nothing(count: int) -> None:
    assert check_limit(Estimate.of([1.0] * count), 1000) is Verdict.UNRESOLVED


@pytest.mark.parametrize(("count", "dropped"), [(1, 0), (5, 0), (8, 0), (9, 1), (12, 2), (20, 5)])
def test_the_interval_holds_the_median_with_95_percent_confidence(count: int, dropped: int) -> None:
    estimate = Estimate.of([float(number) for number in range(count)])
    assert (estimate.low, estimate.high) == (dropped, count - 1 - dropped)
    misses = 2 * sum(math.comb(count, number) for number in range(dropped + 1)) / 2**count
    assert misses <= 0.05 or count < 6


def test_an_estimate_is_shown_in_its_unit_and_zero_has_no_sign() -> None:
    assert Estimate.of([0.001, -0.0000001, 2.5]).show(1, " ms", 1e3) == "1.0 ms (0.0 to 2,500.0)"
