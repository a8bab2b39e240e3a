"""Load by wrk, on a core of its own unless told otherwise."""

import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import samples

_Server = TypeVar("_Server")

# The slowest peer takes more than wrk's own two seconds for 40 KB on 64 connections; an API server waits this long.
_PATIENCE_SECONDS = 10
# Many, but made in a fraction of the time that they are sent for
_REQUESTS = 300
# As many requests, made before the first is sent: each has a uid and a token volume of its own, as each pod has.
_SCRIPT = """
local requests, number = {}, 0
function init()
  local file = io.open(path, "rb")
  local body = file:read("*a")
  file:close()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for made = 1, count do
    local other = body:gsub(uid, string.format("%08x", made)):gsub(token, string.format("%05x", made))
    requests[made] = wrk.format(nil, nil, nil, other)
  end
end
function request()
  number = number % count + 1
  return requests[number]
end
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]


class Measured(NamedTuple):
    """One measurement: requests a second, latencies in seconds."""

    rps: float
    p50: float
    p99: float


def pinned(core: int, command: list[str], realtime: bool) -> list[str]:
    """Return the command, on a core and, where the machine has other work, before all of that."""
    return [*(["chrt", "-f", "50"] if realtime else []), "taskset", "-c", str(core), *command]


def in_turn(servers: Sequence[_Server], number: int) -> list[_Server]:
    """Return all, in each round with another one first: what comes first finds another machine than what comes last."""
    turn = number % len(servers)
    return [*servers[turn:], *servers[:turn]]


class Load(NamedTuple):
    """How all servers are measured: with files in a folder, for so many seconds each."""

    folder: Path
    seconds: int
    realtime: bool
    core: int = LOAD_CORE
    token: str = ""

    def post(self, url: str, body: Path, connections: int, *, refused: bool = False) -> Measured:
        """Measure a server under as many connections as these.

        Every answer has to be a success, or none where the body is to be `refused`.
        """
        script = self.folder / f"{body.stem}-{self.core}.lua"
        script.write_text(
            f'local path, count, uid, token = "{body}", {_REQUESTS}, "{samples.UID}", "{samples.TOKEN}"\n{_SCRIPT}',
            "utf-8",
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{self.seconds}s", "--latency", "-s", str(script)]
        command += ["--timeout", f"{_PATIENCE_SECONDS}s"]
        command += ["-H", f"Authorization: Bearer {self.token}"] if self.token else []
        command = pinned(self.core, [*command, url], self.realtime)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        output = done.stdout
        if done.returncode:
            raise RuntimeError(f"wrk ended with {done.returncode}: {output}{done.stderr}")
        if self.realtime:
            time.sleep(self.seconds)  # the others' turn
        if not int(_find(r"(\d+) requests in", output)):
            raise RuntimeError(f"no answer within {self.seconds} s: {output}")
        unexpected = int(_find(r"(\d+) requests in", output)) - failures(output) if refused else failures(output)
        if unexpected or unanswered(output):
            raise RuntimeError(f"answers that were not to come: {output}")
        return Measured(
            float(_find(r"Requests/sec:\s+([\d.]+)", output)), _seconds("50%", output), _seconds("99%", output)
        )


def failures(output: str) -> int:
    """Return how many answers were no success."""
    match = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return int(match[1]) if match else 0


def unanswered(output: str) -> int:
    """Return how many connections failed, and how many answers came too late."""
    match = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return sum(map(int, match.groups())) if match else 0


def _seconds(percentile: str, output: str) -> float:
    text = _find(rf"^ +{percentile} +(\S+)", output)
    number = text.rstrip("ums")
    return float(number) * _UNITS[text.removeprefix(number)]


def _find(pattern: str, output: str) -> str:
    match = re.search(pattern, output, re.MULTILINE)
    if match is None:
        raise RuntimeError(f"wrk said nothing of {pattern}: {output}")
    return match[1]
