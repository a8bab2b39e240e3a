"""The API server, through the `kubernetes` client, which blocks: never on an event loop, never for `serve`."""

from app.kube.cluster import Cluster
from app.kube.handshake import Served
from app.kube.objects import KubeObjects, Stored

__all__ = ["Cluster", "KubeObjects", "Served", "Stored"]
