"""From results to the page docs/performance.md, its plots, and whether the limits are met."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import report_api
import report_scale
import report_soak
from figures import Limit, ratio
from machine import code
from plot import bars, lines
from servers import FASTAPI, LEAN, NGINX, OURS, RUNTIME, VAULT

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results.json"
API_RESULTS = ROOT / "bench" / "in_api_server.json"
SOAK_RESULTS = ROOT / "bench" / "soak.json"
PAGE = ROOT / "docs" / "performance.md"
_ASSETS = ROOT / "docs" / "assets"
_ORDER = (OURS, FASTAPI, RUNTIME, VAULT, LEAN, NGINX)
_HANDSHAKES = "full handshakes"
_PLOTS = {
    "throughput": "performance-throughput.svg",
    "latency": "performance-latency.svg",
    "growth": "performance-growth.svg",
}


def limits(results: dict[str, Any]) -> list[Limit]:
    """Return the limits that the project sets itself, each with what was measured."""
    sixteen, one = results["cells"]["4.5 KB, 16"], results["cells"]["4.5 KB, 1"]
    runtime = ratio(sixteen, "rps", OURS, RUNTIME)
    vault = ratio(sixteen, "rps", OURS, VAULT)
    nginx = ratio(one, "p50", OURS, NGINX)
    tail = ratio(sixteen, "p99", OURS, RUNTIME)
    memory = results["memory"]["points"]
    half, last = memory[len(memory) // 2][1], memory[-1][1]
    malformed = results["memory"]["malformed"]
    held = results["peak_mb"]
    growth = results["core"]
    containers = growth["containers"]
    fields = growth["managed_fields"]
    (few, usual), *_, (many, more) = fields.items()
    step = (containers["500"] - containers["250"]) / 250 / ((containers["250"] - containers["10"]) / 240)
    return [
        Limit(
            f"throughput per core is at least 5 × controller-runtime's: {runtime.show(2, ' ×')}", runtime.median >= 5
        ),
        Limit(f"throughput per core is at least 3 × vault-k8s's: {vault.show(2, ' ×')}", vault.median >= 3),
        Limit(
            f"median at one connection is at most 2.5 × a static nginx answer's: {nginx.show(2, ' ×')}",
            nginx.median <= 2.5,
        ),
        Limit(f"(stretch) the same at most 2 ×: {nginx.show(2, ' ×')}", nginx.median <= 2),
        Limit(f"p99 at 16 connections is below controller-runtime's: {tail.show(2, ' ×')}", tail.median < 1),
        Limit(
            f"at most 70 MB resident after {results['memory']['requests']:,} requests, which are of 4.5 KB on 16 connections: "
            f"{last} MB (the server that was also sent 40 KB on 64 connections, which has no limit: {held[OURS]} MB at its peak)",
            last <= 70,
        ),
        Limit(f"memory stays flat: {half} MB after half of them, {last} MB after all", last - half <= 1),
        Limit(
            f"and under {malformed[-1][0]:,} malformed requests: {malformed[0][1]} MB before, {malformed[-1][1]} MB after",
            malformed[-1][1] - malformed[0][1] <= 1,
        ),
        Limit(f"ready within 1.5 s: {results['ready_seconds']} s", results["ready_seconds"] <= 1.5),
        Limit(
            f"a pod of 500 containers takes at most 5 ms: {containers['500'] * 1000:.1f} ms", containers["500"] <= 0.005
        ),
        Limit(
            f"cost is linear in containers: the last 250 cost {step:.2f} × as much each as those before", step <= 1.3
        ),
        Limit(
            f"cost is independent of managedFields: {(int(many) - int(few)) / 1000:.1f} KB more of them make it {more / usual:.2f} ×",
            more <= usual * 1.1,
        ),
    ]


class Results(NamedTuple):
    """What the last runs of `make bench`, `make bench-api` and `make soak` measured."""

    peers: dict[str, Any]
    api: dict[str, Any]
    soak: dict[str, Any]

    @classmethod
    def read(cls) -> "Results":
        return cls(*(json.loads(path.read_text("utf-8")) for path in (RESULTS, API_RESULTS, SOAK_RESULTS)))


def write() -> None:
    """Write the page and its plots from the results that are there."""
    results = Results.read()
    PAGE.write_text(page(results), "utf-8")
    for name, text in plots(results).items():
        (_ASSETS / name).write_text(text, "utf-8")


def plots(of_all: Results) -> dict[str, str]:
    """Return the plots, by file name."""
    results = of_all.peers
    rps = {name: _median(results, "4.5 KB, 16", name, "rps") for name in _ORDER}
    p50 = {name: _median(results, "4.5 KB, 1", name, "p50") * 1e6 for name in _ORDER}
    growth = [(int(count), seconds * 1000) for count, seconds in results["core"]["containers"].items()]
    return {
        _PLOTS["throughput"]: bars("Requests a second on one core: 4.5 KB, 16 connections", rps, OURS),
        _PLOTS["latency"]: bars("Median in µs: 4.5 KB, one connection", p50, OURS),
        _PLOTS["growth"]: lines("Milliseconds by number of containers", growth),
        **report_api.plots(of_all.api),
        **report_soak.plots(of_all.soak),
    }


def page(of_all: Results) -> str:
    """Return the page."""
    results = of_all.peers
    machine = results["machine"]
    cells = [cell for cell in results["cells"] if cell != _HANDSHAKES]
    held = results["peak_mb"]
    small, large = results["sizes"].values()
    all_limits = [*limits(results), *report_api.limits(of_all.api), *report_soak.limits(of_all.soak)]
    verdicts = "\n".join(f"| {'yes' if limit.met else '**no**'} | {limit.text} |" for limit in all_limits)
    core = results["core"]
    fields = ", ".join(
        f"{seconds * 1e6:.0f} µs with {int(size) / 1000:.1f} KB" for size, seconds in core["managed_fields"].items()
    )
    containers = ", ".join(f"{count}: {seconds * 1000:.2f} ms" for count, seconds in core["containers"].items())
    return f"""# Performance

