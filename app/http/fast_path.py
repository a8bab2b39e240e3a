"""Requests that are answered as soon as they are here whole: no ASGI scope, no task, and one write for the answer."""

from collections.abc import Mapping
from dataclasses import dataclass

from httptools import HttpRequestParser
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.http import Endpoint, EndpointResponse


@dataclass
class BufferedRequest:
    """A POST to one of the endpoints whose body is on its way."""

    endpoint: Endpoint
    headers: Mapping[bytes, bytes]
    body: bytes = b""

    def answer(self) -> EndpointResponse:
        """Return the answer to what is here."""
        return self.endpoint(self.headers, self.body)


def is_bufferable(parser: HttpRequestParser, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request, by its head, will be here whole without anything being said to the client or held back."""
    if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or parser.should_upgrade():
        return False
    length = headers.get(b"content-length")
    return length is not None and int(length) <= HIGH_WATER_LIMIT and b"expect" not in headers


def encode_response(answer: EndpointResponse, *, keep_alive: bool) -> bytes:
    """Return head and body in one, as they stand on the wire.

    uvicorn writes them one by one: two TLS records and two system calls.
    """
    head = [STATUS_LINE[answer.status]]
    head += [b"%s: %s\r\n" % header for header in answer.headers]
    if not keep_alive:
        head.append(b"connection: close\r\n")
    return b"%s\r\n%s" % (b"".join(head), answer.body)
