"""The listener: TLS handshakes wait for their turn in the fair queue."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme
import uvloop

from dind_webhook.http import ByteBudget, ConnectionRegistry, EndpointResponse, FairQueue, Server, ServerContext, bind

SECONDS = 30.0
REQUEST = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"


class PausedQueue:
    """A queue that runs no job: the test takes the jobs and runs them."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[tuple[str, Callable[[], None]]] = asyncio.Queue()

    def run(self, address: str, job: Callable[[], None]) -> None:
        self.accepted.put_nowait((address, job))


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a TLS context for a server, and one for a client that trusts the server."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def answer(*_: object) -> EndpointResponse:
    return EndpointResponse(200, [(b"content-length", b"2")], b"ok")


def listen(queue: Any, use: Callable[[Server, ssl.SSLContext, ConnectionRegistry], Any]) -> None:
    """Run a TLS server with this queue, and call `use` with it, in the same kind of event loop as `serve`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_listen(queue, use))


async def _listen(queue: Any, use: Callable[[Server, ssl.SSLContext, ConnectionRegistry], Any]) -> None:
    ssl_context, trusting = contexts()
    registry = ConnectionRegistry(10)
    with bind("127.0.0.1", 0, "server.port") as listening_socket:
        context = ServerContext(SECONDS, SECONDS, registry, ByteBudget(2**20), queue, endpoints={b"/": answer})
        server = Server(answer, listening_socket, context, 0, ssl_context)  # type: ignore[arg-type]  # no request reaches the application
        serving = asyncio.create_task(server.serve())
        async with asyncio.timeout(SECONDS):
            await use(server, trusting, registry)
            server.should_exit = True
            await serving


def test_a_handshake_waits_for_the_turn_of_its_address() -> None:
    queue = PausedQueue()

    async def use(server: Server, trusting: ssl.SSLContext, registry: ConnectionRegistry) -> None:
        opening = asyncio.create_task(
            asyncio.open_connection(
                *server.listening_socket.getsockname(),
                ssl=trusting,
                server_hostname="localhost",
                local_addr=("127.0.0.2", 0),
            )
        )
        address, job = await queue.accepted.get()
        assert address == "127.0.0.2"
        assert not opening.done()
        job()
        _, writer = await opening
        writer.transport.abort()
        while len(registry):  # noqa: ASYNC110  # no event signals the change
            await asyncio.sleep(0.01)

    listen(queue, use)


def test_a_client_hello_may_come_byte_by_byte() -> None:
    async def use(server: Server, trusting: ssl.SSLContext, _: ConnectionRegistry) -> None:
        reader, writer = await asyncio.open_connection(*server.listening_socket.getsockname())
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusting.wrap_bio(received, sent, server_hostname="localhost")
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            for byte in sent.read():
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            received.write(await reader.read(65536))
        tls.write(REQUEST)
        writer.write(sent.read())
        answered = b""
        while b"200 OK" not in answered:
            received.write(await reader.read(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                answered += tls.read()
        writer.transport.abort()

    listen(FairQueue(), use)


def test_who_announces_a_long_client_hello_is_cut_off_at_once() -> None:
    async def use(server: Server, _: ssl.SSLContext, registry: ConnectionRegistry) -> None:
        reader, writer = await asyncio.open_connection(*server.listening_socket.getsockname())
        # A handshake record with the start of a ClientHello of 16 KiB and a byte
        writer.write(b"\x16\x03\x01\x40\x00\x01\x00\x40\x01")
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 1)
        writer.close()
        while len(registry):  # noqa: ASYNC110  # no event signals the change
            await asyncio.sleep(0.01)

    listen(FairQueue(), use)


def test_who_leaves_before_the_turn_of_its_address_is_forgotten() -> None:
    queue = PausedQueue()

    async def use(server: Server, _: ssl.SSLContext, registry: ConnectionRegistry) -> None:
        _, writer = await asyncio.open_connection(*server.listening_socket.getsockname())
        writer.write(b"\x16\x03\x01".ljust(9, b"\0"))
        _, job = await queue.accepted.get()
        writer.transport.abort()
        await asyncio.sleep(0.05)
        job()
        while len(registry):  # noqa: ASYNC110  # no event signals the change
            await asyncio.sleep(0.01)

    listen(queue, use)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"])
def test_who_does_not_go_on_is_cut_off(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dind_webhook.http.socket_protocols._HANDSHAKE_SECONDS", 0.2)

    async def use(server: Server, _: ssl.SSLContext, registry: ConnectionRegistry) -> None:
        reader, writer = await asyncio.open_connection(*server.listening_socket.getsockname())
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()
        while len(registry):  # noqa: ASYNC110  # no event signals the change
            await asyncio.sleep(0.01)

    listen(FairQueue(), use)
