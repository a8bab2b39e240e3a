"""`dind-webhook list`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from dind_webhook.cli.output import ListOutput, print_json, print_line
from dind_webhook.diagnostics import InjectedPod, collect_injected_pods
from dind_webhook.kube import KubeClient
from dind_webhook.model import JsonObject
from dind_webhook.timestamps import format_timestamp

_MIB = 2**20


def run_list(
    *, namespace: str | None, output: ListOutput, kubeconfig: Path | None, context: str | None, now: datetime
) -> int:
    """Print the injected pods of a namespace, or of all; return the exit code."""
    cluster = KubeClient(kubeconfig, context)
    cluster.version()
    pods, usage_problem = collect_injected_pods(cluster, namespace)
    if output is ListOutput.JSON:
        print_json({"pods": [_as_tree(pod) for pod in pods], "usage_problem": usage_problem or None})
        return 0
    if output is ListOutput.NAME:
        for pod in pods:
            print_line(f"pod/{pod.name}")
        return 0
    if pods:
        _print_table(
            [_row(pod, now, is_wide=output is ListOutput.WIDE) for pod in pods], is_wide=output is ListOutput.WIDE
        )
    else:
        where = f"in namespace {namespace}" if namespace else "in this cluster"
        print_line(f"no injected pod {where}", file=sys.stderr)
    if usage_problem:
        print_line(f"the use of CPU and memory is not known: {usage_problem}", file=sys.stderr)
    return 0


_COLUMNS = ("NAMESPACE", "NAME", "OWNER", "MODE", "CPU", "MEMORY", "AGE", "IMAGE")
_WIDE_COLUMNS = ("ISOLATION", "LIMITS", "STATUS", "NODE", "VERSION")


def _row(pod: InjectedPod, now: datetime, *, is_wide: bool) -> tuple[str, ...]:
    usage = pod.usage
    cpu = None if usage.cpu_millicores is None else f"{usage.cpu_millicores}m"
    memory = None if usage.memory_bytes is None else f"{usage.memory_bytes // _MIB}Mi"
    row = (
        pod.namespace,
        pod.name,
        pod.owner,
        pod.mode,
        _amounts(cpu, pod.requests.get("cpu")),
        _amounts(memory, pod.requests.get("memory")),
        format_age(pod.created_at, now),
        pod.image,
    )
    if not is_wide:
        return row
    limits = ",".join(f"{name}={pod.limits[name]}" for name in sorted(pod.limits))
    return (*row, pod.isolation, limits, pod.phase, pod.node, pod.version)


def _amounts(used: str | None, requested: str | None) -> str:
    """Return use and request, as in `120m/250m`; `-` stands for an amount that is not known or not set."""
    return f"{used or '-'}/{requested or '-'}" if used or requested else ""


def _print_table(rows: Sequence[tuple[str, ...]], *, is_wide: bool) -> None:
    lines: list[tuple[str, ...]] = [(*_COLUMNS, *_WIDE_COLUMNS) if is_wide else _COLUMNS]
    lines += [tuple(cell or "-" for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print_line("   ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def format_age(moment: datetime | None, now: datetime) -> str:
    """Return the time since a moment in its two largest units or one, as in `3d4h`; empty if there is no moment."""
    if moment is None:
        return ""
    seconds = max(0, int((now - moment.astimezone(UTC)).total_seconds()))
    for unit, size, smaller, smaller_size in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            # Like kubectl: a second unit only where it still says something.
            return (
                f"{count}{unit}{rest // smaller_size}{smaller}"
                if count < 8 and rest >= smaller_size
                else f"{count}{unit}"
            )
    return f"{seconds}s"


def _as_tree(pod: InjectedPod) -> JsonObject:
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "owner": pod.owner or None,
        "mode": pod.mode,
        "isolation": pod.isolation or None,
        "version": pod.version or None,
        "node": pod.node or None,
        "phase": pod.phase or None,
        "created_at": format_timestamp(pod.created_at) if pod.created_at else None,
        "container": pod.container or None,
        "image": pod.image or None,
        "requests": dict(pod.requests),
        "limits": dict(pod.limits),
        "usage": {"cpu_millicores": pod.usage.cpu_millicores, "memory_bytes": pod.usage.memory_bytes},
    }
