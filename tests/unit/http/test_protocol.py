"""Connection: responses of endpoints and of the application, timeouts, and no leaked connections."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
import trustme
import uvloop
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dind_webhook.http import ByteBudget, ConnectionRegistry, EndpointResponse, Server, ServerContext, bind
from dind_webhook.http.protocol import Connection

SECONDS = 60.0
LENGTH = 32 * 2**20
IN_TIME = PlainTextResponse("in time")
REQUEST = "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}"


@pytest.fixture
def garbage_collection_disabled() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def answer_at_once(*_: object) -> EndpointResponse:
    return EndpointResponse(200, [(b"content-length", b"7")], b"at once")


def answer_with_large_body(*_: object) -> EndpointResponse:
    """Respond with more bytes than the socket buffers between a server and a client that does not read."""
    return EndpointResponse(200, [(b"content-length", b"%d" % LENGTH)], b"7 bytes" + bytes(LENGTH - 7))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110  # no event signals the change
            await asyncio.sleep(0.01)


@asynccontextmanager
async def run_server(  # noqa: PLR0913  # each parameter is the subject of some test
    application: ASGIApp = IN_TIME,
    *,
    request_seconds: float = SECONDS,
    idle_seconds: float = SECONDS,
    connections: int = 100,
    held_bytes: int = 2 * LENGTH,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Run a server with an application and separate endpoints."""
    with bind("127.0.0.1", 0, "server.port") as listening_socket:
        context = ServerContext(
            request_seconds,
            idle_seconds,
            ConnectionRegistry(connections),
            ByteBudget(held_bytes),
            endpoints={b"/endpoint": answer_at_once, b"/length": answer_with_large_body},
        )
        server = Server(application, listening_socket, context, 0, ssl_context)
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        yield server
        server.should_exit = True
        await serving


async def send(server: Server, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*server.listening_socket.getsockname())
    writer.write(request)
    return reader, writer


