"""The output of wrk, and the order of servers."""

import load
import pytest

OUTPUT = """  Latency Distribution
     50%  141.00us
     75%  160.00us
     99%    1.50ms
  100 requests in 2.00s, 1.00MB read
{}Requests/sec:     50.00
"""


def test_figures_are_in_seconds() -> None:
    assert load.parse(OUTPUT.format("")) == (100, 50.0, pytest.approx(141e-6), pytest.approx(1.5e-3))


@pytest.mark.parametrize(
    "line",
    ["  Socket errors: connect 1, read 3, write 0, timeout 40\n", "  Non-2xx or 3xx responses: 3\n"],
)
def test_errors_end_the_run(line: str) -> None:
    with pytest.raises(RuntimeError, match=line.strip()):
        load.parse(OUTPUT.format(line))


def test_each_round_begins_with_another_server() -> None:
    assert [load.rotate("abc", number) for number in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]
