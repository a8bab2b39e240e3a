"""A webhook that runs as it does in a pod: a process of its own, TLS over real sockets."""

import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("dind-webhook")
PATIENCE_SECONDS = 20


@dataclass
class Webhook:
    """A running `dind-webhook serve`."""

    process: subprocess.Popen[bytes]
    port: int
    health_port: int
    context: ssl.SSLContext
    log_file: Path

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=PATIENCE_SECONDS)

    def post(self, body: bytes, path: str = "/mutate", **headers: str) -> tuple[int, bytes]:
        with contextlib.closing(self.connect()) as connection:
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return response.status, response.read()

    def get_health(self, path: str) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=5)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def logged(self, event: str) -> dict[str, Any]:
        """Wait for a line of the log."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            for line in self.log():
                if line["event"] == event:
                    return line
            assert self.process.poll() is None, self.log_file.read_text()
            time.sleep(0.02)
        raise AssertionError(f"no {event} in {self.log_file.read_text()}")


Serve = Callable[..., AbstractContextManager[Webhook]]
