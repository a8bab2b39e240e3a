"""SIGTERM: the server responds to all requests that were sent, and the process ends within a time limit."""

import contextlib
import signal
import socket
import ssl
from contextlib import ExitStack

from reviews import LAST_REQUEST, REQUEST
from server_load import Load, send_review
from webhook_process import PATIENCE_SECONDS, Serve, Webhook, eventually, read_to_end

HALF = len(REQUEST) // 2
STOPPING = (503, "stopping\n")


def test_a_stop_under_load_loses_no_request(serve: Serve) -> None:
    with serve(GRACE_SECONDS=0.7) as webhook, Load() as load:
        for _ in range(4):
            load.send_until_refused(webhook, reuse=True)
            load.send_until_refused(webhook, reuse=False)
        load.wait_for_answers(100)
        load.stopping.set()
        webhook.process.send_signal(signal.SIGTERM)
        load.finish()
        assert webhook.process.wait(PATIENCE_SECONDS) == 0
    assert load.failures == []
    assert {answer.status for answer in load.answers} == {200}


def test_requests_on_their_way_when_it_is_told_to_stop_are_answered(serve: Serve) -> None:
    with serve(GRACE_SECONDS=0.2) as webhook, ExitStack() as stack:
        halves = [stack.enter_context(contextlib.closing(webhook.handshake())) for _ in range(20)]
        for half in halves:
            half.sendall(REQUEST[:HALF])
        webhook.process.send_signal(signal.SIGTERM)
        for half in halves[:10]:
            half.sendall(REQUEST[HALF:])
        eventually(lambda: is_refused(webhook))
        for half in halves[10:]:
            half.sendall(REQUEST[HALF:])
        answers = [read_to_end(half) for half in halves]
        assert webhook.process.wait(PATIENCE_SECONDS) == 0
    assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 20


def test_while_stopping_it_is_unready_and_alive_and_each_answer_is_the_last_of_its_connection(serve: Serve) -> None:
    with serve(GRACE_SECONDS=1) as webhook, contextlib.closing(webhook.connect()) as kept:
        half = webhook.handshake()
        half.sendall(REQUEST[:HALF])
        assert send_review(kept).getheader("Connection") is None
        webhook.process.send_signal(signal.SIGTERM)
        eventually(lambda: webhook.get_health("/readyz") == STOPPING)
        assert webhook.get_health("/healthz") == (200, "ok\n")
        for connection in (kept, webhook.connect()):
            answer = send_review(connection)
            assert (answer.status, answer.getheader("Connection")) == (200, "close")
            assert connection.sock is None
        eventually(lambda: is_refused(webhook))
        assert webhook.get_health("/readyz") == STOPPING, "kubelet sees it to the last"
        half.sendall(REQUEST[HALF:])
        answer = read_to_end(half)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), "a request in flight is answered"
        half.close()
        assert webhook.process.wait(PATIENCE_SECONDS) == 0


def test_a_request_on_the_last_connection_that_was_taken_is_answered(serve: Serve) -> None:
    taken: list[ssl.SSLSocket] = []

    def is_over() -> bool:
        try:
            taken.append(webhook.handshake())
        except OSError:
            return True
        return False

    with serve(GRACE_SECONDS=0.2) as webhook:
        webhook.process.send_signal(signal.SIGTERM)
        eventually(is_over)
        *earlier, last = taken
        last.sendall(LAST_REQUEST)
        assert read_to_end(last).startswith(b"HTTP/1.1 200 OK\r\n")
        for connection in taken:
            connection.close()
        assert webhook.process.wait(PATIENCE_SECONDS) == 0
        assert earlier, "new connections are taken during the grace"


def test_connections_that_nobody_uses_do_not_delay_the_exit(serve: Serve) -> None:
    with ExitStack() as stack, serve(DRAIN_SECONDS=600) as webhook:
        used, unused, half = (stack.enter_context(webhook.handshake()) for _ in range(3))
        raw = stack.enter_context(socket.create_connection(("127.0.0.1", webhook.port)))
        used.sendall(REQUEST)
        half.sendall(REQUEST[:HALF])
        assert used.recv(15) == b"HTTP/1.1 200 OK"
        webhook.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(webhook))
        # This client connected before SIGTERM, and starts its handshake only now.
        late = stack.enter_context(webhook.context.wrap_socket(raw, server_hostname="localhost"))
        half.sendall(REQUEST[HALF:])
        assert read_to_end(half).startswith(b"HTTP/1.1 200 OK\r\n")
        for connection in (used, unused, late):
            read_to_end(connection)
        for connection in (used, unused, late, half):
            connection.close()
        assert webhook.process.wait(PATIENCE_SECONDS) == 0


def test_a_request_that_never_ends_is_cut_after_the_drain_and_the_exit_code_tells(serve: Serve) -> None:
    with serve(DRAIN_SECONDS=0.3, REQUEST_SECONDS=600) as webhook, webhook.handshake() as half:
        half.sendall(REQUEST[:HALF])
        webhook.process.send_signal(signal.SIGTERM)
        assert webhook.process.wait(PATIENCE_SECONDS) == 1


def is_refused(webhook: Webhook) -> bool:
    try:
        socket.create_connection(("127.0.0.1", webhook.port)).close()
    except ConnectionRefusedError:
        return True
    return False
