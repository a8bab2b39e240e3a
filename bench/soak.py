"""`make soak`: one server for a quarter of an hour under all that clients do, with certificates that change.

Ends with 1 where a request failed, or memory or file descriptors grew.
"""

import argparse
import asyncio
import itertools
import json
import os
import ssl
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import report
import report_soak
import samples
from machine import machine
from servers import OURS, Place, Server, prepare, start
from wrk import LOAD_CORE, pinned

from app.certs import issue_throwaway_cert
from app.certs.atomic_writer import write_pair

_KEPT, _KEPT_RATE = 8, 20.0
_NEW_RATE = 10.0
_SLOW, _SLOW_SECONDS, _PIECES = 4, 3.0, 10
_PROBE_RATE = 50.0
_ROTATION_SECONDS = 30.0
_POINTS = 180
# The server looks at its files once a second; a machine with other work takes its time.
_SERVED_SECONDS = 10.0
_PATIENCE_SECONDS = 30.0


class Kind(NamedTuple):
    """What is sent, and the answer that is due."""

    name: str
    body: bytes
    status: int = 200
    holds: bytes = b'"allowed":true'


def kinds() -> list[Kind]:
    """Return what clients send in turn."""
    typo, opted_out = ({"dind.io/inject": value} for value in ("sidcar", "disabled"))
    return [
        Kind("4.5 KB", samples.review(samples.SMALL), holds=b'"patch":'),
        Kind("40 KB", samples.review(samples.LARGE), holds=b'"patch":'),
        Kind("denied", samples.encode(samples.pod(2, typo)), holds=b'"allowed":false'),
        Kind("untouched", samples.encode(samples.pod(2, opted_out))),
        Kind("malformed", samples.review(samples.SMALL)[:-1], 400, b""),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=900)
    seconds = parser.parse_args().seconds
    about = machine()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Place()
        prepare(Path(folder), {}, place.host)
        server = start(OURS, Path(folder), place, stack)
        results = {"machine": about, "seconds": seconds, **asyncio.run(Soak(server, Path(folder)).run(seconds))}
    report.SOAK_RESULTS.write_text(json.dumps(results) + "\n", "utf-8")
    report.write()
    limits = report_soak.limits(results)
    print("\n".join(f"{'met    ' if limit.met else 'NOT MET'}  {limit.text}" for limit in limits))
    print("\n".join(results["failures"]))
    sys.exit(not all(limit.met for limit in limits))


