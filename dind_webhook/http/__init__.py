"""HTTP: the protocol with its limits, TLS, and what is served over it: admission, health, metrics."""

from dind_webhook.http.application import webhook_application
from dind_webhook.http.endpoint import Endpoint, EndpointResponse, is_json
from dind_webhook.http.fair_queue import FairQueue
from dind_webhook.http.health import health_application
from dind_webhook.http.limits import ByteBudget, ConnectionRegistry
from dind_webhook.http.metrics import Metrics
from dind_webhook.http.server import IDLE_SECONDS, Server, bind, health_server
from dind_webhook.http.server_context import ServerContext
from dind_webhook.http.serving_cert import ServedCertificate, TlsFiles, TlsRules

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
