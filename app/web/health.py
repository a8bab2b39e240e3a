"""Liveness, readiness and metrics, on a plain HTTP port that only kubelet and Prometheus call."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.web.metrics import Metrics


def health_application(metrics: Metrics, not_ready: Callable[[], str | None]) -> FastAPI:
    """Return the application; `not_ready` says why the server is not ready, None when it is."""
    application = FastAPI(title="dind-webhook health", openapi_url=None)

    @application.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        return "ok\n"

    @application.get("/readyz")
    async def readyz() -> Response:
        reason = not_ready()
        return PlainTextResponse("ok\n" if reason is None else f"{reason}\n", 200 if reason is None else 503)

    @application.get("/metrics")
    async def metrics_page() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return application
