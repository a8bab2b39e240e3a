"""A quarter of an hour under all that clients do: the section of the page, its plot and its limits."""

import statistics
from collections.abc import Sequence
from typing import Any

from figures import Limit
from machine import code
from plot import Curve, over_time

PLOT = "performance-soak.svg"
_MAY_GROW_MB = 2
_MAY_SLOW = 1.3
_WAITS = {"the median": "p50", "the 99th percentile": "p99"}


def limits(results: dict[str, Any]) -> list[Limit]:
    """Return what has to hold.

    Flat is what is no more at the median of the last fifth than at that of the second one: in the first the server
    warms up. Memory may be 2 MB more, the size of a few requests of 40 KB with all that is made of them;
    the probe may wait 1.3 times as long, as a machine with other work makes it wait.
    """
    minutes = f"{results['seconds'] / 60:.2g} minutes of mixed load"
    answers = sum(results["answers"].values())
    memory, others = early_and_late(results, _resident), early_and_late(results, _no_connections)
    waits = {name: early_and_late(results, lambda point, key=key: point[key]) for name, key in _WAITS.items()}
    before, after = results["descriptors"]
    return [
        Limit(f"no request fails in {minutes}: {results['failed']} of {answers:,} did", results["failed"] == 0),
        Limit(
            f"every certificate is served, without a restart: {results['loaded']:.0f} of {results['rotations']}",
            results["loaded"] == results["rotations"] > 0,
        ),
        *(
            Limit(
                f"latency is flat in {minutes}, {name}: {early * 1e3:.2f} ms early, {late * 1e3:.2f} ms late",
                late <= _MAY_SLOW * early,
            )
            for name, (early, late) in waits.items()
        ),
        Limit(
            f"memory is flat in {minutes}: {memory[0]:.1f} MB early, {memory[1]:.1f} MB late",
            memory[1] - memory[0] <= _MAY_GROW_MB,
        ),
        Limit(
            f"file descriptors that are no connections are flat: {others[0]:.0f} early, {others[1]:.0f} late",
            others[1] <= others[0],
        ),
        Limit(f"no file descriptor is left open: {before:.0f} before, {after:.0f} after", after <= before),
    ]


def early_and_late(results: dict[str, Any], figure: Any) -> tuple[float, float]:
    """Return a figure at the median of the second fifth of the time, and at that of the last."""
    found = [figure(point) for point in results["points"]]
    fifth = max(1, len(found) // 5)
    return statistics.median(found[fifth : 2 * fifth]), statistics.median(found[-fifth:])


def plots(results: dict[str, Any]) -> dict[str, str]:
    """Return the plots, by file name."""
    points = results["points"]
    times = [point["seconds"] for point in points]

    def curve(name: str, key: str, unit: float = 1) -> Curve:
        return Curve(name, [point[key] * unit for point in points])

    panels: dict[str, Sequence[Curve]] = {
        "Latency of the probe in ms": [curve("p50", "p50", 1e3), curve("p99", "p99", 1e3)],
        "Resident memory in MB": [curve("", "resident_mb")],
        "File descriptors": [curve("open", "descriptors"), curve("of them connections", "connections")],
    }
    return {PLOT: over_time("Seconds under mixed load", times, panels)}


def section(results: dict[str, Any]) -> str:
    """Return the section of the page."""
    about = results["machine"]
    answers = ", ".join(f"{count:,} {name}" for name, count in results["answers"].items())
    median, tail = (early_and_late(results, lambda point, key=key: point[key] * 1e3) for key in ("p50", "p99"))
    return f"""## Over time

`make soak` keeps one server busy for a quarter of an hour at a fixed, moderate pace; this run took {results["seconds"]} s, on
{about["date"]} ({code(about)}), with a load of {about["load_before"]} from other work before it began. Eight connections are kept, ten a second are new ones; reviews
of both sizes, denied, untouched and malformed ones come in turn. Four clients take three seconds to send a request, one never
ends its own and is answered with 408. A new certificate replaces the served one every half minute, as the certs sidecar does it.

![Latency, memory and file descriptors over time](assets/{PLOT})

Answered as they have to be: {answers}. The probe, on a connection of its own, waited {median[0]:.2f} ms early and {median[1]:.2f} ms late at the
median, {tail[0]:.2f} ms and {tail[1]:.2f} ms at the 99th percentile. Early is the second fifth of the time, late the last one.
"""


def _resident(point: dict[str, float]) -> float:
    return point["resident_mb"]


def _no_connections(point: dict[str, float]) -> float:
    return point["descriptors"] - point["connections"]
