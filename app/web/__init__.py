"""HTTP and the served certificate: the webhook's application, the health application, metrics, TLS."""

from app.web.application import webhook_application
from app.web.health import health_application
from app.web.metrics import Metrics
from app.web.mutate import Answer, Endpoint
from app.web.tls import ServedCertificate, TlsFiles, TlsRules
from app.web.turns import Turns

__all__ = [
    "Answer",
    "Endpoint",
    "Metrics",
    "ServedCertificate",
    "TlsFiles",
    "TlsRules",
    "Turns",
    "health_application",
    "webhook_application",
]
