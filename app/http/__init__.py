"""HTTP: the protocol with its limits, TLS, and what is served over it: admission, health, metrics."""

from app.http.application import webhook_application
from app.http.endpoint import Endpoint, EndpointResponse, is_json
from app.http.fair_queue import FairQueue
from app.http.health import health_application
from app.http.limits import ByteBudget, ConnectionRegistry
from app.http.metrics import Metrics
from app.http.server import IDLE_SECONDS, Server, bind, health_server
from app.http.server_context import ServerContext
from app.http.serving_cert import ServedCertificate, TlsFiles, TlsRules

__all__ = [
    "IDLE_SECONDS",
    "ByteBudget",
    "ConnectionRegistry",
    "Endpoint",
    "EndpointResponse",
    "FairQueue",
    "Metrics",
    "ServedCertificate",
    "Server",
    "ServerContext",
    "TlsFiles",
    "TlsRules",
    "bind",
    "health_application",
    "health_server",
    "is_json",
    "webhook_application",
]
