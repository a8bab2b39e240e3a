"""Load by wrk, on a core of its own."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Literal, NamedTuple

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_CORES = sorted(os.sched_getaffinity(0))


class Measured(NamedTuple):
    """One measurement: requests a second, latencies in seconds."""

    rps: float
    p50: float
    p99: float


def pinned(side: Literal["server", "load"], command: list[str], realtime: bool) -> list[str]:
    """Return the command, on the core of its side and, where the machine has other work, before all of that."""
    core = _CORES[0] if side == "server" else _CORES[-1]
    return [*(["chrt", "-f", "50"] if realtime else []), "taskset", "-c", str(core), *command]


class Load(NamedTuple):
    """How all servers are measured: with files in a folder, for so many seconds each."""

    folder: Path
    seconds: float
    realtime: bool

    def post(self, port: int, body: Path, connections: int, *, keep: bool = True) -> Measured:
        """Measure a server under as many connections as these, each of them made anew for each request unless `keep`."""
        script = self.folder / f"{body.stem}.lua"
        script.write_text(
            f'local file = io.open("{body}", "rb")\nwrk.body = file:read("*a")\nfile:close()\n'
            'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n',
            "utf-8",
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{self.seconds:g}s", "--latency", "-s", str(script)]
        command += [] if keep else ["-H", "Connection: close"]
        command.append(f"https://127.0.0.1:{port}/mutate?timeout=5s")
        command = pinned("load", command, self.realtime)
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if self.realtime:
            time.sleep(self.seconds)  # the others' turn
        if "Non-2xx" in output:
            raise RuntimeError(f"answers other than 200: {output}")
        return Measured(
            float(_find(r"Requests/sec:\s+([\d.]+)", output)), _seconds("50%", output), _seconds("99%", output)
        )


def _seconds(percentile: str, output: str) -> float:
    text = _find(rf"^ +{percentile} +(\S+)", output)
    number = text.rstrip("ums")
    return float(number) * _UNITS[text.removeprefix(number)]


def _find(pattern: str, output: str) -> str:
    match = re.search(pattern, output, re.MULTILINE)
    if match is None:
        raise RuntimeError(f"wrk said nothing of {pattern}: {output}")
    return match[1]
