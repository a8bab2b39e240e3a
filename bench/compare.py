"""`make bench`: compare dind-webhook with other injectors in one run, and write docs/performance.md."""

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonpatch
import report
import results
import samples
from builds import versions
from load import SERVER_CORE, Load, rotate
from results import Cells, append
from servers import KOPF, OURS, RUNTIME, RUST, SERVERS, Server, prepare, start
from webhook_api import JsonObject, answer_review

_CONNECTIONS = (1, 16)
_CONTAINERS = (1, 10, 100, 250, 500)
_MANAGED_LABELS = (0, 40, 400)
_MEMORY_BATCHES = 12
_GO_DEFAULTS: JsonObject = {"status": {}, "creationTimestamp": None, "resources": {}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=2, help="of one measurement")
    options = parser.parse_args()
    results.require("wrk", "nginx", "taskset")
    about = {**results.machine(), "rounds": options.rounds, "seconds": options.seconds}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        figures = measure(Load(Path(folder), options.seconds), options.rounds, stack)
    results.save("compare", {"machine": about, **figures})
    report.write()
    report.print_limits(report.compare_limits(results.read()["compare"]))


def measure(load: Load, rounds: int, stack: ExitStack) -> dict[str, Any]:
    """Return all figures, in seconds, requests per second and MB."""
    folder = load.folder
    bodies = {label: folder / f"{size}.json" for label, size in samples.SIZES.items()}
    for label, body in bodies.items():
        body.write_bytes(samples.review(samples.SIZES[label]))
    prepare(folder, static=answer_review(bodies["4.4 KB"].read_bytes()))
    servers = [start(name, folder, stack) for name in SERVERS]
    for server in servers:
        check_same_pods(server)
        load.post(server.url, bodies["4.4 KB"], 16)  # to warm up
    cells: Cells = {}
    ready = []
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        with ExitStack() as briefly:
            ready.append(start(OURS, folder, briefly).ready_seconds)
        for label, body in bodies.items():
            for connections in _CONNECTIONS:
                for server in rotate(servers, number):
                    figures = _measure_once(server, load, body, connections)
                    append(cells, f"{label} × {connections}", server.name, figures)
    return {
        "versions": versions(),
        "sizes": {label: body.stat().st_size for label, body in bodies.items()},
        "cells": cells,
        "peak_mb": {server.name: server.resident_mb("VmHWM") for server in servers},
        "ready": ready,
        "memory": _watch_memory(load, bodies["4.4 KB"]),
        "growth": _measure_growth(rounds),
    }


def _measure_once(server: Server, load: Load, body: Path, connections: int) -> dict[str, float]:
    cpu_before = server.cpu_seconds()
    measured = load.post(server.url, body, connections)
    cpu = (server.cpu_seconds() - cpu_before) / measured.requests
    return {"rps": measured.rps, "p50": measured.p50, "p99": measured.p99, "cpu": cpu}


def check_same_pods(server: Server) -> None:
    """Exit unless a server's patches make the same pods as dind-webhook's; nginx has one answer."""
    pods = samples.pods_to_compare()
    for name in pods if server.name in (RUST, RUNTIME, KOPF) else ():
        body = samples.encode_review(pods[name])
        if difference := compare_patches(pods[name], server.review(body), exact=server.name == RUST):
            sys.exit(f"{server.name} does not make the same pod of {name!r}: {difference}")


def compare_patches(pod: JsonObject, review: JsonObject, *, exact: bool) -> list[JsonObject]:
    """Return the difference between a pod patched by an answer and by dind-webhook's: none if they are the same.

    If `exact`, the operations are compared. Otherwise fields that are empty after a round trip through Go's types are
    left out.
    """
    ours = json.loads(answer_review(samples.encode_review(pod)))
    expected, found = (json.loads(b64decode(one["response"]["patch"])) for one in (ours, review))
    if not exact:
        expected, found = (without_go_defaults(jsonpatch.apply_patch(pod, patch)) for patch in (expected, found))
    difference: list[JsonObject] = jsonpatch.make_patch(expected, found).patch
    return difference


def without_go_defaults(value: Any) -> Any:
    """Return JSON without the empty fields that Go's types add."""
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if key not in _GO_DEFAULTS or one != _GO_DEFAULTS[key]}
        return {key: without_go_defaults(one) for key, one in kept.items()}
    return [without_go_defaults(item) for item in value] if isinstance(value, list) else value


def _watch_memory(load: Load, body: Path) -> dict[str, Any]:
    """Return the resident memory of a new server after each of several batches over 16 connections."""
    print("memory", flush=True)
    requests, resident = 0, []
    with ExitStack() as stack:
        server = start(OURS, load.folder, stack)
        for _ in range(_MEMORY_BATCHES):
            requests += load.post(server.url, body, 16).requests
            resident.append(server.resident_mb())
    return {"requests": requests, "resident_mb": resident}


def _measure_growth(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of a review without HTTP, by number of containers and by bytes of managedFields, per round."""
    print("growth", flush=True)
    pods = {str(count): samples.pod(count) for count in _CONTAINERS}
    by_containers = {count: samples.encode_review(pod) for count, pod in pods.items()}
    managed = (samples.with_managed_fields(samples.pod(2), labels) for labels in _MANAGED_LABELS)
    by_bytes = {str(len(body)): body for body in map(samples.encode_review, managed)}
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    gc.disable()  # as in the server during a request
    try:
        return {"containers": _time(by_containers, rounds), "managed_fields": _time(by_bytes, rounds)}
    finally:
        gc.enable()
        os.sched_setaffinity(0, cores)


def _time(bodies: Mapping[str, bytes], rounds: int, repeats: int = 20) -> dict[str, list[float]]:
    """Return the median seconds of each review in each round."""
    medians: dict[str, list[float]] = {name: [] for name in bodies}
    for _ in range(rounds):
        taken: dict[str, list[float]] = {name: [] for name in bodies}
        for _ in range(repeats):
            for name, body in bodies.items():
                answer_review(body)  # The previous, larger review has evicted the caches.
                started = time.perf_counter()
                answer_review(body)
                taken[name].append(time.perf_counter() - started)
        for name, seconds in taken.items():
            medians[name].append(statistics.median(seconds))
    return medians


if __name__ == "__main__":
    main()
