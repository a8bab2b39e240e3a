"""HTTP and the served certificate: the webhook's application, the health application, metrics, TLS."""

from app.web.application import webhook_application
from app.web.health import health_application
from app.web.metrics import Metrics
from app.web.mutate import Answer, Endpoint
from app.web.tls import ServedCertificate, TlsFiles, TlsRules

__all__ = [
    "Answer",
    "Endpoint",
    "Metrics",
    "ServedCertificate",
    "TlsFiles",
    "TlsRules",
    "health_application",
    "webhook_application",
]
