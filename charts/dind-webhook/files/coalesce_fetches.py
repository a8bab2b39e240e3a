"""Stand before a cache of images, and let it fetch each blob once, however many daemons ask for it at the same time.

Distribution fetches a blob again for each request that comes while it fetches that blob (`inflight` in its
registry/proxy/proxyblobstore.go), and a manifest likewise. Here, these requests wait until the cache has it. Those for
blobs get their headers before, because dockerd waits 30 s for headers, and then asks the registry itself. Those for
manifests do not: the headers depend on what a client accepts.
"""
# ruff: noqa: INP001  # a script

import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import Message
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

# Headers of an HTTP message, some of them more than once
Headers = list[tuple[str, str]]
_CONTENT = re.compile(r"/v2/(.+)/(blobs|manifests)/sha256:([0-9a-f]{64})")
# The folders in which Distribution notes which content a repository has
_FOLDERS = {"blobs": "_layers", "manifests": "_manifests/revisions"}
# Time without a byte after which a fetch has failed
_STALL_SECONDS = 60
# Time for the cache to store what it has sent
_STORE_SECONDS = 10
_BLOCK = 1 << 16
# Time between two lines about connections that are closed
_REPORT_SECONDS = 60
# Each has a thread. With as many that stream, the program needs 95 MB of the 256 that its container has.
_MAX_CONNECTIONS = 512
_MAX_FETCHES = 256
# They are of one connection.
_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Cache:
    """The cache at a port of this pod, whose images are in a folder."""

    def __init__(self, port: int, images: Path) -> None:
        self._port = port
        self._repositories = images / "docker/registry/v2/repositories"
        self._fetches: dict[str, Fetch] = {}
        self._lock = threading.Lock()

    @contextmanager
    def request(self, method: str, path: str, headers: Headers) -> Iterator[HTTPResponse]:
        """Yield the answer of the cache to a request."""
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=_STALL_SECONDS)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for header in headers:
                connection.putheader(*header)
            connection.endheaders()
            yield connection.getresponse()

    def join_fetch(self, path: str, headers: Headers) -> "Fetch | None":
        """Return the fetch of the content with this path, which begins now or is under way, unless the cache has it.

        Return None for paths whose content may change, and above the bound: the cache gets those requests at once.
        """
        content = _CONTENT.fullmatch(path)
        if not content:
            return None
        repository, kind, digest = content.groups()
        note = self._repositories / repository / _FOLDERS[kind] / "sha256" / digest / "link"
        # The content goes as soon as it expires in one repository, the notes of others stay.
        data = self._repositories.parent / "blobs" / "sha256" / digest[:2] / digest / "data"
        if note.exists() and data.exists():
            return None
        with self._lock:
            fetch = self._fetches.get(path)
            if not fetch and len(self._fetches) < _MAX_FETCHES:
                fetch = self._fetches[path] = Fetch(self, path, headers, (note, data))
                threading.Thread(target=self._run, args=[fetch], daemon=True).start()
        return fetch

    def _run(self, fetch: "Fetch") -> None:
        try:
            fetch.run()
        finally:
            with self._lock:
                del self._fetches[fetch.path]
            fetch.answered.set()
            fetch.ended.set()


class Fetch:
    """A request that makes the cache fetch a blob or a manifest. `found` has its headers, or is None without one.

    The cache makes the files `stored` when it has stored the content, a moment after it has sent it.
    """

    def __init__(self, cache: Cache, path: str, headers: Headers, stored: tuple[Path, ...]) -> None:
        self.path = path
        self.found: Message | None = None
        self.answered = threading.Event()
        self.ended = threading.Event()
        self._cache = cache
        self._headers = headers
        self._stored = stored

    def run(self) -> None:
        try:
            with self._cache.request("GET", self.path, self._headers) as response:
                if response.status == HTTPStatus.OK:
                    self.found = response.headers
                    self.answered.set()
                    while response.read(_BLOCK):
                        pass
                    if not response.length:
                        self._wait_until_stored()
        except (OSError, HTTPException) as error:
            sys.stderr.write(f"the cache does not send {self.path}: {error}\n")

    def _wait_until_stored(self) -> None:
        end = time.monotonic() + _STORE_SECONDS
        while not all(file.exists() for file in self._stored) and time.monotonic() < end:
            time.sleep(0.01)


