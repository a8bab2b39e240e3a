"""The objects that all connections of one server share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dind_webhook.http.endpoint import Endpoint
from dind_webhook.http.fair_queue import FairQueue
from dind_webhook.http.limits import ByteBudget, ConnectionRegistry
from dind_webhook.http.metrics import Metrics


@dataclass
class ServerContext:
    """The limits, counters and endpoints that all connections of one server share.

    `request_seconds` is the longest time from the first byte of a request until the client has received the response;
    `idle_seconds` is the longest time between requests. `budget` and `queue` belong to the whole process.
    `client_names` are the accepted common names of client certificates; if empty, all that the CA has signed.
    `endpoints` maps paths, as they are on the wire, to what the fast path answers. Once `closing` is set, each response
    is the last one on its connection.
    """

    request_seconds: float
    idle_seconds: float
    connections: ConnectionRegistry
    budget: ByteBudget
    queue: FairQueue = field(default_factory=FairQueue)
    client_names: frozenset[str] = frozenset()
    metrics: Metrics | None = None
    endpoints: Mapping[bytes, Endpoint] = field(default_factory=dict)
    closing: bool = False

    def update_connection_metric(self) -> None:
        """Update the metric of open connections."""
        if self.metrics:
            self.metrics.set_connections(len(self.connections))

    def count_closed(self, reason: Literal["timeout", "limit", "overload"]) -> None:
        """Count a connection that was closed to protect the server."""
        if self.metrics:
            self.metrics.count_closed_connection(reason)
