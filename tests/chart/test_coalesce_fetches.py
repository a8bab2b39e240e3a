"""The program before the chart's cache, with a cache that fetches a blob for each request, as Distribution does."""

import importlib.util
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helm import CHART

_DIGEST = f"sha256:{'a' * 64}"
_BLOB = f"/v2/team/app/blobs/{_DIGEST}"
_MANIFEST = f"/v2/team/app/manifests/{_DIGEST}"
_FOLDERS = {_BLOB: "_layers", _MANIFEST: "_manifests/revisions"}
_BODY = bytes(range(256)) * 4096


class FakeCache(BaseHTTPRequestHandler):
    """A cache that has content once it has sent it. Its class has what happens, and what it saw."""

    protocol_version = "HTTP/1.1"
    images: Path
    fetched: Counter[str]
    headers_seen: list[Any]
    # A byte is sent at once, and the rest when this is set.
    goes_on: threading.Event
    breaks = False

    def do_GET(self) -> None:
        cls = type(self)
        path = self.path.partition("?")[0]
        cls.headers_seen.append(self.headers)
        if path not in _FOLDERS:
            self._answer(404, b"no such tag")
            return
        link = cls.images / "docker/registry/v2/repositories/team/app" / _FOLDERS[path] / "sha256" / ("a" * 64) / "link"
        if link.exists() and cls.data().exists():
            self._answer(200, _BODY)
            return
        cls.fetched[path] += 1
        self._answer(200, _BODY[:1], len(_BODY))
        cls.goes_on.wait()
        if cls.breaks:
            self.close_connection = True
            return
        self.wfile.write(_BODY[1:])
        time.sleep(0.1)
        for file in (link, cls.data()):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

    @classmethod
    def data(cls) -> Path:
        """Return the file with the content of the digest, which repositories share."""
        return cls.images / "docker/registry/v2/blobs/sha256/aa" / ("a" * 64) / "data"

    def _answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Any]:
    """Yield the class of a cache's connections; `port` is that of the program before it."""
    spec = importlib.util.spec_from_file_location("coalesce_fetches", CHART / "files/coalesce_fetches.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module._STALL_SECONDS = module._STORE_SECONDS = 5  # noqa: SLF001
    attributes = {"images": tmp_path, "fetched": Counter(), "headers_seen": [], "goes_on": threading.Event()}
    found: Any = type("Cache", (FakeCache,), attributes)
    behind = ThreadingHTTPServer(("127.0.0.1", 0), found)
    handler = type("Handler", (module.Handler,), {"cache": module.Cache(behind.server_port, tmp_path)})
    front = module.Server(("", 0), handler)
    found.port, found.module = front.server_address[1], module
    for server in (behind, front):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield found
    finally:
        found.goes_on.set()
        for server in (behind, front):
            server.shutdown()
            server.server_close()


@pytest.fixture
def request_of(cache: Any) -> Iterator[Any]:
    """Yield a function that sends a request, and returns the answer, whose body may not have come yet."""
    connections = []

    def request(path: str, *headers: tuple[str, str], port: int = 0) -> Any:
        connection = HTTPConnection("127.0.0.1", port or cache.port, timeout=10)
        connections.append(connection)
        connection.putrequest("GET", path)
        for header in headers:
            connection.putheader(*header)
        connection.endheaders()
        return connection.getresponse()

    yield request
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("path", [_BLOB, _MANIFEST])
def test_many_requests_cost_one_fetch(path: str, cache: Any, request_of: Any) -> None:
    threading.Timer(0.5, cache.goes_on.set).start()
    with ThreadPoolExecutor(8) as pool:
        bodies = pool.map(lambda _: request_of(f"{path}?ns=docker.io").read(), range(8))
        assert set(bodies) == {_BODY}
    assert cache.fetched == {path: 1}
    assert request_of(path).read() == _BODY
    assert cache.fetched == {path: 1}


def test_content_that_expired_in_another_repository_costs_one_fetch_again(cache: Any, request_of: Any) -> None:
    cache.goes_on.set()
    assert request_of(_BLOB).read() == _BODY
    cache.data().unlink()
    cache.goes_on.clear()
    threading.Timer(0.5, cache.goes_on.set).start()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: request_of(_BLOB).read(), range(4))) == {_BODY}
    assert cache.fetched == {_BLOB: 2}


