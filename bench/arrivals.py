"""Load by peers/arrivals, for what wrk does not do: a pace of its own, and handshakes that resume no TLS session."""

import json
import subprocess
import time
from pathlib import Path

from wrk import LOAD_CORE, Load, Measured, pinned


def arrive(program: Path, url: str, body: Path, rate: float, seconds: float) -> dict[str, float]:
    """Return the seconds that answers took to so many requests a second, at random moments, and how many failed."""
    return _sent(program, {"url": url, "body": body, "rate": rate, "duration": f"{seconds}s"}, realtime=False)


def shake_hands(program: Path, url: str, body: Path, load: Load) -> Measured:
    """Measure a server under requests one after the other, each over a connection of its own."""
    options = {"url": url, "body": body, "duration": f"{load.seconds}s"}
    found = _sent(program, options, realtime=load.realtime)
    if load.realtime:
        time.sleep(load.seconds)  # the others' turn
    if found["failed"]:
        raise RuntimeError(f"{found['failed']:.0f} requests over new connections to {url} failed")
    return Measured(found["rate"], found["p50"], found["p99"])


def _sent(program: Path, options: dict[str, object], *, realtime: bool) -> dict[str, float]:
    command = [str(program), *(f"-{name}={value}" for name, value in options.items())]
    done = subprocess.run(pinned(LOAD_CORE, command, realtime), stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
