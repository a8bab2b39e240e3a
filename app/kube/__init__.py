"""The API server, through the `kubernetes` client, which blocks: never on an event loop, never for `serve`."""

from app.kube.cert_store import KubeCertStore, Stored
from app.kube.client import KubeClient
from app.kube.tls_probe import ProbedCertificate

__all__ = ["KubeCertStore", "KubeClient", "ProbedCertificate", "Stored"]
