"""The health port, plain HTTP: probes for kubelet, metrics for Prometheus, the log level for operators."""

from collections.abc import Callable
from contextlib import suppress

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect

from dind_webhook.logs import LEVELS, log_level, set_log_level
from dind_webhook.model import is_loopback

# The longest body that is read
_MAX_LEVEL = 16


def health_application(registry: CollectorRegistry, not_ready: Callable[[], str | None]) -> FastAPI:
    """Return the application. `not_ready` returns why the process is not ready, or None if it is ready."""
    application = FastAPI(title="dind-webhook health", openapi_url=None, redirect_slashes=False)

    @application.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        return "ok\n"

    @application.get("/readyz")
    async def readyz() -> Response:
        reason = not_ready()
        return PlainTextResponse("ok\n" if reason is None else f"{reason}\n", 200 if reason is None else 503)

    @application.get("/metrics")
    async def metrics_page() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @application.get("/loglevel", response_class=PlainTextResponse)
    async def get_level() -> str:
        return f"{log_level()}\n"

    @application.put("/loglevel")
    async def put_level(request: Request) -> Response:
        # `kubectl port-forward` connects from loopback; other clients in the cluster do not.
        if request.client is None or not is_loopback(request.client.host):
            return PlainTextResponse("only this pod itself can change the level: use kubectl port-forward\n", 403)
        level = ""
        # A client that has disconnected needs no response.
        with suppress(ClientDisconnect):
            async for chunk in request.stream():
                level += chunk.decode("ascii", "replace")
                if len(level) > _MAX_LEVEL:
                    break
        if level.strip() not in LEVELS:
            return PlainTextResponse(f"the body must be one of {', '.join(LEVELS)}\n", 400)
        set_log_level(level.strip())
        return PlainTextResponse(f"{log_level()}\n")

    return application
