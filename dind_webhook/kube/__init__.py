"""Access to the API server. The `kubernetes` client blocks, so never on an event loop, and never in `serve`."""

from dind_webhook.kube.cert_store import KubeCertStore, VersionedData
from dind_webhook.kube.client import KubeClient
from dind_webhook.kube.tls_probe import ProbedCertificate

__all__ = ["KubeCertStore", "KubeClient", "ProbedCertificate", "VersionedData"]
