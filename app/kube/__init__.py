"""The API server, through the `kubernetes` client, which blocks: never on an event loop, never for `serve`."""

from app.kube.objects import KubeObjects, Stored

__all__ = ["KubeObjects", "Stored"]
