"""Pull images of two registries through mirrors, and print what the daemon and the registries saw, as JSON.

`pull_through_mirrors.py CERTIFICATE KEY FOLDER KIND COMMAND...`; run it in new network, mount and PID namespaces. KIND
says how the mirror at 192.0.2.2:5000 behaves, or is a script that starts it. COMMAND starts the daemon, and each
registry has the same image.
"""

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from newest_dockerd import running_daemon
from pull_from_fake_registry import FakeRegistry, make_image

UPSTREAM = "192.0.2.1"
MIRROR = "192.0.2.2"
_HOSTS = f"127.0.0.1 localhost\n{UPSTREAM} registry-1.docker.io auth.docker.io index.docker.io ghcr.io\n"
_IMAGES = ("docker.io/library/alpine", "ghcr.io/team/app")
_START_SECONDS = 20
# Time for the start script to check both mirrors
_CHECK_SECONDS = {"silent": 5, "good": 0}


class _CountingRegistry(FakeRegistry):
    """A registry that counts requests for blobs and other requests."""

    requests: ClassVar[Counter[str]]

    def do_GET(self) -> None:  # noqa: N802  # the name in the base class
        if self.path.rstrip("/") != "/v2":
            self.requests["blobs" if "/blobs/" in self.path else "others"] += 1
        super().do_GET()

    do_HEAD = do_GET  # noqa: N815  # the name in the base class


class _Upstream(_CountingRegistry):
    requests: ClassVar[Counter[str]] = Counter()
    # Too much for the volumes of scripts
    image = make_image(os.urandom(1 << 21))


class _Mirror(_CountingRegistry):
    requests: ClassVar[Counter[str]] = Counter()


def _answers(status: int, body: bytes) -> type[FakeRegistry]:
    """Return a mirror that answers every request in one way."""

    class _Answer(FakeRegistry):
        def do_GET(self) -> None:  # noqa: N802  # the name in the base class
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815  # the name in the base class

    return _Answer


class _Silent(FakeRegistry):
    """A mirror that accepts connections, and never answers."""

    def handle(self) -> None:
        time.sleep(600)


_MIRRORS = {
    "good": _Mirror,
    "bad certificate": _Mirror,
    "404": _answers(404, b""),
    "429": _answers(429, b""),
    "500": _answers(500, b""),
    "page": _answers(200, b"<html>Log in</html>"),
    "silent": _Silent,
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing about clients that close a connection."""


def _serve(address: str, port: int, registry: type[FakeRegistry], tls: tuple[str, str] | None) -> None:
    server = _Server((address, port), registry)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _start(script: str) -> None:
    """Start the mirror of a script, and wait until it answers."""
    subprocess.Popen(["sh", "-eu", script], stdout=sys.stderr)
    end = time.monotonic() + _START_SECONDS
    while not _answers():
        if time.monotonic() > end:
            sys.exit("the mirror does not answer")
        time.sleep(0.1)


def _answers() -> bool:
    connection = HTTPConnection(MIRROR, 5000, timeout=1)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def main() -> None:
    """Pull each image once."""
    certificate, key, folder, kind, *command = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (UPSTREAM, MIRROR):
        subprocess.run(["ip", "address", "add", f"{address}/24", "dev", "lo"], check=True)
    hosts = Path(folder, "hosts")
    hosts.write_text(_HOSTS)
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    _serve(UPSTREAM, 443, _Upstream, (certificate, key))
    if kind in _MIRRORS:
        # The certificate has other names than this address.
        _serve(MIRROR, 5000, _MIRRORS[kind], (certificate, key) if kind == "bad certificate" else None)
    elif kind != "down":
        _start(kind)
    outputs = []
    with running_daemon(command, Path(folder)) as connection:
        time.sleep(_CHECK_SECONDS.get(kind, 2))
        start = time.monotonic()
        for image in _IMAGES:
            connection.request("POST", f"/images/create?fromImage={image}&tag=latest")
            outputs.append(connection.getresponse().read().decode())
        seconds = time.monotonic() - start
    counts = {"upstream": _Upstream.requests, "mirror": _Mirror.requests}
    sys.stdout.write(json.dumps({"outputs": outputs, "seconds": seconds, **counts}))


if __name__ == "__main__":
    main()
