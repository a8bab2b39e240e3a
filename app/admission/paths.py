"""The paths of the webhook. The path tells the server what the labels of the namespace ask for.

| path | labels of the namespace |
|---|---|
| `/mutate` | `dind.io/inject: enabled` |
| `/mutate/MODE` | `dind.io/inject: MODE` |
| `/mutate/node-socket/MODE` | `dind.io/node-socket: replace`; MODE is that of the other label, or `sidecar` |
"""

from typing import NamedTuple

from app.injection import Mode


class NamespaceRequest(NamedTuple):
    """The request of a namespace: the default mode of its pods, and whether only to replace the node's socket."""

    mode: Mode | None
    replaces_socket: bool = False

    @property
    def path(self) -> str:
        """The path that the API server calls for pods of these namespaces."""
        prefix = "/mutate/node-socket" if self.replaces_socket else "/mutate"
        return prefix if self.mode is None else f"{prefix}/{self.mode}"


NAMESPACE_REQUESTS = (
    NamespaceRequest(None),
    *map(NamespaceRequest, Mode),
    *(NamespaceRequest(mode, replaces_socket=True) for mode in Mode),
)
