"""The paths of the webhook. The path tells the server what the labels of the namespace ask for.

| path | labels of the namespace |
|---|---|
| `/mutate` | `dind.io/inject: enabled` |
| `/mutate/MODE` | `dind.io/inject: MODE` |
| `/mutate/node-socket` | `dind.io/node-socket: replace`; the other label is `enabled` or absent |
| `/mutate/node-socket/MODE` | `dind.io/node-socket: replace` and `dind.io/inject: MODE` |
"""

from typing import NamedTuple

from dind_webhook.injection import Mode


class NamespaceRequest(NamedTuple):
    """The request of a namespace: the default mode of its pods, and whether to replace the node's socket in them.

    Without a mode, the replacement is asked for only in pods that mount that socket.
    """

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
    NamespaceRequest(None, replaces_socket=True),
    *(NamespaceRequest(mode, replaces_socket=True) for mode in Mode),
)