@asynccontextmanager
async def client(server: Server, request: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect, send a request, and reset the connection at the end of the block."""
    reader, writer = await send(server, request)
    yield reader, writer
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def answers(request: bytes, count: int) -> list[bytes]:
    """Send a request, and return the first bytes of the bodies of `count` responses."""
    found = []
    async with run_server() as server:
        reader, writer = await send(server, request)
        for _ in range(count):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            length = int(head.partition(b"content-length: ")[2].split()[0])
            found.append((await reader.readexactly(length))[:7])
        writer.close()
    return found


async def count_leaked_connections(request: bytes, answer: bytes) -> int:
    """Return the number of connections in memory after clients sent `request`, read `answer`, and closed."""
    async with run_server() as server:
        connections = server.server_state.connections
        for _ in range(3):
            reader, writer = await send(server, request)
            await reader.readuntil(answer) if answer else await until(
                lambda: any(isinstance(one, Connection) and one.is_busy for one in connections)
            )
            writer.close()
            await until(lambda: not connections)
    return sum(isinstance(one, Connection) for one in gc.get_objects())


@pytest.mark.parametrize("path", ["/endpoint", "/endpoint?timeout=5s"])
def test_what_is_posted_to_an_endpoint_is_answered_by_it(path: str) -> None:
    assert asyncio.run(answers(REQUEST.format(path).encode(), 1)) == [b"at once"]


@pytest.mark.parametrize(
    ("instead_of", "this"),
    [
        ("/endpoint", "/endpoints"),
        ("POST", "PUT"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("host: x", "host: x\r\nexpect: 100-continue"),
        ("host: x", "host: x\r\nconnection: upgrade\r\nupgrade: h2c"),
        ("content-length: 2\r\n\r\n{}", "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        ("content-length: 2", "content-length: 65537"),
    ],
)
def test_all_else_goes_to_the_application(instead_of: str, this: str) -> None:
    request = REQUEST.format("/endpoint").replace(instead_of, this)
    assert asyncio.run(answers(request.encode(), 1)) == [b"in time"]


def test_answers_come_in_the_order_of_their_requests() -> None:
    requests = [REQUEST.format(path) for path in ("/endpoint", "/application", "/endpoint", "/endpoint")]
    found = asyncio.run(answers("".join(requests).encode(), len(requests)))
    assert found == [b"at once", b"in time", b"at once", b"at once"]


def test_while_a_client_does_not_take_its_answer_no_other_is_made_for_it() -> None:
    requests = [REQUEST.format(path) for path in ("/length", "/endpoint", "/endpoint")]
    found = asyncio.run(answers("".join(requests).encode(), len(requests)))
    assert found == [b"7 bytes", b"at once", b"at once"]


@pytest.mark.usefixtures("garbage_collection_disabled")
@pytest.mark.parametrize(("path", "answer"), [("/endpoint", b"at once"), ("/application", b"in time")])
def test_a_connection_is_gone_from_memory_without_the_garbage_collector(path: str, answer: bytes) -> None:
    assert asyncio.run(count_leaked_connections(REQUEST.format(path).encode(), answer)) == 0


@pytest.mark.usefixtures("garbage_collection_disabled")
def test_so_is_one_that_the_client_breaks_off() -> None:
    assert asyncio.run(count_leaked_connections(REQUEST.format("/endpoint").encode()[:-1], b"")) == 0


async def count_leaked_tls_connections(first_bytes: bytes) -> int:
    """Return the number of connections in memory after too many TLS clients sent these bytes and closed."""
    ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(ssl_context)
    async with run_server(connections=3, ssl_context=ssl_context) as server:
        async with AsyncExitStack() as clients:
            for _ in range(6):
                await clients.enter_async_context(client(server, first_bytes))
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.1)
    return sum(isinstance(one, Connection) for one in gc.get_objects())


@pytest.mark.usefixtures("garbage_collection_disabled")
@pytest.mark.parametrize("first_bytes", [b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"])
def test_so_is_one_whose_handshake_fails_or_for_which_there_is_no_room(first_bytes: bytes) -> None:
    assert uvloop.run(count_leaked_tls_connections(first_bytes)) == 0


async def read_all(request: bytes, **settings: Any) -> bytes:
    """Return all bytes until the server closes the connection."""
    async with run_server(**settings) as server, client(server, request) as (reader, _), asyncio.timeout(SECONDS):
        return await reader.read()


GET = b"GET / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = GET + b"connection: close\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        GET + b"a: b\r\n" * 100 + b"\r\n",
        GET + b"a: " + b"b" * 32 * 1024 + b"\r\n\r\n",
        GET + b"a: b\r\n" * 20_000,
        b"GET /" + b"a" * 33 * 1024,
        CHUNKED + b"0\r\n" + b"a: b\r\n" * 10_000,
        CHUNKED + b"1;" + b"a" * 100_000,
    ],
    ids=["101 headers", "value", "without end", "url", "trailers", "chunk extension"],
)
def test_a_head_that_is_too_large_is_refused(request_: bytes) -> None:
    found = asyncio.run(read_all(request_, request_seconds=SECONDS))
    assert found.rpartition(b"HTTP/1.1 ")[2].startswith(b"431 Request Header Fields Too Large\r\n")


def test_what_follows_a_body_of_chunks_is_answered_too() -> None:
    body = b"2\r\n\r\n\r\n" * 200 + b"0\r\ntrailer: x\r\n\r\n"
    found = asyncio.run(read_all((CHUNKED + body) * 2 + LAST))
    assert found.count(b"in time") == 3


def test_nonsense_is_refused_and_what_follows_dropped() -> None:
    found = asyncio.run(read_all(b"nonsense\r\n\r\n" + LAST))
    assert found.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"in time" not in found


@pytest.mark.parametrize("start", [b"P", GET, CHUNKED + b"5\r\n{"])
def test_a_request_that_does_not_end_is_timed_out(start: bytes) -> None:
    assert asyncio.run(read_all(start, request_seconds=0.1)).endswith(
        b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )


def test_a_connection_that_is_not_used_is_closed() -> None:
    assert asyncio.run(read_all(b"", idle_seconds=0.1)) == b""


def test_an_answer_that_is_not_taken_keeps_the_connection_busy_and_is_timed_out() -> None:
    async def seconds_until_closed() -> float:
        request = REQUEST.format("/length").encode()
        async with run_server(request_seconds=0.5) as server, client(server, request) as (_, writer):
            writer.transport.pause_reading()
            started = asyncio.get_running_loop().time()
            await until(lambda: bool(server.server_state.connections))
            await until(lambda: not server.server_state.connections)
            return asyncio.get_running_loop().time() - started

    assert 0.5 <= asyncio.run(seconds_until_closed()) < SECONDS / 2


def test_an_answer_before_the_end_of_its_request_leaves_the_connection_usable() -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("early")(scope, receive, send)

    request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n"

    async def run() -> tuple[bytes, bytes]:
        async with run_server(answer) as server, client(server, request) as (reader, writer):
            early = await reader.readuntil(b"early")
            writer.write(b" " * 300_000 + LAST)
            return early, await reader.read()

    early, late = asyncio.run(run())
    assert early.startswith(b"HTTP/1.1 200 ")
    assert late.startswith(b"HTTP/1.1 200 ")
    assert late.endswith(b"early")


def test_who_holds_too_much_is_told_to_come_again() -> None:
    async def read_body(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.request":
            await PlainTextResponse("read")(scope, receive, send)

    request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n" + b" " * 299_999

    async def run() -> bytes:
        async with run_server(read_body, held_bytes=200_000) as server, client(server, request) as (reader, _):
            return await reader.read()

    assert asyncio.run(run()).startswith(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n")


def test_who_holds_too_much_by_taking_nothing_is_cut_off() -> None:
    async def run() -> None:
        request = REQUEST.format("/length").encode()
        async with run_server(held_bytes=LENGTH // 2) as server, client(server, request) as (_, writer):
            writer.transport.pause_reading()
            await until(lambda: bool(server.server_state.connections))
            await until(lambda: not server.server_state.connections)

    asyncio.run(run())


def test_beyond_the_limit_a_newcomer_is_refused() -> None:
    async def run() -> list[bytes]:
        found = []
        async with run_server(connections=2) as server, AsyncExitStack() as stack:
            for _ in range(3):
                reader, _writer = await stack.enter_async_context(client(server, GET + b"\r\n"))
                with suppress(ConnectionResetError):
                    found.append(await reader.read(15))
        return [answer for answer in found if answer]

    assert asyncio.run(run()) == [b"HTTP/1.1 200 OK"] * 2
