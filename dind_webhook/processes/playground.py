"""`dind-webhook playground`: the page and its application on a loopback address."""

import asyncio
from collections.abc import Callable, Mapping

from dind_webhook.errors import SettingsError
from dind_webhook.http import ByteBudget, ConnectionRegistry, Server, ServerContext, bind
from dind_webhook.model import is_loopback
from dind_webhook.playground.application import playground_application
from dind_webhook.processes.signals import ShutdownSignal

_REQUEST_SECONDS = 60.0
_IDLE_SECONDS = 60.0
_CONNECTIONS = 100
_HELD_BYTES = 16 * 1024 * 1024


def serve_playground(
    host: str, port: int, settings: str, environ: Mapping[str, str], announce: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT; call `announce` with the URL.

    Raises SettingsError if the address cannot be bound.
    """
    if not is_loopback(host):
        raise SettingsError(
            [f"--host: {host} is not a loopback address; the playground is for this machine only: use 127.0.0.1"]
        )
    with bind(host, port, "--port") as listening_socket, asyncio.Runner() as runner:
        context = ServerContext(
            _REQUEST_SECONDS, _IDLE_SECONDS, ConnectionRegistry(_CONNECTIONS), ByteBudget(_HELD_BYTES)
        )
        server = Server(playground_application(settings, environ), listening_socket, context, drain_seconds=0)
        shown = f"[{host}]" if ":" in host else host
        runner.run(_serve(server, lambda: announce(f"http://{shown}:{listening_socket.getsockname()[1]}/")))


async def _serve(server: Server, announce: Callable[[], None]) -> None:
    shutdown = ShutdownSignal()
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        # The kernel accepts connections since the socket is bound; they wait until the server runs.
        announce()
        await shutdown.requested.wait()
        server.should_exit = server.force_exit = True
