"""The API server, through the `kubernetes` client, which blocks: never on an event loop, never for `serve`."""

from app.kube.cert_store import KubeObjects, Stored
from app.kube.cluster import Cluster
from app.kube.tls_probe import Served

__all__ = ["Cluster", "KubeObjects", "Served", "Stored"]
