"""An endpoint that needs no ASGI: headers and body in, one response out."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

# Names in lower case
Headers: TypeAlias = Mapping[bytes, bytes]


class EndpointResponse:
    """An HTTP response with its whole body."""

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def encode(self, *, keep_alive: bool) -> bytes:
        """Return head and body for one write. uvicorn makes two writes: two TLS records and two system calls."""
        head = [STATUS_LINE[self.status]]
        head += [b"%s: %s\r\n" % header for header in self.headers]
        if not keep_alive:
            head.append(b"connection: close\r\n")
        return b"%s\r\n%s" % (b"".join(head), self.body)


def is_json(content_type: bytes) -> bool:
    """Return whether a Content-Type is JSON, whatever its parameters."""
    return content_type.partition(b";")[0].strip().lower() == b"application/json"


# The headers and the whole body of a POST
Endpoint: TypeAlias = Callable[[Headers, bytes], EndpointResponse]
