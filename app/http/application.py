"""The webhook's application: FastAPI, and around it what the API server calls."""

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.http.fair_queue import FairQueue
from app.http.metrics import Metrics
from app.http.mutate import Endpoint, MutateEndpoint
from app.injection import Mode, Policy


def webhook_application(policy: Policy, metrics: Metrics, body_limit: int, queue: FairQueue) -> "WebhookApplication":
    """Return the application with `/mutate` and one path for each mode a namespace can default to.

    `body_limit` is in bytes; `turns` say when a body that was read is answered.
    """
    modes: dict[str, Mode | None] = {"/mutate": None, **{f"/mutate/{mode}": mode for mode in Mode}}
    return WebhookApplication(
        {path: MutateEndpoint(policy, mode, metrics, body_limit, queue) for path, mode in modes.items()}
    )


class WebhookApplication(FastAPI):
    """FastAPI, but what the API server calls does not pass through its middleware.

    The endpoints have an error boundary and a body limit of their own; the middleware's would be
    paid for on each request (a twelfth of it, in instructions) and never do anything. `endpoints`
    are the same for a server that has the whole body already.
    """

    def __init__(self, routes: Mapping[str, MutateEndpoint]) -> None:
        super().__init__(title="dind-webhook", openapi_url=None, redirect_slashes=False)
        self._routes = routes
        self.endpoints: Mapping[bytes, Endpoint] = {path.encode(): route.answer for path, route in routes.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope.get("path", ""), super().__call__)
        await route(scope, receive, send)
