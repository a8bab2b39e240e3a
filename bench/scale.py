"""How replicas scale: what a request takes of a core, what two processes do that one does not, and whole clusters' pace."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from arrivals import arrive
from report_scale import NODES, PODS_PER_NODE
from servers import OURS, Place, Server, build_peers, start
from wrk import LOAD_CORE, SERVER_CORE, Load

_CONNECTIONS = 16
_PACE_SECONDS = 20


def scale(load: Load, bodies: Mapping[str, Path], rounds: int) -> dict[str, Any]:
    """Return the CPU seconds of a request by size of the review, and requests a second of one process and of two.

    Each of the two has a core, and the load for it the same core: there are no others for it. So has the one. They take
    turns on it, which they would not before all other work. Then the first one alone is sent what clusters of several
    sizes create.
    """
    cores = sorted({SERVER_CORE, LOAD_CORE})
    with ExitStack() as stack:
        servers = [start(OURS, load.folder, Place(core=core), stack) for core in cores]
        loads = [load._replace(core=core, realtime=False) for core in cores]
        small = next(iter(bodies.values()))
        for server, own in zip(servers, loads, strict=True):
            own.post(server.url, small, _CONNECTIONS)  # to warm up
        # Apart from the load, as long as there is another core
        cpu = {
            label: [_cpu_seconds(servers[0], loads[-1], body) for _ in range(rounds)] for label, body in bodies.items()
        }
        together = [_processes(servers, loads, small) for _ in range(rounds)]
        program = build_peers() / "arrivals"
        paces = {
            str(nodes): arrive(program, servers[0].url, small, nodes * PODS_PER_NODE, _PACE_SECONDS) for nodes in NODES
        }
    return {"cpu_seconds": cpu, "processes": together, "paces": paces}


def _cpu_seconds(server: Server, load: Load, body: Path) -> float:
    """Return the CPU time of one request, all of the process counted: TLS, HTTP, log, metrics, what it does idly."""
    before = server.cpu_seconds()
    rps = load.post(server.url, body, 1).rps
    return (server.cpu_seconds() - before) / (rps * load.seconds)


def _processes(servers: list[Server], loads: list[Load], body: Path) -> dict[str, float]:
    """Return requests a second of the first one alone, and of all at the same time."""

    def ask(server: Server, load: Load) -> float:
        return load.post(server.url, body, _CONNECTIONS).rps

    one = ask(servers[0], loads[0])
    with ThreadPoolExecutor(len(servers)) as pool:
        return {"1": one, str(len(servers)): sum(pool.map(ask, servers, loads))}
