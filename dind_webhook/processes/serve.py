"""`dind-webhook serve`: the webhook over TLS and the health port, in one event loop."""

import asyncio
import contextlib
import gc
import socket
import ssl
from typing import NamedTuple

import structlog
import uvloop

from dind_webhook.errors import SettingsError
from dind_webhook.http import (
    IDLE_SECONDS,
    ByteBudget,
    ConnectionRegistry,
    FairQueue,
    Metrics,
    ServedCertificate,
    Server,
    ServerContext,
    TlsFiles,
    TlsRules,
    bind,
    health_application,
    health_server,
    webhook_application,
)
from dind_webhook.processes.malloc import return_free_pages, return_large_blocks
from dind_webhook.processes.signals import ShutdownSignal
from dind_webhook.settings import ServerSettings, Settings, make_policy

# The byte budget beyond one body of the largest size, for ordinary requests beside it
SPARE_BYTES = 3 * 1024 * 1024
_COLLECT_SECONDS = 1.0
_TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ListeningSockets(NamedTuple):
    """The listening sockets of the two servers."""

    webhook: socket.socket
    health: socket.socket


def serve(settings: Settings) -> bool:
    """Serve until SIGTERM or SIGINT; return whether every request was answered before the end.

    Raises SettingsError if no certificate is configured or an address cannot be bound.
    """
    server = settings.server
    files = _tls_files(server)
    with contextlib.ExitStack() as stack:
        sockets = ListeningSockets(
            stack.enter_context(bind(server.host, server.port, "server.port")),
            stack.enter_context(bind(server.host, server.health_port, "server.health_port")),
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings, files, sockets))


def _tls_files(settings: ServerSettings) -> TlsFiles:
    if settings.tls_cert_file and settings.tls_key_file:
        return TlsFiles(settings.tls_cert_file, settings.tls_key_file, settings.client_ca_file)
    raise SettingsError(["server.tls_cert_file and server.tls_key_file are needed (or --dev, to try it out)"])


async def _serve(settings: Settings, files: TlsFiles, sockets: ListeningSockets) -> bool:
    metrics = Metrics()
    config = settings.server
    rules = TlsRules(_TLS_VERSIONS[config.tls_min_version], config.tls_ciphers, config.tls_server_name or "")
    certificate = ServedCertificate(files, rules, metrics)
    webhook = _webhook_server(settings, metrics, certificate, sockets.webhook)

    def not_ready() -> str | None:
        if webhook.context.closing:
            return "stopping"
        return certificate.problem() if webhook.started else "not listening yet"

    health_app = health_application(metrics.registry, not_ready)
    health = health_server(health_app, sockets.health, config.request_seconds, webhook.context.budget)
    return_large_blocks()
    _disable_automatic_garbage_collection()
    shutdown = ShutdownSignal()
    structlog.get_logger().info(
        "listening",
        address=config.host,
        port=sockets.webhook.getsockname()[1],
        health_port=sockets.health.getsockname()[1],
    )
    async with asyncio.TaskGroup() as group:
        polling = group.create_task(_poll_certificate_files(certificate, config.reload_seconds))
        collecting = group.create_task(_collect_garbage())
        serving = group.create_task(webhook.serve())
        answering = group.create_task(health.serve())
        await shutdown.requested.wait()
        await _drain(shutdown, webhook, serving, config.grace_seconds)
        polling.cancel()
        collecting.cancel()
        # Last, so that kubelet sees a process that is alive and not ready.
        health.should_exit = health.force_exit = True
        await answering
    structlog.get_logger().info("stopped", requests_cut_off=webhook.cut_off)
    return not webhook.cut_off


def _webhook_server(
    settings: Settings, metrics: Metrics, certificate: ServedCertificate, listening_socket: socket.socket
) -> Server:
    config = settings.server
    queue = FairQueue()
    application = webhook_application(
        make_policy(settings.injection), metrics, config.body_limit, queue, logs_user=settings.log.user
    )
    context = ServerContext(
        config.request_seconds,
        IDLE_SECONDS,
        ConnectionRegistry(config.connection_limit),
        ByteBudget(config.body_limit + SPARE_BYTES),
        queue,
        frozenset(config.client_names),
        metrics,
        application.endpoints,
    )
    return Server(application, listening_socket, context, config.drain_seconds, certificate.ssl_context)


async def _drain(shutdown: ShutdownSignal, webhook: Server, serving: asyncio.Task[None], grace_seconds: float) -> None:
    """Serve for the grace time, each response the last on its connection; then refuse connections and drain."""
    webhook.context.closing = True
    structlog.get_logger().info("stopping", grace_seconds=grace_seconds)
    await shutdown.pause(grace_seconds)
    webhook.should_exit = True
    forcing = asyncio.ensure_future(shutdown.forced.wait())
    await asyncio.wait({serving, forcing}, return_when=asyncio.FIRST_COMPLETED)
    forcing.cancel()
    webhook.force_exit = True
    await serving


def _disable_automatic_garbage_collection() -> None:
    """Keep the cyclic garbage collector out of requests; `_collect_garbage` runs it between them.

    A request allocates thousands of objects, hundreds of thousands for a large pod, and no reference cycles. These
    allocations would start the collector within every large request, to search live objects and find no garbage.
    """
    gc.collect()
    # Objects from the start live as long as the process.
    gc.freeze()
    gc.disable()


async def _collect_garbage() -> None:
    while True:
        await asyncio.sleep(_COLLECT_SECONDS)
        gc.collect()
        return_free_pages()


async def _poll_certificate_files(certificate: ServedCertificate, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        certificate.refresh()
