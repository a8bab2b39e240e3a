"""Anybody in the cluster's network can connect; none of them keeps the API server from being answered."""

import http.client
import itertools
import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from reviews import HEADERS, LAST_REQUEST, REQUEST, pod, review
from running import PATIENCE_SECONDS, Serve, Webhook, eventually, read_to_end

TIMEOUTS = 'dind_webhook_connections_closed_total{reason="timeout"}'
EVICTIONS = 'dind_webhook_connections_closed_total{reason="limit"}'
OPEN = "dind_webhook_connections"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def strict(serve: Serve) -> Iterator[Webhook]:
    """Run a webhook that has little patience."""
    with serve(REQUEST_SECONDS=0.4) as running:
        yield running


@contextmanager
def nobody_else(webhook: Webhook) -> Iterator[None]:
    """Wait until the connections of the block are gone."""
    eventually(lambda: webhook.metric(OPEN) == 0)
    yield
    eventually(lambda: webhook.metric(OPEN) == 0)


def test_a_request_that_never_ends_is_timed_out_and_counted_once(strict: Webhook) -> None:
    counted = strict.metric(TIMEOUTS)
    starts = [
        b"P",
        HEADERS,
        HEADERS + b"content-length: 100\r\n\r\n{",
        HEADERS + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
        HEADERS + b"expect: 100-continue\r\ncontent-length: 100\r\n\r\n",
    ]
    with nobody_else(strict), ExitStack() as stack:
        slow = [(stack.enter_context(strict.handshake()), start) for start in starts]
        used = stack.enter_context(strict.handshake())
        assert answered(used)
        for connection, start in [*slow, (used, HEADERS)]:
            connection.sendall(start)
        for connection, start in [*slow, (used, HEADERS)]:
            found = read_to_end(connection).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert found.startswith(b"HTTP/1.1 408 Request Timeout\r\n"), start
        # Clients that never close their side are not waited for.
        eventually(lambda: strict.metric(OPEN) == 0)
    assert strict.metric(TIMEOUTS) == counted + 6