<!-- Written by `make bench` from bench/results.json. -->

How long a pod waits for its Docker daemon to be injected, beside what else could inject it. `make bench` repeats the
comparison in less than ten minutes, `make bench-api` what happens [in the API server](#in-the-api-server) in six, `make
soak` what becomes of a server [over time](#over-time) in a quarter of an hour.

![Requests a second on one core](assets/{_PLOTS["throughput"]})

![Median latency at one connection](assets/{_PLOTS["latency"]})

## What is compared

One run, all servers alternating, {machine["rounds"]} rounds of {machine["seconds"]:g} s each; the server on one core and
wrk on another; HTTPS and HTTP/1.1 with connections kept, as the API server does it; reviews of {small:,} and
{large:,} bytes, each with a uid and the name of a token volume that others do not have, as those of pods. Ratios are of figures measured within seconds of each other: the median of all rounds, with the
least and the largest. Every peer's patch is applied first, and the pod has to be the one that dind-webhook makes of it, but
for what a round trip through Go's types adds: an empty `status`, `creationTimestamp` and `resources`.

| | what it is |
|---|---|
| {OURS} | the whole product: metrics, a log line per request, TLS files that are watched, all checks |
| {FASTAPI} | what a Python user would write: a route handler, a copied pod, a patch by difference; uvloop and httptools |
| {RUNTIME} | 0.25, the same injection on typed objects, its usual patch by difference; no log line per request |
| {VAULT} | the handler of vault-k8s 1.6.2 as released, with its own injection and its own pods |
| {LEAN} | the same injection by hand: Go's standard library, only the members that are needed, no checks |
| {NGINX} | the same answer for everything: what TLS and HTTP alone cost here |

The Go servers have `GOMAXPROCS=1` and `GOGC=400`: one core, and fewer collections, as those who tune Go servers have it. Measured on {machine["date"]}: {machine["cpu"]},
{machine["cores"]} cores, Linux {machine["linux"]}, Go {machine["go"]}; dind-webhook: {code(machine)}.
{_conditions(results)}

## Limits

| met | |
|---|---|
{verdicts}

## Throughput

Requests a second on one core, the median of all rounds.

{_table(results, cells, "rps", lambda value: f"{value:,.0f}")}

## Latency

Median in µs.

{_table(results, cells, "p50", lambda value: f"{value * 1e6:,.0f}")}

99th percentile in µs.

{_table(results, cells, "p99", lambda value: f"{value * 1e6:,.0f}")}

A new connection for each request, one after the other, with a full handshake (TLS 1.3, X25519, ECDSA P-256): requests a
second. No session is resumed, as API servers resume none; the client is written in Go, and its own work is in it.

{_table(results, [_HANDSHAKES], "rps", lambda value: f"{value:,.0f}")}

API servers keep their connections, so that they pay for a handshake when they start and after an idle minute and a half.

## Size

Resident memory at the peak of all rounds, in MB, 64 connections with 40 KB among it: {", ".join(f"{name} {held[name]}" for name in _ORDER)}.
dind-webhook is ready {results["ready_seconds"]} s after it was started.

{_memory(results["memory"])}

![Cost by number of containers](assets/{_PLOTS["growth"]})

From bytes to bytes, without HTTP: {containers}. A pod of two containers takes {fields} of review, the rest of which
are `managedFields`: msgspec passes over them, as over everything that is not read. Where they end cannot be told without
that, but by guesses that a crafted pod could defeat.

{report_api.section(of_all.api)}
{report_scale.section(results["scale"], of_all.api["calls"], held[OURS])}
{report_soak.section(of_all.soak)}"""


def _memory(memory: dict[str, Any]) -> str:
    """Say how many requests memory was watched over, and how more are."""
    return (
        f"Memory was watched over {memory['requests']:,} requests and {memory['malformed'][-1][0]:,} malformed ones after "
        'them, by a server of its own. `make bench BENCH="--requests 1000000"` watches it over a million, in some minutes more.'
    )


def _conditions(results: dict[str, Any]) -> str:
    """Say what else the machine did, as far as it is known, and how much that may have changed."""
    machine = results["machine"]
    rates = [[found["rps"] for found in rounds] for cell in results["cells"].values() for rounds in cell.values()]
    often = [max(found) / min(found) for found in rates]
    load = f"the load was {machine['load_before']} before it began; "
    first = "all of it ran before other work (real-time priority); " if machine["realtime"] else ""
    return (
        f"How quiet the machine was: {first}{load}requests a second of one server in one situation differ from round to "
        f"round by {statistics.median(often):.2f} × at the median, and by {max(often):.2f} × at most."
    )


def _median(results: dict[str, Any], cell: str, name: str, figure: str) -> float:
    return statistics.median(found[figure] for found in results["cells"][cell][name])


def _table(results: dict[str, Any], cells: list[str], figure: str, show: Callable[[float], str]) -> str:
    rows = [f"| | {' | '.join(_heading(cell) for cell in cells)} |", "|---" * (len(cells) + 1) + "|"]
    rows += [
        f"| {name} | {' | '.join(show(_median(results, cell, name, figure)) for cell in cells)} |" for name in _ORDER
    ]
    return "\n".join(rows)


def _heading(cell: str) -> str:
    size, _, connections = cell.partition(", ")
    return f"{size} × {connections}" if connections else size
