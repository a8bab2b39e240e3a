"""Run the program as a separate process, with TLS over real sockets, as in a pod."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("dind-webhook")
# Long enough for a busy machine; only a failing test waits this long.
PATIENCE_SECONDS = 90


@dataclass
class RunningProgram:
    """A running command of the program, with a health port and a JSON log."""

    process: subprocess.Popen[bytes]
    log_file: Path
    health_port: int = 0

    def get_health(self, path: str) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=5)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def metric(self, name: str) -> float:
        """Return the value of a sample of /metrics. `name` includes the labels."""
        _, page = self.get_health("/metrics")
        return next(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.rpartition(" ")[0] == name)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if line["event"] == event]

    def wait_for_log(self, event: str) -> dict[str, Any]:
        """Wait for the first log line of an event, and return it."""

        def is_there() -> bool:
            assert self.process.poll() is None, self.log_file.read_text()
            return bool(self.log_lines(event))

        eventually(is_there)
        return self.log_lines(event)[0]


@dataclass
class Webhook(RunningProgram):
    """A running `dind-webhook serve`."""

    port: int = 0
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=PATIENCE_SECONDS)

    def handshake(self, context: ssl.SSLContext | None = None, source: str = "", **options: Any) -> ssl.SSLSocket:
        """Return a TLS connection from an address of this machine, for tests that write the bytes of requests."""
        raw = socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS, source_address=(source, 0))
        return (context or self.context).wrap_socket(raw, server_hostname="localhost", **options)

    def served(self) -> bytes:
        """Return the certificate that the server presents to a new client, in DER."""
        with self.handshake() as connection:
            return connection.getpeercert(binary_form=True) or b""

    def post(self, body: bytes, path: str = "/mutate", **headers: str) -> tuple[int, bytes]:
        with contextlib.closing(self.connect()) as connection:
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return response.status, response.read()


def eventually(holds: Callable[[], object]) -> None:
    """Wait until the function returns a true value."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def read_to_end(connection: socket.socket) -> bytes:
    """Return all bytes until the server closes the connection. The test fails if the server does not close it."""
    connection.settimeout(PATIENCE_SECONDS)
    found = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        while part := connection.recv(65536):
            found += part
    return found


Serve = Callable[..., AbstractContextManager[Webhook]]


@contextmanager
def run_program(
    arguments: Sequence[object], environ: Mapping[str, str], log_file: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program, and send SIGTERM at the end of the block."""
    with log_file.open("wb") as log:
        process = subprocess.Popen([PROGRAM, *map(str, arguments)], stderr=log, env={**os.environ, **environ})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