def test_the_headers_of_a_blob_come_before_the_cache_has_it(cache: Any, request_of: Any) -> None:
    answers = [request_of(_BLOB) for _ in range(2)]
    assert [answer.headers["Content-Length"] for answer in answers] == [str(len(_BODY))] * 2
    cache.goes_on.set()
    assert [answer.read() for answer in answers] == [_BODY] * 2
    assert cache.fetched == {_BLOB: 1}


def test_a_client_gets_the_manifest_that_it_accepts(cache: Any, request_of: Any) -> None:
    threading.Timer(0.3, cache.goes_on.set).start()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda accept: request_of(_MANIFEST, ("Accept", accept)).read(), ["a", "b"]))
    assert {headers["Accept"] for headers in cache.headers_seen[-2:]} == {"a", "b"}


def test_a_fetch_keeps_no_other_request_waiting(cache: Any, request_of: Any) -> None:
    waiting = request_of(_BLOB)
    answer = request_of("/v2/team/app/manifests/latest", ("Accept", "a"), ("Accept", "b"))
    assert (answer.status, answer.read()) == (404, b"no such tag")
    assert cache.headers_seen[-1].get_all("Accept") == ["a", "b"]
    cache.goes_on.set()
    assert waiting.read() == _BODY


def test_a_daemon_that_goes_away_ends_no_fetch(cache: Any, request_of: Any) -> None:
    first = HTTPConnection("127.0.0.1", cache.port)
    first.request("GET", _BLOB)
    with first.getresponse():
        first.close()
    other = request_of(_BLOB)
    cache.goes_on.set()
    assert other.read() == _BODY
    assert cache.fetched == {_BLOB: 1}


def test_a_part_of_a_blob_waits_for_the_fetch_too(cache: Any, request_of: Any) -> None:
    threading.Timer(0.3, cache.goes_on.set).start()
    assert request_of(_BLOB, ("Range", "bytes=5-")).read() == _BODY
    assert cache.fetched == {_BLOB: 1}
    assert cache.headers_seen[-1]["Range"] == "bytes=5-"


def test_a_fetch_that_breaks_gives_no_daemon_a_wrong_body(cache: Any, request_of: Any) -> None:
    cache.breaks = True
    answer = request_of(_BLOB)
    cache.goes_on.set()
    with pytest.raises(IncompleteRead):
        answer.read()


def test_a_fetch_that_stalls_ends(cache: Any, request_of: Any) -> None:
    cache.module._STALL_SECONDS = 0.5  # noqa: SLF001
    start = time.monotonic()
    answer = request_of(_BLOB)
    with pytest.raises(IncompleteRead):
        answer.read()
    assert time.monotonic() - start < 8


@contextmanager
def front(cache: Any, images: Path, port: int) -> Iterator[int]:
    """Start the program again, before a cache at a port, and yield its own port."""
    handler = type("Handler", (cache.module.Handler,), {"cache": cache.module.Cache(port, images)})
    with cache.module.Server(("", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_connections_above_the_bound_are_closed_and_one_line_says_so(
    cache: Any, request_of: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cache.module._MAX_CONNECTIONS = 2  # noqa: SLF001
    with front(cache, tmp_path, cache.port) as port:
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        for _ in range(2):
            with pytest.raises(ConnectionError):
                request_of("/v2/", port=port)
        held.pop().close()
        end = time.monotonic() + 5
        while True:
            try:
                assert request_of("/v2/", port=port).status == 404
                break
            except ConnectionError:
                assert time.monotonic() < end
        held.pop().close()
    assert capfd.readouterr().err == "there are 2 connections: others are closed\n"


def test_fetches_above_the_bound_are_requests_of_the_cache(cache: Any, request_of: Any) -> None:
    cache.module._MAX_FETCHES = 1  # noqa: SLF001
    blob = request_of(_BLOB)
    threading.Timer(0.5, cache.goes_on.set).start()
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(lambda _: request_of(_MANIFEST).read(), range(3))) == {_BODY}
    assert blob.read() == _BODY
    assert cache.fetched == {_BLOB: 1, _MANIFEST: 3}


def test_without_its_cache_it_says_so(cache: Any, request_of: Any, tmp_path: Path) -> None:
    with front(cache, tmp_path, 1) as port:
        answer = request_of("/v2/", port=port)
        assert answer.status == HTTPStatus.BAD_GATEWAY
        assert b"the cache does not answer" in answer.read()
