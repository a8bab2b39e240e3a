"""`dind-webhook certs`: the controller in one thread, two watches in threads, the health port in the event loop."""

import asyncio
import threading
from datetime import UTC, datetime

import structlog
import uvloop

from dind_webhook.certs import CertReconciler, CertsMetrics, Controller, Lifetimes
from dind_webhook.errors import SettingsError
from dind_webhook.http import ByteBudget, Server, bind, health_application, health_server
from dind_webhook.kube import KubeCertStore
from dind_webhook.processes.malloc import return_large_blocks
from dind_webhook.processes.signals import ShutdownSignal
from dind_webhook.settings import CertsSettings

_REQUEST_SECONDS = 10
_HELD_BYTES = 2 * 1024 * 1024


def maintain_certs(settings: CertsSettings) -> None:
    """Maintain the certificates until SIGTERM or SIGINT; raise SettingsError if the settings are not usable."""
    if not settings.namespace:
        raise SettingsError(["certs.namespace is needed: the namespace of this pod"])
    store = KubeCertStore(settings.namespace, settings.secret, settings.webhook_configuration, settings.kubeconfig)
    hosts = (f"{settings.service}.{settings.namespace}.svc", *settings.extra_hosts)
    metrics = CertsMetrics()
    reconciler = CertReconciler(
        store, settings.directory, hosts, Lifetimes(settings.ca_life, settings.leaf_life), metrics
    )
    controller = Controller(reconciler, metrics, settings.resync.total_seconds())
    with bind(settings.host, settings.health_port, "certs.health_port") as listening_socket:
        application = health_application(metrics.registry, lambda: reconciler.problem(datetime.now(UTC)))
        health = health_server(application, listening_socket, _REQUEST_SECONDS, ByteBudget(_HELD_BYTES))
        return_large_blocks()
        structlog.get_logger().info("keeping certificates", hosts=hosts, health_port=listening_socket.getsockname()[1])
        # The process need not wait for these threads at its end: each of their writes is atomic.
        threading.Thread(target=controller.run, daemon=True).start()
        for open_watch in (store.watch_secret, store.watch_bundles):
            threading.Thread(target=controller.watch, args=(open_watch,), daemon=True).start()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_stopped(health))
    structlog.get_logger().info("stopped")


async def _until_stopped(health: Server) -> None:
    shutdown = ShutdownSignal()
    answering = asyncio.create_task(health.serve())
    await shutdown.requested.wait()
    health.should_exit = health.force_exit = True
    await answering
