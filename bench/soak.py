"""`make soak`: keep one server busy at a steady pace while its certificate is replaced again and again.

Exits with 1 if a request fails, a certificate is not served, or latency, memory or file descriptors grow.
"""

import argparse
import itertools
import os
import ssl
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import report
import results
import samples
from load import LOAD_CORE
from servers import OURS, PATH, Server, prepare, start
from verdict import Verdict
from webhook_api import write_certificate

_CONNECTIONS, _RATE = 8, 20.0
_HANDSHAKE_RATE = 10.0
_ROTATION_SECONDS = 30.0
# The server reads its files once per second. A busy machine needs longer, so both certificates are valid until then.
_RELOAD_SECONDS = 5.0
_POINTS = 40


class Kind(NamedTuple):
    """A request, and the expected answer: its status, and bytes that it contains."""

    name: str
    body: bytes
    status: int = 200
    contains: bytes = b'"allowed":true'


def kinds() -> list[Kind]:
    """Return the requests that the clients send in turn."""
    typo, opted_out = ({"dind.io/inject": value} for value in ("sidcar", "disabled"))
    small = samples.review(samples.SIZES["4.4 KB"])
    return [
        Kind("4.4 KB", small, contains=b'"patch":'),
        Kind("37 KB", samples.review(samples.SIZES["37 KB"]), contains=b'"patch":'),
        Kind("denied", samples.encode_review(samples.pod(2, typo)), contains=b'"allowed":false'),
        Kind("opted out", samples.encode_review(samples.pod(2, opted_out))),
        Kind("malformed", small[:-1], 400, b""),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=900)
    seconds = parser.parse_args().seconds
    about = {**results.machine(), "seconds": seconds}
    results.require("taskset")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        certificate = prepare(Path(folder))
        soak = Soak(start(OURS, Path(folder), stack), [_leaf(certificate)])
        os.sched_setaffinity(0, {LOAD_CORE})
        figures = soak.run(seconds)
    results.save("soak", {"machine": about, **figures})
    report.write()
    limits = report.soak_limits(results.read()["soak"])
    report.print_limits(limits)
    print("\n".join(figures["failures"]))
    sys.exit(any(limit.verdict is Verdict.MISSED for limit in limits))


@dataclass
class Soak:
    """The clients of one server, each a thread, and their observations."""

    server: Server
    # The certificates that a new client may be shown, in DER
    valid: list[bytes]
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    rotations: int = 0
    is_over: bool = False

    def run(self, seconds: int) -> dict[str, Any]:
        """Let all clients work for some seconds, and return the figures."""
        before = self.server.metrics()
        turns = itertools.cycle(kinds())
        clients = [
            *(lambda: self._keep_connection(turns) for _ in range(_CONNECTIONS)),
            lambda: self._repeat(_HANDSHAKE_RATE, lambda: self._connect_once(turns)),
            lambda: self._repeat(1 / min(_ROTATION_SECONDS, seconds / 4), self._rotate),
        ]
        with ThreadPoolExecutor(len(clients)) as pool:
            running = [pool.submit(self._guard, client) for client in clients]
            try:
                points = self._watch(seconds)
            finally:
                self.is_over = True
        for each in running:
            each.result()
        after = self.server.metrics()
        reloads = "dind_webhook_certificate_reloads_total"
        return {
            "answers": dict(self.answers),
            "failures": self.failures[:10],
            "failed": len(self.failures),
            "rotations": self.rotations,
            "served": int(after[reloads] - before[reloads]),
            "points": points,
        }

    def _guard(self, client: Callable[[], None]) -> None:
        """Run a client; an error is a failure, and ends the client."""
        try:
            client()
        except (OSError, HTTPException, RuntimeError, ValueError) as error:
            self.failures.append(repr(error))

    def _repeat(self, rate: float, action: Callable[[], None]) -> None:
        """Repeat an action at a fixed rate per second, however long it takes."""
        due = time.monotonic()
        while not self.is_over:
            due += 1 / rate
            while (rest := due - time.monotonic()) > 0 and not self.is_over:
                time.sleep(min(rest, 1))
            action()

    def _keep_connection(self, turns: "itertools.cycle[Kind]") -> None:
        with closing(self.server.connect()) as connection:
            self._repeat(_RATE, lambda: self._send_review(connection, next(turns)))

    def _connect_once(self, turns: "itertools.cycle[Kind]") -> None:
        with closing(self.server.connect()) as connection:
            connection.connect()
            if connection.sock.getpeercert(binary_form=True) not in self.valid:
                raise RuntimeError("the server presented a certificate that was replaced before")
            self._send_review(connection, next(turns))

    def _send_review(self, connection: HTTPConnection, kind: Kind) -> None:
        started = time.monotonic()
        connection.request("POST", PATH, kind.body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        self.latencies.append(time.monotonic() - started)
        if answer.status != kind.status or kind.contains not in text:
            raise RuntimeError(f"{kind.name} was answered with {answer.status}")
        self.answers[kind.name] += 1

    def _rotate(self) -> None:
        """Replace the certificate. After the time for a reload, accept only the new one."""
        self.valid.append(_leaf(write_certificate(self.server.folder, self.server.host)))
        self.rotations += 1
        time.sleep(_RELOAD_SECONDS)
        del self.valid[:-1]

    def _watch(self, seconds: int) -> dict[str, list[float]]:
        """Return the figures of the server and of the clients at equal intervals."""
        points: dict[str, list[float]] = {"p50": [], "p99": [], "resident_mb": [], "other_descriptors": []}
        interval = max(1.0, seconds / _POINTS)
        for _ in range(int(seconds / interval)):
            time.sleep(interval)
            waited, self.latencies = sorted(self.latencies), []
            metrics = self.server.metrics()
            points["p50"].append(statistics.median(waited))
            points["p99"].append(waited[len(waited) * 99 // 100])
            points["resident_mb"].append(metrics["process_resident_memory_bytes"] / 1e6)
            points["other_descriptors"].append(metrics["process_open_fds"] - metrics["dind_webhook_connections"])
        return points


def _leaf(certificates: bytes) -> bytes:
    """Return the first of the PEM certificates in DER."""
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(certificates.decode().partition(end)[0] + end)


if __name__ == "__main__":
    main()
