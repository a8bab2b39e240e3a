"""Requests with the connection, the TLS and the credentials of the `kubernetes` client, and JSON as it is.

The classes that the client generates for each resource are not used: they take most of its size and of its memory
(docs/decisions/0037).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class RawRequest(NamedTuple):
    """A request to the API server; `body` becomes JSON."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: Any = None
    content_type: str = "application/json"


def send(api: Any, request: RawRequest, timeout: tuple[float, float]) -> Any:
    """Return the answer as the client's RESTResponse, whatever its status, before its body is read.

    `api` is an ApiClient; `timeout` is in seconds, to connect and to wait for data. Raise what the client and urllib3
    raise if there is no answer: urllib3's HTTPError, OSError, or ApiException for an error of TLS.
    """
    serialized = api.param_serialize(
        request.method,
        request.path,
        query_params=list(request.query.items()),
        header_params={"Accept": "application/json", "Content-Type": request.content_type},
        body=request.body,
        auth_settings=["BearerToken"],
    )
    return api.call_api(*serialized, _request_timeout=timeout)


class PortForwardApi:
    """The call that the client's `stream.portforward` wraps, without the class that the client generates for it."""

    def __init__(self, api: Any) -> None:
        self.api_client = api

    def connect(self, namespace: str, pod: str, *, ports: str, _preload_content: bool) -> Any:
        """Return the port-forward to a pod."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        # The client's port-forward has no timeout of its own.
        return send(self.api_client, RawRequest("GET", path, {"ports": ports}), (0, 0)).response
