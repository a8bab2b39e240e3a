"""Access to the API server. The `kubernetes` client blocks, so never on an event loop, and never in `serve`."""

from app.kube.cert_store import KubeCertStore, VersionedData
from app.kube.client import KubeClient
from app.kube.tls_probe import ProbedCertificate

__all__ = ["KubeCertStore", "KubeClient", "ProbedCertificate", "VersionedData"]
