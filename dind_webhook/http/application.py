"""The ASGI application of the webhook's port: the endpoints that the API server calls, and FastAPI for the rest."""

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from dind_webhook.admission import NAMESPACE_REQUESTS
from dind_webhook.http.endpoint import Endpoint
from dind_webhook.http.fair_queue import FairQueue
from dind_webhook.http.metrics import Metrics
from dind_webhook.http.mutate import MutateEndpoint
from dind_webhook.injection import Policy


def webhook_application(
    policy: Policy, metrics: Metrics, body_limit: int, queue: FairQueue, *, logs_user: bool = False
) -> "WebhookApplication":
    """Return the application with one path for each request of a namespace.

    `body_limit` is in bytes. `queue` decides when a request is answered. `logs_user` tells whether the log has the user
    of a request.
    """
    return WebhookApplication(
        {
            request.path: MutateEndpoint(policy, request, metrics, body_limit, queue, logs_user=logs_user)
            for request in NAMESPACE_REQUESTS
        }
    )


class WebhookApplication(FastAPI):
    """FastAPI; requests to `/mutate` bypass its middleware.

    The endpoints have their own error boundary and body limit. FastAPI's middleware would add a twelfth of the
    instructions to each request and do nothing. `endpoints` is for the fast path.
    """

    def __init__(self, routes: Mapping[str, MutateEndpoint]) -> None:
        super().__init__(title="dind-webhook", openapi_url=None, redirect_slashes=False)
        self._routes = routes
        self.endpoints: Mapping[bytes, Endpoint] = {path.encode(): route.answer for path, route in routes.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope.get("path", ""), super().__call__)
        await route(scope, receive, send)
