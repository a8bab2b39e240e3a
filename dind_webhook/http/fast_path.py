"""Short requests to an endpoint are answered without ASGI: no scope, no task, one write (docs/decisions/0015).

Optional: if server.py imports `Connection` of protocol.py instead, the application answers all requests, more slowly.
"""

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from dind_webhook.http.endpoint import Headers
from dind_webhook.http.protocol import Connection


class FastPathConnection(Connection):
    """A connection that buffers a short POST to an endpoint, and answers the request once its body is complete."""

    __slots__ = ("_endpoint", "_endpoint_body", "_endpoint_headers")

    def _begin_request(self, headers: Headers) -> None:
        endpoint = self._context.endpoints.get(self.url.partition(b"?")[0])
        self._endpoint = endpoint if endpoint and self._is_bufferable(headers) else None
        if self._endpoint:
            self._endpoint_headers, self._endpoint_body = headers, b""
        else:
            super()._begin_request(headers)

    def _is_bufferable(self, headers: Headers) -> bool:
        """Return whether the request is an HTTP/1.1 POST with a short Content-Length and without Expect or Upgrade."""
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or parser.should_upgrade():
            return False
        length = headers.get(b"content-length")
        return length is not None and int(length) <= HIGH_WATER_LIMIT and b"expect" not in headers

    def _receive_body(self, body: bytes) -> None:
        if self._endpoint:
            self._endpoint_body += body
        else:
            super()._receive_body(body)

    def _finish_request(self) -> None:
        endpoint = self._endpoint
        if endpoint is None:
            super()._finish_request()
            return
        keep_alive = self.parser.should_keep_alive() and not self._context.closing
        response = endpoint(self._endpoint_headers, self._endpoint_body)
        self._endpoint, self._endpoint_body = None, b""
        self._respond(response.encode(keep_alive=keep_alive), keep_alive=keep_alive)

    def _discard_request(self) -> None:
        self._endpoint, self._endpoint_body = None, b""
        super()._discard_request()
