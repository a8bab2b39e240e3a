"""`dind-webhook serve`: the webhook over TLS and the health port, in one event loop."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from app.errors import SettingsError
from app.settings import ServerSettings, Settings, make_policy
from app.web import Metrics, health_application, webhook_application

# The API server keeps idle connections for 90 s (Go's DefaultTransport); we must not be the one to close first.
_KEEP_ALIVE_SECONDS = 120
_DRAIN_SECONDS = 15
# A request makes hundreds of objects and no cycles.
_GC_THRESHOLD = 20_000


class Endpoints(NamedTuple):
    """The bound sockets of the two servers."""

    webhook: socket.socket
    health: socket.socket


def serve(settings: Settings, context: ssl.SSLContext) -> None:
    """Serve until SIGTERM or SIGINT; SettingsError where an address cannot be had.

    `context` holds the certificate that is served.
    """
    with contextlib.ExitStack() as stack:
        endpoints = Endpoints(
            stack.enter_context(_bind(settings.server, "port")),
            stack.enter_context(_bind(settings.server, "health_port")),
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, context, endpoints))


async def _serve(settings: Settings, context: ssl.SSLContext, endpoints: Endpoints) -> None:
    # What start-up made lives as long as the process; the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    log = structlog.get_logger()
    metrics = Metrics()
    application = webhook_application(make_policy(settings.injection), metrics, settings.server.body_limit)
    webhook = _server(application, context)

    def not_ready() -> str | None:
        return None if webhook.started and not webhook.should_exit else "not serving"

    servers = (webhook, _server(health_application(metrics, not_ready), None))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, servers)
    log.info(
        "listening",
        address=settings.server.host,
        port=endpoints.webhook.getsockname()[1],
        health_port=endpoints.health.getsockname()[1],
    )
    await asyncio.gather(*(server.serve([bound]) for server, bound in zip(servers, endpoints, strict=True)))
    log.info("stopped")


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone: two of them share one loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(application: ASGIApp, context: ssl.SSLContext | None) -> _Server:
    return _Server(
        uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            ssl_context_factory=(lambda _config, _default: context) if context else None,
        )
    )


def _stop(servers: tuple[_Server, ...]) -> None:
    for server in servers:
        # A second signal does not wait for connections any more.
        server.force_exit = server.should_exit
        server.should_exit = True


def _bind(settings: ServerSettings, member: str) -> socket.socket:
    port = getattr(settings, member)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, port), family=family, backlog=2048)
    except OSError as error:
        # A host name that is not found has an error number of its own kind.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise SettingsError([f"server.{member}: cannot listen on {settings.host}:{port}: {why}"]) from None
