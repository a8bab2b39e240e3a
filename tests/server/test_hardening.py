"""Limits against hostile clients in the cluster's network: the webhook must still respond to the API server."""

import http.client
import itertools
import re
import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from reviews import BODY, HEADERS, LAST_REQUEST, REQUEST, pod, review
from webhook_process import PATIENCE_SECONDS, Serve, Webhook, eventually, read_to_end

TIMEOUTS = 'dind_webhook_connections_closed_total{reason="timeout"}'
EVICTIONS = 'dind_webhook_connections_closed_total{reason="limit"}'
OVERLOADS = 'dind_webhook_connections_closed_total{reason="overload"}'
OPEN = "dind_webhook_connections"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def short_timeouts(serve: Serve) -> Iterator[Webhook]:
    """Run a webhook with a short timeout for requests."""
    with serve(REQUEST_SECONDS=0.4) as running:
        yield running


@contextmanager
def all_connections_closed(webhook: Webhook) -> Iterator[None]:
    """Wait until the webhook has no connection, before and after the block."""
    eventually(lambda: webhook.metric(OPEN) == 0)
    yield
    eventually(lambda: webhook.metric(OPEN) == 0)


def test_a_request_that_never_ends_is_timed_out_and_counted_once(short_timeouts: Webhook) -> None:
    counted = short_timeouts.metric(TIMEOUTS)
    starts = [
        b"P",
        HEADERS,
        HEADERS + b"content-length: 100\r\n\r\n{",
        HEADERS + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
        HEADERS + b"expect: 100-continue\r\ncontent-length: 100\r\n\r\n",
    ]
    with all_connections_closed(short_timeouts), ExitStack() as stack:
        slow = [(stack.enter_context(short_timeouts.handshake()), start) for start in starts]
        used = stack.enter_context(short_timeouts.handshake())
        assert answered(used)
        for connection, start in [*slow, (used, HEADERS)]:
            connection.sendall(start)
        for connection, start in [*slow, (used, HEADERS)]:
            found = read_to_end(connection).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert found.startswith(b"HTTP/1.1 408 Request Timeout\r\n"), start
        # The server does not wait for clients that never close their side.
        eventually(lambda: short_timeouts.metric(OPEN) == 0)
    assert short_timeouts.metric(TIMEOUTS) == counted + 6


