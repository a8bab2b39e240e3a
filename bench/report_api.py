"""What injection adds to the creation of a pod: the section of the page, its plot and its limits."""

import statistics
from typing import Any

from figures import Limit, Spread, added, ratio_of_added
from machine import code
from plot import bars

NOTHING = "nothing"
ALONE = "dind-webhook"
WITH_POLICY = "dind-webhook and its ValidatingAdmissionPolicy"
RUNTIME = "controller-runtime"
POLICY = "MutatingAdmissionPolicy"
OPTED_IN, NOT_OPTED_IN = "opted in", "not opted in"
UNCONFIGURED = "no webhook configured"
PLOT = "performance-api.svg"
_LIMIT = 1.3
INJECTORS = (ALONE, WITH_POLICY, RUNTIME, POLICY)


def limits(results: dict[str, Any]) -> list[Limit]:
    """Return the limits on what a creation may take longer."""
    found = []
    for creators, cell in results["asking"].items():
        times = ratio_of_added(cell, "p50", (ALONE, POLICY), NOTHING)
        text = f"added to the median of a creation, {_creators(creators)}, is at most {_LIMIT} × what a MutatingAdmissionPolicy adds: {times.show(2, ' ×')}"
        found.append(Limit(text, times.median <= _LIMIT))
    for creators, cell in results["unasked"].items():
        alone = [one["p50"] for one in cell[UNCONFIGURED]]
        # What nothing differs by from nothing, from round to round, is too little to be measured.
        unmeasurable = max(alone) - min(alone)
        for name, where in ((NOT_OPTED_IN, "that has not opted in"), (OPTED_IN, "that has opted in")):
            rounds = added(cell, "p50", name, UNCONFIGURED)
            text = (
                f"a pod that does not ask, in a namespace {where}, pays nothing measurable, {_creators(creators)}: "
                f"{_microseconds(rounds)}, where rounds of nothing differ by {unmeasurable * 1e6:,.0f} µs"
            )
            found.append(Limit(text, statistics.median(rounds) <= unmeasurable))
    return found


def plots(results: dict[str, Any]) -> dict[str, str]:
    """Return the plots, by file name."""
    cell = results["asking"]["1"]
    labels = {WITH_POLICY: "… and its policy"}
    medians = {labels.get(name, name): statistics.median(added(cell, "p50", name, NOTHING)) * 1e6 for name in INJECTORS}
    # No bar is shorter than nothing.
    shown = {name: max(value, 0) for name, value in medians.items()}
    return {PLOT: bars("Added to the median of a creation in µs: one creator", shown, ALONE)}


def section(results: dict[str, Any]) -> str:
    """Return the section of the page."""
    about = results["machine"]
    return f"""## In the API server

`make bench-api` creates pods in an API server of its own (Kubernetes {about["kubernetes"].removeprefix("v")}, etcd without
fsync, all on {about["cores"]} cores that they share with the webhooks and wrk): {about["rounds"]} rounds of {about["seconds"]:g} s each, in namespaces that
alternate, the pod that is a review of 4.5 KB. Measured on {about["date"]}: {about["cpu"]}, Linux {about["linux"]}, {code(about)}, with a load of
{about["load_before"]} from other work before it began.

![Added to the median of a creation](assets/{PLOT})

| | what acts on the namespace |
|---|---|
| {NOTHING} | nothing: all others are there, and match other namespaces |
| {ALONE} | the chart's MutatingWebhookConfiguration |
| {WITH_POLICY} | all of the chart: the policy looks at every pod that asked, after all webhooks |
| {RUNTIME} | the same configuration, with controller-runtime's server behind it |
| {POLICY} | one JSONPatch mutation in CEL with the same additions, on the same conditions; it checks nothing |

{_differences(results["differences"])}

dind-webhook is called {often(results["calls"])} for each of these pods. A container that is added without the pod's service account
token is given it by the API server, which then calls again whoever had changed the pod before; so all that are compared
[mount it at once](decisions/0017-the-token-is-mounted-at-once.md).

What a creation takes, and what is added to it: the median of all rounds, with the least and the largest. The ratio is that of what is
added, to what the MutatingAdmissionPolicy adds.

{_asking(results["asking"], "p50")}

{_asking(results["asking"], "p99")}

**Pods that do not ask.** All of the chart is installed, or nothing is; by turns.

{_unasked(results["unasked"])}
"""


def _asking(cells: dict[str, Any], figure: str) -> str:
    title = {"p50": "median in ms", "p99": "99th percentile in ms"}[figure]
    rows = [f"| {title} | creators | creation | added | ratio |", "|---|---|---|---|---|"]
    for creators, cell in cells.items():
        rows.append(f"| {NOTHING} | {creators} | {_milliseconds([one[figure] for one in cell[NOTHING]])} | | |")
        for name in INJECTORS:
            whole = _milliseconds([one[figure] for one in cell[name]])
            more = _milliseconds(added(cell, figure, name, NOTHING))
            times = "" if name == POLICY else ratio_of_added(cell, figure, (name, POLICY), NOTHING).show(2, " ×")
            rows.append(f"| {name} | {creators} | {whole} | {more} | {times} |")
    return "\n".join(rows)


def _unasked(cells: dict[str, Any]) -> str:
    rows = ["| namespace | creators | median in ms | added | 99th percentile in ms |", "|---|---|---|---|---|"]
    for creators, cell in cells.items():
        for name in (UNCONFIGURED, NOT_OPTED_IN, OPTED_IN):
            p50, p99 = (_milliseconds([one[figure] for one in cell[name]]) for figure in ("p50", "p99"))
            more = "" if name == UNCONFIGURED else _microseconds(added(cell, "p50", name, UNCONFIGURED))
            rows.append(f"| {name} | {creators} | {p50} | {more} | {p99} |")
    return "\n".join(rows)


def _differences(found: dict[str, list[str]]) -> str:
    """Say in which members pods differ from those that dind-webhook makes."""
    told = [f"{name}: " + ", ".join(f"`{one}`" for one in changes) for name, changes in found.items() if changes]
    if not told:
        return "The pods that come out are the same, member by member: this is asked of the API server before anything is measured."
    return "The pods that come out are the same, member by member, but for: " + "; ".join(told) + "."


def often(number: int) -> str:
    """Return the number of calls as an adverb."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _creators(number: str) -> str:
    return "one creator" if number == "1" else f"{number} creators"


def _milliseconds(seconds: list[float]) -> str:
    return Spread.of(seconds).times(1e3).show(2)


def _microseconds(seconds: list[float]) -> str:
    return Spread.of(seconds).times(1e6).show(0, " µs")
