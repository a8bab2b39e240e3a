"""What is left of a connection once it is over."""

import asyncio
import gc
from collections.abc import Callable, Iterator

import pytest
from starlette.responses import PlainTextResponse

from app.server import Door, Server, bind
from app.server.connection import Connection
from app.web import Answer

SECONDS = 60.0
REQUEST = "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}"


@pytest.fixture
def nothing_is_collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def at_once(*_: object) -> Answer:
    return Answer(200, [(b"content-length", b"2")], b"ok")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)


async def leave_behind(request: bytes, answer: bytes) -> int:
    """Return how many connections are in memory after some have sent this, awaited that answer, and closed."""
    bound = bind("127.0.0.1", 0, "server.port")
    door = Door(SECONDS, SECONDS, 100, endpoints={"/endpoint": at_once})
    server = Server(PlainTextResponse("ok"), bound, door, drain_seconds=0)
    serving = asyncio.create_task(server.serve())
    connections = server.server_state.connections
    for _ in range(3):
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        writer.write(request)
        await reader.readuntil(answer) if answer else await until(
            lambda: any(isinstance(one, Connection) and one.is_busy for one in connections)
        )
        writer.close()
        await until(lambda: not connections)
    server.should_exit = True
    await serving
    return sum(isinstance(one, Connection) for one in gc.get_objects())


@pytest.mark.usefixtures("nothing_is_collected")
@pytest.mark.parametrize("path", ["/endpoint", "/application"])
def test_it_is_gone_from_memory_without_the_garbage_collector(path: str) -> None:
    assert asyncio.run(leave_behind(REQUEST.format(path).encode(), b"\r\n\r\nok")) == 0


@pytest.mark.usefixtures("nothing_is_collected")
def test_so_is_one_that_the_client_breaks_off() -> None:
    assert asyncio.run(leave_behind(REQUEST.format("/endpoint").encode()[:-1], b"")) == 0
