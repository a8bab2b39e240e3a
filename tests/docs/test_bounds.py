"""The limits in the security page are equal to those of the code."""

from pathlib import Path

import pytest

from dind_webhook.admission.review import MAX_JSON_VALUES
from dind_webhook.http import server, socket_protocols
from dind_webhook.http.fair_queue import WORK_SECONDS
from dind_webhook.http.limits import MAX_HEAD_BYTES, MAX_HEADERS
from dind_webhook.model.schema import MAX_CONTAINERS
from dind_webhook.processes.serve import SPARE_BYTES
from dind_webhook.settings import ServerSettings

_PAGE = Path(__file__).parents[2] / "docs" / "security.md"
_MIB = 2**20
_DEFAULT = ServerSettings()
_BOUNDS = {
    "head of a request, trailers": f"{MAX_HEAD_BYTES // 1024} KiB, {MAX_HEADERS} headers; trailers are dropped",
    "body": f"`server.body_limit`, {_DEFAULT.body_limit // _MIB} MiB",
    "JSON values in a body": f"{MAX_JSON_VALUES:,}, counted before it is parsed",
    "containers of a pod": f"{MAX_CONTAINERS:,}, and as many init containers",
    "bytes of TLS without content, and of a ClientHello": f"{socket_protocols.MAX_BYTES_WITHOUT_CONTENT // 1024} KiB, "
    f"{socket_protocols.MAX_CLIENT_HELLO_BYTES // 1024} KiB",
    "connections, TLS handshakes included": f"`server.connection_limit`, {_DEFAULT.connection_limit}; "
    f"{server.HEALTH_CONNECTIONS} to a health port",
    "bytes that all connections hold, received but not answered, or sent but not read": (
        f"`server.body_limit` and {SPARE_BYTES // _MIB} MiB"
    ),
    "time of a request, until the client has read the response": (
        f"`server.request_seconds`, {_DEFAULT.request_seconds:.0f}"
    ),
    "CPU time for TLS and requests": f"{WORK_SECONDS * 1000:.0f} ms, then remote addresses take turns",
}


@pytest.mark.parametrize(("what", "bound"), _BOUNDS.items())
def test_a_bound_is_that_of_the_code(what: str, bound: str) -> None:
    assert f"| {what} | {bound} |" in _PAGE.read_text("utf-8")