@dataclass
class Soak:
    """Clients of one server, and what they saw."""

    server: Server
    folder: Path
    answers: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    rotations: int = 0
    # Certificates that may be shown to a new client, in DER
    _shown: list[bytes] = field(default_factory=list)

    async def run(self, seconds: int) -> dict[str, Any]:
        """Let all clients work for so many seconds, and return what was seen of the server meanwhile."""
        before = await self._page()
        self._shown = [_leaf((self.folder / "tls.crt").read_bytes())]
        context = ssl._create_unverified_context()
        turns = itertools.cycle(kinds())
        clients = [
            *(self._client("kept", self._keep(context, turns)) for _ in range(_KEPT)),
            self._client("new", self._renew(context, turns)),
            *(self._client("slow", self._dawdle(context)) for _ in range(_SLOW)),
            self._client("stalled", self._stall(context)),
            self._client("rotation", self._rotate(min(_ROTATION_SECONDS, seconds / 4))),
            self._client("probe", self._probe()),
        ]
        tasks = [asyncio.ensure_future(client) for client in clients]
        points = await self._watch(seconds)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        # Whatever else a client may have ended by; that it was cancelled is no Exception.
        self.failures += [repr(error) for error in ended if isinstance(error, Exception)]
        await asyncio.sleep(_SERVED_SECONDS)
        after = await self._page()
        return {
            "points": points,
            "answers": self.answers,
            "failures": sorted(set(self.failures)),
            "failed": len(self.failures),
            "rotations": self.rotations,
            "loaded": after["dind_webhook_certificate_reloads_total"]
            - before["dind_webhook_certificate_reloads_total"],
            "descriptors": [page["process_open_fds"] for page in (before, after)],
        }

    async def _client(self, name: str, work: Awaitable[None]) -> None:
        """Let a client work; what goes wrong is a failure, and its end."""
        try:
            await work
        except (OSError, EOFError, RuntimeError, TimeoutError) as error:
            self.failures.append(f"{name}: {error!r}")

    async def _keep(self, context: ssl.SSLContext, turns: "itertools.cycle[Kind]") -> None:
        async with self._connected(context) as (reader, writer):
            await _paced(_KEPT_RATE, lambda: self._ask(reader, writer, next(turns)))

    async def _renew(self, context: ssl.SSLContext, turns: "itertools.cycle[Kind]") -> None:
        async def once() -> None:
            async with self._connected(context) as (reader, writer):
                if writer.get_extra_info("ssl_object").getpeercert(binary_form=True) not in self._shown:
                    raise RuntimeError("a certificate that is not served any more")
                await self._ask(reader, writer, next(turns))

        await _paced(_NEW_RATE, once)

    async def _dawdle(self, context: ssl.SSLContext) -> None:
        """Send a request in pieces, with pauses."""
        kind = kinds()[0]
        request = _request(kind.body)
        size = len(request) // _PIECES + 1
        while True:
            async with self._connected(context) as (reader, writer):
                for first in range(0, len(request), size):
                    writer.write(request[first : first + size])
                    await asyncio.sleep(_SLOW_SECONDS / _PIECES)
                await self._await(reader, kind, "slow")

    async def _stall(self, context: ssl.SSLContext) -> None:
        """Begin a request that never ends; the server has to end it."""
        while True:
            async with self._connected(context) as (reader, writer):
                writer.write(_request(kinds()[0].body)[:1000])
                await self._await(reader, Kind("stalled", b"", 408, b""), "stalled")

    async def _rotate(self, seconds: float) -> None:
        """Replace the server's certificate as the certs process does."""
        while True:
            await asyncio.sleep(seconds)
            pair = issue_throwaway_cert(["localhost", self.server.host], datetime.now(UTC), timedelta(days=1))
            self._shown.append(_leaf(pair.cert))
            write_pair(self.folder, pair)
            self.rotations += 1
            await asyncio.sleep(min(_SERVED_SECONDS, seconds / 2))
            del self._shown[:-1]

    async def _probe(self) -> None:
        file = self.folder / "probe.json"
        file.write_bytes(samples.review(samples.SMALL))
        script = Path(__file__).with_name("probe.py")
        command = [sys.executable, str(script), self.server.host, str(self.server.port), str(file), str(_PROBE_RATE)]
        process = await asyncio.create_subprocess_exec(
            *pinned(LOAD_CORE, command, False), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        try:
            async for line in process.stdout:
                self.latencies.append(float(line))
            raise RuntimeError("the probe has ended")
        finally:
            with suppress(ProcessLookupError):
                process.terminate()

    async def _watch(self, seconds: int) -> list[dict[str, float]]:
        """Look at the server at equal intervals."""
        points = []
        began = time.monotonic()
        interval = max(1.0, seconds / _POINTS)
        while (passed := time.monotonic() - began) < seconds:
            await asyncio.sleep(interval - passed % interval)
            page = await self._page()
            waited, self.latencies = sorted(self.latencies), []
            if not waited:
                continue
            points.append(
                {
                    "seconds": round(time.monotonic() - began, 1),
                    "p50": statistics.median(waited),
                    "p99": waited[len(waited) * 99 // 100],
                    "resident_mb": round(page["process_resident_memory_bytes"] / 1e6, 1),
                    "descriptors": page["process_open_fds"],
                    "connections": page["dind_webhook_connections"],
                }
            )
            if len(points) % 30 == 0:
                print(
                    f"{passed:.0f} s: {sum(self.answers.values())} answers, {len(self.failures)} failures", flush=True
                )
        return points

    async def _page(self) -> dict[str, float]:
        """Return the server's metrics that have no labels."""
        url = f"http://{self.server.host}:{self.server.health_port}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=_PATIENCE_SECONDS).read().decode())
        lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
        return {line[0]: float(line[1]) for line in lines if len(line) == 2}

    @asynccontextmanager
    async def _connected(
        self, context: ssl.SSLContext
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        # Not wait_for, which in Python 3.11 may swallow that its task is cancelled.
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(
                self.server.host, self.server.port, ssl=context, server_hostname="localhost"
            )
        try:
            yield reader, writer
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: Kind) -> None:
        writer.write(_request(kind.body))
        await self._await(reader, kind, kind.name)

    async def _await(self, reader: asyncio.StreamReader, kind: Kind, name: str) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            status, body = await _answer(reader)
        if status != kind.status or kind.holds not in body:
            raise RuntimeError(f"{name} was answered with {status}")
        self.answers[name] = self.answers.get(name, 0) + 1


async def _paced(rate: float, once: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again, at a fixed pace however long it takes."""
    turn = time.monotonic()
    while True:
        turn += 1 / rate
        await asyncio.sleep(max(0, turn - time.monotonic()))
        await once()


def _request(body: bytes) -> bytes:
    head = f"POST /mutate?timeout=5s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head.split()[1]), await reader.readexactly(int(length.split(b":")[1]))


def _leaf(certificates: bytes) -> bytes:
    """Return the first of some certificates in PEM, in DER."""
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(certificates.decode().partition(end)[0] + end)


if __name__ == "__main__":
    main()