@pytest.mark.parametrize("start", [b"", HEADERS + b"content-length: 100000\r\n\r\n"], ids=["headers", "body"])
def test_a_byte_at_a_time_does_not_gain_time(short_timeouts: Webhook, start: bytes) -> None:
    counted = short_timeouts.metric(TIMEOUTS)
    with all_connections_closed(short_timeouts), short_timeouts.handshake() as connection:
        connection.sendall(start)
        for byte in itertools.chain(HEADERS, b"x-pad: ", itertools.repeat(ord("x"), 500)):
            connection.sendall(bytes([byte]))
            if select.select([connection], [], [], 0.02)[0]:
                break
        assert read_to_end(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert short_timeouts.metric(TIMEOUTS) == counted + 1


def test_a_request_that_begins_right_behind_another_is_timed_out_too(short_timeouts: Webhook) -> None:
    with short_timeouts.handshake() as connection:
        connection.sendall(REQUEST + HEADERS)
        found = read_to_end(connection)
    assert found.startswith(OK)
    assert b"HTTP/1.1 408 Request Timeout\r\n" in found


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(short_timeouts: Webhook) -> None:
    with short_timeouts.handshake() as connection:
        connection.sendall(HEADERS + b"content-length: 7340033\r\n\r\n")
        assert read_answer(connection)[0] == 413


@pytest.mark.parametrize("size", [100_000, 5_000_000], ids=["long", "longer"])
def test_a_connection_is_usable_after_an_answer_that_came_before_the_body(short_timeouts: Webhook, size: int) -> None:
    # The server reads a short body to its end: most of it is in transit already.
    body = b" " * size
    with short_timeouts.handshake() as connection:
        connection.sendall(HEADERS.replace(b"json", b"yaml") + b"content-length: %d\r\n\r\n" % size)
        assert read_answer(connection)[0] == 415
        connection.sendall(body + REQUEST)
        assert read_answer(connection)[0] == 200


def test_the_head_of_an_answer_and_its_body_are_written_together(short_timeouts: Webhook) -> None:
    with short_timeouts.handshake() as connection:
        connection.sendall(REQUEST)
        # One read returns one TLS record, and the server writes pieces of at most 8 KiB.
        record = connection.recv(65536)
        head, _, body = record.partition(b"\r\n\r\n")
    assert head.startswith(OK)
    length = int(re.findall(rb"content-length: ([0-9]+)", head)[0])
    assert len(record) == min(len(head) + 4 + length, 2**13)
    assert body


def test_a_body_may_come_in_pieces(short_timeouts: Webhook) -> None:
    with short_timeouts.handshake() as connection:
        for byte in REQUEST:
            connection.sendall(bytes([byte]))
        assert read_answer(connection)[0] == 200


def test_pipelined_requests_are_all_answered_in_order(short_timeouts: Webhook) -> None:
    with short_timeouts.handshake() as connection:
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


def test_http_1_0_is_answered_once_and_closed(short_timeouts: Webhook) -> None:
    with short_timeouts.handshake() as connection:
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
def test_nonsense_is_a_client_error_that_names_no_server(short_timeouts: Webhook, request_: bytes, status: int) -> None:
    with short_timeouts.handshake() as connection:
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
def test_what_is_no_tls_is_not_answered_and_disturbs_nobody(short_timeouts: Webhook, greeting: bytes) -> None:
    with socket.create_connection(("127.0.0.1", short_timeouts.port)) as raw:
        raw.sendall(greeting)
        raw.shutdown(socket.SHUT_WR)
        assert b"HTTP" not in read_to_end(raw)
    assert short_timeouts.post(review(pod()))[0] == 200


def test_handshakes_that_never_end_disturb_nobody(short_timeouts: Webhook) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", short_timeouts.port)))
            raw.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert short_timeouts.post(review(pod()))[0] == 200


def test_what_clients_do_is_never_an_error_of_ours(short_timeouts: Webhook) -> None:
    for start in (b"", b"\x16\x03", HEADERS, HEADERS + b"content-length: 100\r\n\r\n{", REQUEST * 20):
        with socket.create_connection(("127.0.0.1", short_timeouts.port)) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            raw.sendall(start)
        connection = short_timeouts.handshake()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.sendall(start)
        connection.close()
    eventually(lambda: short_timeouts.metric(OPEN) == 0)
    assert [line for line in short_timeouts.log() if line["level"] == "error"] == []


@pytest.fixture(scope="module")
def connection_limited(serve: Serve) -> Iterator[Webhook]:
    """Run a webhook with a limit of five connections."""
    with serve(CONNECTION_LIMIT=5) as running:
        yield running


def test_at_the_limit_the_newcomer_of_the_address_with_most_connections_is_refused(connection_limited: Webhook) -> None:
    refused = connection_limited.metric(EVICTIONS)
    with all_connections_closed(connection_limited), ExitStack() as stack:
        kept = [stack.enter_context(connection_limited.handshake()) for _ in range(5)]
        assert all(answered(connection) for connection in kept)
        assert is_refused(connection_limited)
        assert all(answered(connection) for connection in kept)
        assert connection_limited.metric(EVICTIONS) == refused + 1


def test_strangers_neither_lock_the_api_server_out_nor_push_it_out(connection_limited: Webhook) -> None:
    with all_connections_closed(connection_limited), ExitStack() as stack:
        kept = stack.enter_context(connection_limited.handshake())
        assert answered(kept)
        strangers = [stack.enter_context(connection_limited.handshake(source="127.0.0.2")) for _ in range(4)]
        for connection in strangers:
            connection.sendall(REQUEST[:1])
        # The new connection replaces one of a stranger.
        another = stack.enter_context(connection_limited.handshake())
        assert answered(another)
        assert is_refused(connection_limited, "127.0.0.2")
        assert answered(kept)
        assert answered(another)


def test_of_one_address_those_that_are_stalled_make_room(connection_limited: Webhook) -> None:
    with all_connections_closed(connection_limited), ExitStack() as stack:
        stalled = stack.enter_context(connection_limited.handshake())
        stalled.sendall(REQUEST[:-1])
        kept = [stack.enter_context(connection_limited.handshake()) for _ in range(4)]
        assert all(answered(connection) for connection in kept)
        time.sleep(1.1)
        kept.append(stack.enter_context(connection_limited.handshake()))
        assert all(answered(connection) for connection in kept)
        assert read_to_end(stalled) == b""


def test_the_limit_counts_those_that_do_not_begin_a_handshake(connection_limited: Webhook) -> None:
    with all_connections_closed(connection_limited), ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(
                socket.create_connection(("127.0.0.1", connection_limited.port), source_address=("127.0.0.2", 0))
            )
        eventually(lambda: connection_limited.metric(OPEN) == 5)
        assert answered(stack.enter_context(connection_limited.handshake()))


def test_the_limit_holds_against_clients_that_never_close_their_side(connection_limited: Webhook) -> None:
    with all_connections_closed(connection_limited), ExitStack() as stack:
        for _ in range(12):
            with suppress(OSError):
                stack.enter_context(connection_limited.handshake(source="127.0.0.2"))
        eventually(lambda: connection_limited.metric(OPEN) <= 5)
        assert answered(stack.enter_context(connection_limited.handshake()))


@pytest.mark.parametrize("filler", [b"a: b\r\n" * 99, b"a: " + b"b" * 32_000 + b"\r\n"], ids=["headers", "bytes"])
def test_a_head_may_be_so_large(short_timeouts: Webhook, filler: bytes) -> None:
    with short_timeouts.handshake() as connection:
        connection.sendall(b"GET /nowhere HTTP/1.1\r\nconnection: close\r\n" + filler + b"\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\na: " + b"b" * 33_000 + b"\r\n\r\n",
        b"GET /" + b"b" * 33_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a" * 33_000 + b": b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
        REQUEST + b"GET / HTTP/1.1\r\na: " + b"b" * 1_000_000,
        HEADERS + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 20_000,
        HEADERS + b"transfer-encoding: chunked\r\n\r\n1;" + b"a" * 1_000_000,
    ],
    ids=["101 headers", "value", "url", "name", "without end", "behind another", "trailers", "chunk extension"],
)
def test_a_larger_head_is_refused(short_timeouts: Webhook, request_: bytes) -> None:
    with short_timeouts.handshake() as connection:
        with suppress(OSError):
            connection.sendall(request_)
        found = read_to_end(connection)
    assert found[found.rindex(b"HTTP/1.1 ") :].startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


