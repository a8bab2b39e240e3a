"""docs/performance.md is equal to the page that bench/report.py makes from bench/results.json."""

import report
import results


def test_the_page_is_written_from_the_results() -> None:
    assert report.PAGE.read_text("utf-8") == report.page(results.read()), "run: make bench"
