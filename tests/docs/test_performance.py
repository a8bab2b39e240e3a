"""The page about performance has the figures of the last measurement."""

import report


def test_the_page_and_its_plots_are_made_from_the_results() -> None:
    results = report.Results.read()
    assert report.PAGE.read_text("utf-8") == report.page(results), "run: make bench"
    for name, text in report.plots(results).items():
        assert (report.PAGE.parent / "assets" / name).read_text("utf-8") == text, "run: make bench"
