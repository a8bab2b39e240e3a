"""What a request takes of a core, and how many replicas clusters need: the section of the page."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from figures import Spread
from report_api import often

_CHART = Path(__file__).parents[1] / "charts" / "dind-webhook" / "values.yaml"
# A pod for each node every five seconds: 1,000 a second in a cluster of 5,000 nodes
PODS_PER_NODE = 0.2
NODES = (100, 1_000, 5_000)
_UTILISATION = 0.5
_LEAST_REPLICAS = 2
_CPU_STEP, _MEMORY_STEP = 0.05, 32


class Size(NamedTuple):
    """An install: how many replicas, and what each requests in cores."""

    replicas: int
    cpu: float


def size(calls: float, cpu_seconds: float) -> Size:
    """Return an install for so many calls a second, which take so long each.

    With one replica away the others are busy half of the time; their CPU request is what they then take.
    """
    busy = calls * cpu_seconds
    replicas = max(_LEAST_REPLICAS, math.ceil(busy / _UTILISATION) + 1)
    steps = max(1, math.ceil(busy / (replicas - 1) / _CPU_STEP))
    return Size(replicas, round(steps * _CPU_STEP, 2))


def memory_request(peak_mb: float) -> int:
    """Return a memory request in Mi for a process that took so many MB at its peak."""
    return math.ceil(peak_mb * 1e6 / 2**20 / _MEMORY_STEP) * _MEMORY_STEP


def section(scale: dict[str, Any], calls: int, peak_mb: float) -> str:
    """Return the section of the page, for so many calls for each pod, and a process that took so many MB at its peak."""
    cpu = {label: Spread.of(found) for label, found in scale["cpu_seconds"].items()}
    processes = scale["processes"]
    single = Spread.of([found["1"] for found in processes])
    both = Spread.of([found.get("2", found["1"]) for found in processes])
    times = Spread.of([found.get("2", found["1"]) / found["1"] for found in processes])
    small = cpu["4.5 KB"].median
    taken = "; ".join(f"{label}: {spread.times(1e6).show(0, ' µs')}" for label, spread in cpu.items())
    rates = " and ".join(f"{_UTILISATION / spread.median:,.0f} of {label}" for label, spread in cpu.items())
    return f"""## Scale

A process works on one core and has no worker processes: replicas are the unit. Those are on nodes and in zones of their own,
are added and replaced one by one, and need nothing of each other; workers within a pod would share its probes, its memory
limit and its end.

Processor time of one request, at one connection, everything in it: {taken}. A core that is busy half of the time
answers {rates} a second. Two processes, each with a core that it shares with the load for it, answer
{both.show(0)} requests a second, one alone {single.show(0)}: {times.show(2, " ×")}. Two cores cannot show more; as processes share nothing,
nothing is known that would keep further ones from adding as much.

### Size it

What a cluster needs, by these figures. The rates are those of a cluster that is busy: one pod with Docker for each node every five
seconds, for each of which the API server calls {often(calls)} ([here](#in-the-api-server)). With one replica away, the others are busy half of
the time at most; the CPU request is what they then take.

{_sizes({label: spread.median * calls for label, spread in cpu.items()})}

{_paces(scale["paces"])}

Each replica requests `{memory_request(peak_mb)}Mi` of memory: the server of this run took {peak_mb} MB at its peak, with 64 connections and
reviews of 40 KB. {_autoscaling(small * calls)} [Operations](operations.md#scale) has what to set.
"""


def _sizes(cpu: dict[str, float]) -> str:
    """Return the table, for so many CPU seconds of a pod by size of its review."""
    labels = list(cpu)
    rows = [
        f"| nodes | pods with Docker a second | cores, reviews of {' / '.join(labels)} | replicas × CPU request, {labels[0]} | {labels[1]} |",
        "|---|---|---|---|---|",
    ]
    for nodes in NODES:
        pods = nodes * PODS_PER_NODE
        busy = " / ".join(f"{pods * seconds:.2f}" for seconds in cpu.values())
        sizes = (size(pods, seconds) for seconds in cpu.values())
        each = " | ".join(f"{one.replicas} × {one.cpu * 1000:.0f}m" for one in sizes)
        rows.append(f"| {nodes:,} | {pods:,.0f} | {busy} | {each} |")
    return "\n".join(rows)


def _paces(paces: dict[str, dict[str, float]]) -> str:
    """Return what one replica alone did at the pace of whole clusters."""
    rows = [
        "| nodes | reviews sent a second | median | 99th percentile | longest | failed |",
        "|---|---|---|---|---|---|",
    ]
    for nodes, pace in paces.items():
        waits = " | ".join(f"{pace[name] * 1000:.2f} ms" for name in ("p50", "p99", "longest"))
        rows.append(f"| {int(nodes):,} | {pace['rate']:,.0f} | {waits} | {pace['failed']:,.0f} |")
    table = "\n".join(rows)
    return f"""One replica alone, as it is while the others are away, sent reviews of 4.5 KB at those rates. They come at random moments, as from
controllers that know nothing of each other (a Poisson process), whether or not earlier ones have been answered:

{table}"""


def _autoscaling(cpu_seconds: float) -> str:
    """Say what the chart's autoscaling makes of so many CPU seconds of a pod."""
    values = yaml.safe_load(_CHART.read_text("utf-8"))
    scaling, request = values["autoscaling"], values["resources"]["requests"]["cpu"]
    target = int(request.removesuffix("m")) / 1000 * scaling["targetCPUUtilizationPercentage"] / 100
    rate = target / cpu_seconds
    return (
        f"The chart's autoscaling aims at {scaling['targetCPUUtilizationPercentage']} % of a request of {request}, which is "
        f"{target * 1000:.0f}m or {rate:,.0f} pods a second for each replica, and goes from {scaling['minReplicas']} to "
        f"{scaling['maxReplicas']} of them."
    )