def test_trailers_are_read_and_dropped(short_timeouts: Webhook) -> None:
    chunked = HEADERS + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    with short_timeouts.handshake() as connection:
        connection.sendall(chunked + b"a: b\r\n" * 200 + b"\r\n" + LAST_REQUEST)
        assert read_to_end(connection).count(OK) == 2


def test_an_answer_that_is_not_taken_ends_with_the_time_of_its_request(short_timeouts: Webhook) -> None:
    counted = short_timeouts.metric(TIMEOUTS)
    containers = [{"name": f"c{number}", "image": "a"} for number in range(900)]
    large = review(pod(containers=containers))
    with all_connections_closed(short_timeouts), ExitStack() as stack:
        for _ in range(4):
            connection = stack.enter_context(short_timeouts.handshake())
            connection.sendall((HEADERS + b"content-length: %d\r\n\r\n%s" % (len(large), large)) * 3)
        # The clients do not read the responses.
        eventually(lambda: short_timeouts.metric(OPEN) == 0)
    assert short_timeouts.metric(TIMEOUTS) == counted + 4


@pytest.fixture(scope="module")
def memory_limited(serve: Serve) -> Iterator[Webhook]:
    """Run a webhook whose connections may buffer little more than 5 MiB in total."""
    with serve(BODY_LIMIT=2**20) as running:
        yield running


def test_who_holds_most_gives_way_when_too_much_is_held(memory_limited: Webhook) -> None:
    overloads = memory_limited.metric(OVERLOADS)
    unfinished = HEADERS + b"content-length: 1000000\r\n\r\n" + b" " * 999_999
    with ExitStack() as stack:
        honest = stack.enter_context(memory_limited.handshake())
        honest.sendall(unfinished)
        strangers = [stack.enter_context(memory_limited.handshake(source="127.0.0.2")) for _ in range(9)]
        for connection in strangers:
            with suppress(OSError):
                connection.sendall(unfinished)
        eventually(lambda: memory_limited.metric(OVERLOADS) > overloads)
        honest.sendall(b" ")
        assert read_answer(honest)[0] == 400
        refused = [read_to_end(connection) for connection in strangers[:1]]
    assert refused[0].startswith(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n")


def is_refused(webhook: Webhook, source: str = "") -> bool:
    """Return whether the server closes a new connection from an address without a response."""
    try:
        with webhook.handshake(source=source) as connection:
            return not answered(connection)
    except (OSError, http.client.HTTPException):
        return True


def answered(connection: ssl.SSLSocket) -> bool:
    connection.sendall(REQUEST)
    return read_answer(connection)[0] == 200


def read_answer(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    connection.settimeout(PATIENCE_SECONDS)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read()