class Handler(BaseHTTPRequestHandler):
    """A connection of a daemon."""

    protocol_version = "HTTP/1.1"
    # Seconds until a silent connection is closed
    timeout = 300
    cache: Cache

    def do_GET(self) -> None:
        """Answer as the cache does, after it has the content."""
        self._has_sent_head = False
        sent = self._wait_for_fetch() if self.command == "GET" else None
        try:
            with self.cache.request(self.command, self.path, self._forwarded_headers()) as response:
                self._answer(response, sent)
        except (OSError, HTTPException) as error:
            self.close_connection = True
            if not self._has_sent_head:
                self.send_error(HTTPStatus.BAD_GATEWAY, f"the cache does not answer: {error}")

    do_HEAD = do_GET  # noqa: N815  # the name in the base class

    def _wait_for_fetch(self) -> str | None:
        """Wait until the cache has what is asked for. Return the length of an answer whose headers are sent already."""
        headers = [header for header in self._forwarded_headers() if header[0].lower() != "range"]
        fetch = self.cache.join_fetch(self.path.partition("?")[0], headers)
        if not fetch:
            return None
        fetch.answered.wait()
        sent = None
        if fetch.found and "/blobs/sha256:" in fetch.path and "Range" not in self.headers:
            sent = self._send_head(HTTPStatus.OK, fetch.found, fetch.found["Content-Length"])
        fetch.ended.wait()
        return sent

    def _answer(self, response: HTTPResponse, sent: str | None) -> None:
        length = response.headers["Content-Length"]
        body = b""
        if length is None and self.command != "HEAD":
            body = response.read()
            length = str(len(body))
        if not sent:
            self._send_head(response.status, response.headers, length)
        elif response.status != HTTPStatus.OK or length != sent:
            # The daemon sees that the body is not complete, and asks again, or the registry itself.
            self.close_connection = True
            return
        if self.command != "HEAD":
            self._send_body(response, body, int(length or 0))

    def _send_body(self, response: HTTPResponse, body: bytes, length: int) -> None:
        if body:
            self.wfile.write(body)
            return
        while length and (block := response.read(_BLOCK)):
            self.wfile.write(block)
            length -= len(block)
        if length:
            self.close_connection = True

    def _send_head(self, status: int, headers: Message, length: str | None) -> str | None:
        """Send the status and the headers of an answer, and return the length."""
        self._has_sent_head = True
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_HEADERS:
                self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        return length

    def _forwarded_headers(self) -> list[tuple[str, str]]:
        headers = [(name, value) for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS]
        return [*headers, ("X-Forwarded-For", self.client_address[0])]

    def log_message(self, *_: object) -> None:
        """Log nothing: the cache logs each request."""


class Server(ThreadingHTTPServer):
    """Handles each connection in a thread. Closes those above the bound: dockerd then asks the registry itself."""

    daemon_threads = True
    request_queue_size = 128
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        self._unused = threading.Semaphore(_MAX_CONNECTIONS)
        self._reported_at = -float(_REPORT_SECONDS)
        super().__init__(address, handler)

    def process_request(self, *connection: Any) -> None:
        if not self._unused.acquire(blocking=False):
            self._report_refusal()
            self.shutdown_request(connection[0])
            return
        try:
            super().process_request(*connection)
        except RuntimeError:
            # No thread could be started.
            self._unused.release()
            raise

    def process_request_thread(self, *connection: Any) -> None:
        try:
            super().process_request_thread(*connection)
        finally:
            self._unused.release()

    def _report_refusal(self) -> None:
        now = time.monotonic()
        if now - self._reported_at >= _REPORT_SECONDS:
            self._reported_at = now
            sys.stderr.write(f"there are {_MAX_CONNECTIONS} connections: others are closed\n")

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not that of HTTPServer, which looks for the name of the pod in the DNS.
        TCPServer.server_bind(self)

    def handle_error(self, *_: object) -> None:
        """Say nothing about daemons that close a connection."""


def main() -> None:
    """Serve `coalesce_fetches.py PORT PORT_OF_CACHE FOLDER_OF_CACHE` until SIGTERM."""
    port, cache_port, images = sys.argv[1:]
    Handler.cache = Cache(int(cache_port), Path(images))
    # The first process of a container has no default action for it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Server(("", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