@pytest.mark.parametrize("start", [b"", HEADERS + b"content-length: 100000\r\n\r\n"], ids=["headers", "body"])
def test_a_byte_at_a_time_does_not_gain_time(strict: Webhook, start: bytes) -> None:
    counted = strict.metric(TIMEOUTS)
    with nobody_else(strict), strict.handshake() as connection:
        connection.sendall(start)
        for byte in itertools.chain(HEADERS, b"x-pad: ", itertools.repeat(ord("x"), 500)):
            connection.sendall(bytes([byte]))
            if select.select([connection], [], [], 0.02)[0]:
                break
        assert read_to_end(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert strict.metric(TIMEOUTS) == counted + 1


def test_a_request_that_begins_right_behind_another_is_timed_out_too(strict: Webhook) -> None:
    with strict.handshake() as connection:
        connection.sendall(REQUEST + HEADERS)
        found = read_to_end(connection)
    assert found.startswith(OK)
    assert b"HTTP/1.1 408 Request Timeout\r\n" in found


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(strict: Webhook) -> None:
    with strict.handshake() as connection:
        connection.sendall(HEADERS + b"content-length: 7340033\r\n\r\n")
        assert read_answer(connection)[0] == 413


@pytest.mark.parametrize("size", [100_000, 5_000_000], ids=["long", "longer"])
def test_a_connection_is_usable_after_an_answer_that_came_before_the_body(strict: Webhook, size: int) -> None:
    # Short ones are awaited: they are on their way already.
    body = b" " * size
    with strict.handshake() as connection:
        connection.sendall(HEADERS.replace(b"json", b"yaml") + b"content-length: %d\r\n\r\n" % size)
        assert read_answer(connection)[0] == 415
        connection.sendall(body + REQUEST)
        assert read_answer(connection)[0] == 200


def test_an_answer_is_one_write(strict: Webhook) -> None:
    with strict.handshake() as connection:
        connection.sendall(REQUEST)
        # What is received at a time is one TLS record.
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(OK)
    assert body.endswith(b"}")


def test_a_body_may_come_in_pieces(strict: Webhook) -> None:
    with strict.handshake() as connection:
        for byte in REQUEST:
            connection.sendall(bytes([byte]))
        assert read_answer(connection)[0] == 200


def test_pipelined_requests_are_all_answered_in_order(strict: Webhook) -> None:
    with strict.handshake() as connection:
        connection.sendall(REQUEST + REQUEST.replace(b"/mutate", b"/nowhere") + REQUEST * 3 + LAST_REQUEST)
        found = read_to_end(connection)
    statuses = [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 200, 200, 200, 200]


def test_hundreds_that_wait_behind_another_are_all_answered(webhook: Webhook) -> None:
    short = HEADERS + b"content-length: 2\r\n\r\n{}"
    with webhook.handshake() as connection:
        connection.sendall(REQUEST.replace(b"/mutate", b"/nowhere") + short * 600 + LAST_REQUEST)
        found = read_to_end(connection)
    statuses = [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [404, *[400] * 600, 200]


def test_http_1_0_is_answered_once_and_closed(strict: Webhook) -> None:
    with strict.handshake() as connection:
        connection.sendall(REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"))
        found = read_to_end(connection)
    assert found.startswith(OK)
    assert b"\r\nconnection: close\r\n" in found


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST /mutate HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /mutate HTTP/1.1\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"\x16\x03\x01" * 100, 400),
        (b"GET /nowhere HTTP/1.1\r\nconnection: close\r\n\r\n", 404),
        (b"GET /mutate HTTP/1.1\r\nconnection: close\r\n\r\n", 405),
        (b"POST /mutate HTTP/1.1\r\nconnection: close\r\n\r\n", 415),
        (b"GET /docs HTTP/1.1\r\nconnection: close\r\n\r\n", 404),
        (b"GET /%ff%00 HTTP/1.1\r\nconnection: close\r\n\r\n", 404),
        (b"GET * HTTP/1.1\r\nconnection: close\r\n\r\n", 404),
        (b"GET // HTTP/1.1\r\nconnection: close\r\n\r\n", 404),
        (b"CONNECT a:1 HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
    ],
)
def test_nonsense_is_a_client_error_that_names_no_server(strict: Webhook, request_: bytes, status: int) -> None:
    with strict.handshake() as connection:
        connection.sendall(request_)
        found = read_to_end(connection)
    assert found.startswith(b"HTTP/1.1 %d " % status), found
    assert b"\r\nserver:" not in found.lower()
    assert b"Traceback" not in found


@pytest.mark.parametrize(
    "greeting",
    [b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", b"\x00\xff" * 1000, b"\x16\x03\x01\xff\xff\x01"],
    ids=["plain HTTP", "garbage", "a record without end"],
)
def test_what_is_no_tls_is_not_answered_and_disturbs_nobody(strict: Webhook, greeting: bytes) -> None:
    with socket.create_connection(("127.0.0.1", strict.port)) as raw:
        raw.sendall(greeting)
        raw.shutdown(socket.SHUT_WR)
        assert b"HTTP" not in read_to_end(raw)
    assert strict.post(review(pod()))[0] == 200


def test_handshakes_that_never_end_disturb_nobody(strict: Webhook) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", strict.port)))
            raw.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert strict.post(review(pod()))[0] == 200


def test_what_clients_do_is_never_an_error_of_ours(strict: Webhook) -> None:
    for start in (b"", b"\x16\x03", HEADERS, HEADERS + b"content-length: 100\r\n\r\n{", REQUEST * 20):
        with socket.create_connection(("127.0.0.1", strict.port)) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            raw.sendall(start)
        connection = strict.handshake()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.sendall(start)
        connection.close()
    eventually(lambda: strict.metric(OPEN) == 0)
    assert [line for line in strict.log() if line["level"] == "error"] == []


@pytest.fixture(scope="module")
def capped(serve: Serve) -> Iterator[Webhook]:
    """Run a webhook that takes three connections."""
    with serve(CONNECTION_LIMIT=3) as running:
        yield running


def test_beyond_the_cap_the_connection_that_was_idle_longest_makes_room(capped: Webhook) -> None:
    evicted = capped.metric(EVICTIONS)
    with nobody_else(capped), ExitStack() as stack:
        first, second, third = (stack.enter_context(capped.handshake()) for _ in range(3))
        for connection in (second, third, first):
            assert answered(connection)
            time.sleep(0.01)  # the server's clock counts milliseconds
        fourth = stack.enter_context(capped.handshake())
        assert answered(fourth)
        assert read_to_end(second) == b""
        second.close()
        eventually(lambda: capped.metric(OPEN) == 3)
        assert all(answered(connection) for connection in (first, third, fourth))
        assert capped.metric(EVICTIONS) == evicted + 1


def test_a_busy_connection_does_not_make_room(capped: Webhook) -> None:
    with nobody_else(capped), ExitStack() as stack:
        busy = [stack.enter_context(capped.handshake()) for _ in range(3)]
        for connection in busy:
            connection.sendall(REQUEST[:-1])
        eventually(lambda: capped.metric(OPEN) == 3)
        assert read_to_end(stack.enter_context(capped.handshake())) == b""
        for connection in busy:
            connection.sendall(REQUEST[-1:])
            assert read_answer(connection)[0] == 200


def test_the_cap_holds_against_clients_that_never_close_their_side(capped: Webhook) -> None:
    with nobody_else(capped), ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(capped.handshake())
        eventually(lambda: capped.metric(OPEN) <= 3)
        assert capped.post(review(pod()))[0] == 200


def answered(connection: ssl.SSLSocket) -> bool:
    connection.sendall(REQUEST)
    return read_answer(connection)[0] == 200


def read_answer(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    connection.settimeout(PATIENCE_SECONDS)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read()
