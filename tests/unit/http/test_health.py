"""The health port: probes, metrics, and the log level, which only clients inside the pod may change."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from dind_webhook.http import health_application
from dind_webhook.logs import LEVELS, log_level, set_log_level

LOOPBACK = "127.0.0.1"


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    set_log_level("info")
    yield
    set_log_level("info")


def send_request(
    method: str,
    path: str,
    content: str | AsyncIterator[bytes] = "",
    client: str = LOOPBACK,
    not_ready: str | None = None,
) -> tuple[int, str]:
    async def once() -> httpx.Response:
        application = health_application(CollectorRegistry(), lambda: not_ready)
        transport = httpx.ASGITransport(application, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http_client:
            return await http_client.request(method, path, content=content)

    response = asyncio.run(once())
    return response.status_code, response.text


@pytest.mark.parametrize("client", [LOOPBACK, "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("level", LEVELS)
def test_the_level_can_be_set_from_loopback(level: str, client: str) -> None:
    assert send_request("PUT", "/loglevel", f"{level}\n", client) == (200, f"{level}\n")
    assert send_request("GET", "/loglevel") == (200, f"{level}\n")
    assert log_level() == level


@pytest.mark.parametrize("level", ["", "loud", "DEBUG", "debug info", "de\x00bug", "é", "debug" + " " * 100 + "x"])
def test_what_is_no_level_is_refused_with_the_levels(level: str) -> None:
    expected = (400, "the body must be one of debug, info, warning, error\n")
    assert send_request("PUT", "/loglevel", level) == expected
    assert log_level() == "info"


def test_no_more_than_a_level_is_read() -> None:
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        while len(sent) < 100:
            sent.append(1)
            yield b"debug" * 10

    assert send_request("PUT", "/loglevel", endless())[0] == 400
    assert len(sent) < 5


@pytest.mark.parametrize("client", ["10.0.0.9", "fe80::1", "fe80::1%eth0", "128.0.0.1", "0.0.0.0", "::ffff:10.0.0.9"])
def test_the_level_cannot_be_set_by_others_but_read(client: str) -> None:
    status, text = send_request("PUT", "/loglevel", "debug", client)
    assert (status, "kubectl port-forward" in text) == (403, True)
    assert send_request("GET", "/loglevel", client=client) == (200, "info\n")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_other_methods_do_not_touch_the_level(method: str) -> None:
    assert send_request(method, "/loglevel", "debug")[0] == 405
    assert log_level() == "info"


def test_readiness_gives_the_reason_and_liveness_does_not_ask() -> None:
    assert send_request("GET", "/readyz") == (200, "ok\n")
    assert send_request("GET", "/readyz", not_ready="no certificate") == (503, "no certificate\n")
    assert send_request("GET", "/healthz", not_ready="no certificate") == (200, "ok\n")


@pytest.mark.parametrize("path", ["/healthz/", "/readyz/", "/metrics/", "/loglevel/"])
def test_nobody_is_sent_elsewhere(path: str) -> None:
    assert send_request("GET", path)[0] == 404
