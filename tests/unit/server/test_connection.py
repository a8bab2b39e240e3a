"""Who answers a request, and what is left of a connection once it is over."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from starlette.responses import PlainTextResponse

from app.server import Door, Server, bind
from app.server.connection import Connection
from app.web import Answer

SECONDS = 60.0
LENGTH = 32 * 2**20
REQUEST = "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}"


@pytest.fixture
def nothing_is_collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def at_once(*_: object) -> Answer:
    return Answer(200, [(b"content-length", b"7")], b"at once")


def at_length(*_: object) -> Answer:
    """Answer with more than lies between a server and a client that does not read."""
    return Answer(200, [(b"content-length", b"%d" % LENGTH)], b"7 bytes" + bytes(LENGTH - 7))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    """Run a server with an application, and with an endpoint apart from it."""
    with bind("127.0.0.1", 0, "server.port") as bound:
        door = Door(SECONDS, SECONDS, 100, endpoints={b"/endpoint": at_once, b"/length": at_length})
        server = Server(PlainTextResponse("in time"), bound, door, drain_seconds=0)
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        yield server
        server.should_exit = True
        await serving


async def send(server: Server, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    writer.write(request)
    return reader, writer


async def answers(request: bytes, count: int) -> list[bytes]:
    """Return the bodies of so many answers."""
    found = []
    async with running() as server:
        reader, writer = await send(server, request)
        for _ in range(count):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            length = int(head.partition(b"content-length: ")[2].split()[0])
            found.append((await reader.readexactly(length))[:7])
        writer.close()
    return found


async def leave_behind(request: bytes, answer: bytes) -> int:
    """Return how many connections are in memory after some have sent this, awaited that answer, and closed."""
    async with running() as server:
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
    assert found == [b"at once", b"in time", b"in time", b"in time"], "what waits goes the way of what it waits for"


def test_while_a_client_does_not_take_its_answer_no_other_is_made_for_it() -> None:
    requests = [REQUEST.format(path) for path in ("/length", "/endpoint", "/endpoint")]
    found = asyncio.run(answers("".join(requests).encode(), len(requests)))
    assert found == [b"7 bytes", b"in time", b"in time"], "the application waits until it may write"


@pytest.mark.usefixtures("nothing_is_collected")
@pytest.mark.parametrize(("path", "answer"), [("/endpoint", b"at once"), ("/application", b"in time")])
def test_a_connection_is_gone_from_memory_without_the_garbage_collector(path: str, answer: bytes) -> None:
    assert asyncio.run(leave_behind(REQUEST.format(path).encode(), answer)) == 0


@pytest.mark.usefixtures("nothing_is_collected")
def test_so_is_one_that_the_client_breaks_off() -> None:
    assert asyncio.run(leave_behind(REQUEST.format("/endpoint").encode()[:-1], b"")) == 0
