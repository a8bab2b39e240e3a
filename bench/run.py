"""`make bench`: one run of everything, alternating; docs/performance.md and bench/results.json are written from it."""

import argparse
import json
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonpatch
import report
import samples
from arrivals import shake_hands
from core import answered
from machine import machine, need
from memory import watch
from scale import scale
from servers import FASTAPI, LEAN, NGINX, OURS, RUNTIME, VAULT, Server, build_peers, running
from wrk import SERVER_CORE, Load, in_turn, pinned

_CONNECTIONS = (1, 16, 64)
_SIZES = {"4.5 KB": samples.SMALL, "40 KB": samples.LARGE}
_ADDED: dict[str, Any] = {"status": {}, "creationTimestamp": None, "resources": {}}
_ENOUGH_FOR_MEMORY = 100_000
# Half as long again as a million takes at 3,000 a second
_MEMORY_SECONDS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of one measurement")
    parser.add_argument("--realtime", action="store_true", help="run before all other work (root), pausing in between")
    parser.add_argument("--requests", type=int, default=_ENOUGH_FOR_MEMORY, help="how many the memory is watched over")
    options = parser.parse_args()
    need("wrk", "nginx", "taskset")
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), options)
    report.RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    report.write()
    print("\n".join(f"{'met    ' if limit.met else 'NOT MET'}  {limit.text}" for limit in report.limits(results)))
    print(f"written: {report.RESULTS} and {report.PAGE}")


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return all results, in seconds, requests a second and MB."""
    about = _about(options)
    load = Load(folder, options.seconds, options.realtime)
    bodies = _bodies(folder)
    static = answered(bodies["4.5 KB", "own"].read_bytes())
    with running(folder, samples.additions(), static, options.realtime) as servers:
        for label in _SIZES:
            prove_the_same_work(bodies[label, "own"].read_bytes(), servers)
        prove_vault_injects(bodies["4.5 KB", "vault"].read_bytes(), servers[VAULT])
        for server in servers.values():
            load.post(server.url, bodies["4.5 KB", _kind(server)], 16)  # to warm up
        rounds = [_round(number, load, list(servers.values()), bodies) for number in range(options.rounds)]
        peaks = {server.name: round(server.peak_mb(), 1) for server in servers.values()}
        print("memory", flush=True)
        memory = watch(options.requests, load, bodies["4.5 KB", "own"], _MEMORY_SECONDS)
        print("scale", flush=True)
        return {
            "machine": about,
            "sizes": {label: bodies[label, "own"].stat().st_size for label in _SIZES},
            "cells": {cell: {name: [found[cell][name] for found in rounds] for name in servers} for cell in rounds[0]},
            "peak_mb": peaks,
            "memory": memory,
            "scale": scale(load, {label: bodies[label, "own"] for label in _SIZES}, options.rounds),
            "ready_seconds": round(servers[OURS].ready_seconds, 2),
            "core": _core(options.realtime),
        }


def _bodies(folder: Path) -> dict[tuple[str, str], Path]:
    found = {}
    for label, size in _SIZES.items():
        for kind in ("own", "vault"):
            found[label, kind] = body = folder / f"{kind}-{size}.json"
            body.write_bytes(samples.review(size, vault=kind == "vault"))
    return found


def _kind(server: Server) -> str:
    return "vault" if server.name == VAULT else "own"


def _round(
    number: int, load: Load, servers: Sequence[Server], bodies: Mapping[tuple[str, str], Path]
) -> dict[str, dict[str, Any]]:
    """Return what each server did in each situation, one after the other in each of them; the next round begins with the next."""
    servers = in_turn(servers, number)
    found = {}
    for label in _SIZES:
        for connections in _CONNECTIONS:
            print(f"round {number + 1}: {label}, {connections} connections", flush=True)
            found[f"{label}, {connections}"] = {
                server.name: load.post(server.url, bodies[label, _kind(server)], connections)._asdict()
                for server in servers
            }
    print(f"round {number + 1}: full handshakes", flush=True)
    program = build_peers() / "arrivals"
    found["full handshakes"] = {
        server.name: shake_hands(program, server.url, bodies["4.5 KB", _kind(server)], load)._asdict()
        for server in servers
    }
    return found


def prove_the_same_work(body: bytes, servers: dict[str, Server]) -> None:
    """Apply every peer's patch: the pod has to be the one that we make of it."""
    ours = _patched(body, servers[OURS].ask(body))
    for name in (FASTAPI, RUNTIME, LEAN):
        if without_added(_patched(body, servers[name].ask(body))) != without_added(ours):
            sys.exit(f"{name} does not make the same pod of it as {OURS}")
    if len(servers[NGINX].ask(body)) < 1000:
        sys.exit("nginx does not give the static answer")


def prove_vault_injects(body: bytes, server: Server) -> None:
    """See that its own pods get its own container."""
    names = [container["name"] for container in _patched(body, server.ask(body))["spec"]["containers"]]
    if "vault-agent" not in names:
        sys.exit(f"{server.name} injected nothing: {names}")


def _patched(body: bytes, answer: bytes) -> dict[str, Any]:
    response = json.loads(answer)["response"]
    pod = json.loads(body)["request"]["object"]
    patched: dict[str, Any] = jsonpatch.apply_patch(pod, json.loads(b64decode(response["patch"])))
    return patched


def without_added(value: Any) -> Any:
    """Return JSON without what a round trip through Go's types adds; all else that is empty has a meaning."""
    if isinstance(value, dict):
        kept = {key: member for key, member in value.items() if key not in _ADDED or member != _ADDED[key]}
        return {key: without_added(member) for key, member in kept.items()}
    if isinstance(value, list):
        return [without_added(item) for item in value]
    return value


def _core(realtime: bool) -> dict[str, Any]:
    """Return what the core alone takes, on the core that the servers had."""
    command = pinned(SERVER_CORE, [sys.executable, str(Path(__file__).with_name("core.py"))], realtime)
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def _about(options: argparse.Namespace) -> dict[str, Any]:
    go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return {
        **machine(),
        "go": go.removeprefix("go"),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "realtime": options.realtime,
    }


if __name__ == "__main__":
    main()
