"""Generate load with wrk, on a separate core."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import samples

_Item = TypeVar("_Item")

# The slowest peer takes longer than wrk's default of 2 s; an API server waits up to 10 s.
_TIMEOUT_SECONDS = 10
# Different requests, prepared before the first is sent: each has its own uid and token volume, as each pod has.
_REQUESTS = 300
_SCRIPT = """
local requests, number = {}, 0
function init()
  local file = io.open(path, "rb")
  local body = file:read("*a")
  file:close()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for each = 1, count do
    local other = body:gsub(uid, string.format("%08x", each)):gsub(token, string.format("%05x", each))
    requests[each] = wrk.format(nil, nil, nil, other)
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


class Measurement(NamedTuple):
    """The output of wrk: requests, requests per second, latencies in seconds."""

    requests: int
    rps: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Load:
    """wrk for a number of seconds, with scripts in a folder and, if given, a bearer token."""

    folder: Path
    seconds: int
    token: str = ""

    def post(self, url: str, body: Path, connections: int) -> Measurement:
        """Post a body again and again; RuntimeError unless every answer is a success and in time."""
        script = self.folder / f"{body.stem}.lua"
        head = f'local path, count, uid, token = "{body}", {_REQUESTS}, "{samples.UID}", "{samples.TOKEN}"\n'
        script.write_text(head + _SCRIPT, "utf-8")
        command = ["wrk", "-t1", f"-c{connections}", f"-d{self.seconds}s", "--latency", "-s", str(script)]
        command += [f"--timeout={_TIMEOUT_SECONDS}s"]
        command += ["-H", f"Authorization: Bearer {self.token}"] if self.token else []
        done = subprocess.run(pin_to_core(LOAD_CORE, [*command, url]), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"wrk ended with {done.returncode}: {done.stdout}{done.stderr}")
        return parse(done.stdout)


def parse(output: str) -> Measurement:
    """Return the figures in the output of wrk; RuntimeError if it has none, or errors."""
    if errors := re.findall(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", output):
        raise RuntimeError(f"wrk had errors: {errors}")
    requests, rps = int(_find(r"(\d+) requests in", output)), float(_find(r"Requests/sec:\s+([\d.]+)", output))
    return Measurement(requests, rps, _seconds("50%", output), _seconds("99%", output))


def pin_to_core(core: int, command: list[str]) -> list[str]:
    """Return the command that runs on one core only."""
    return ["taskset", "-c", str(core), *command]


def rotate(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return the items in the order of a round. Each round begins with another item: the first finds an idle machine."""
    first = count % len(items)
    return [*items[first:], *items[:first]]


def _seconds(percentile: str, output: str) -> float:
    text = _find(rf"^ +{percentile} +(\S+)", output)
    number = text.rstrip("ums")
    return float(number) * _UNITS[text.removeprefix(number)]


def _find(pattern: str, output: str) -> str:
    match = re.search(pattern, output, re.MULTILINE)
    if match is None:
        raise RuntimeError(f"the output of wrk has no {pattern}: {output}")
    return match[1]
