"""The cache as the chart runs it, as processes of this machine: Distribution, and the program before it."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import NamedTuple

from helm import CHART, RELEASE, only, render

_REGISTRY = "registry.example"
# The ports and the folder in the chart
PORT, _CACHE_PORT, _METRICS_PORT = 5000, 5002, 5001
_IMAGES = "/var/lib/registry"
_START_SECONDS = 20


class Commands(NamedTuple):
    """Both commands of the pod, with the folder of the test in place of the volume."""

    registry: Sequence[str | Path]
    coalesce: Sequence[str | Path]


def cache_commands(program: Path, upstream: str, folder: Path, ports: Sequence[int], ttl: str = "1h") -> Commands:
    """Write the chart's configuration to a folder, whose `images` is the volume, and return the commands."""
    cache = {"enabled": True, "upstreams": [{"registry": _REGISTRY, "url": upstream}], "ttl": ttl}
    data = only(render({"cache": cache}), "ConfigMap", f"{RELEASE}-cache")["data"]
    (text,) = [text for name, text in data.items() if name.endswith(".yml")]
    port, cache_port, metrics_port = ports
    images = folder / "images"
    for found, own in (
        (_IMAGES, str(images)),
        (f":{_CACHE_PORT}", f":{cache_port}"),
        (f":{_METRICS_PORT}", f":{metrics_port}"),
    ):
        assert found in text
        text = text.replace(found, own)
    config = folder / "config.yml"
    config.write_text(text)
    script = CHART / "files/coalesce_fetches.py"
    return Commands(
        # There is no collector of traces.
        ["env", "OTEL_TRACES_EXPORTER=none", program, "serve", config],
        [sys.executable, script, str(port), str(cache_port), images],
    )


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
    """Return the answer at a port of this machine, and its body. Names of headers have _ instead of -."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
    connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
    response = connection.getresponse()
    read = response.read()
    connection.close()
    return response, read


@contextmanager
def running(command: Sequence[str | Path], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until it answers as a registry, and stop it after the block."""
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab"))
        process = stack.enter_context(subprocess.Popen(command, stdout=output, stderr=output))
        stack.callback(process.terminate)
        end = time.monotonic() + _START_SECONDS
        while not _answers(port):
            assert time.monotonic() < end, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield process


def _answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/v2/")[0].status == 200
    except OSError:
        return False
