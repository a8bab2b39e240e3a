"""The messages about an unreachable API server, which are derived from the client's exceptions."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from fake_api import kubeconfig
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from dind_webhook.errors import ForbiddenError, NoClusterError
from dind_webhook.kube import KubeClient
from dind_webhook.kube.api_errors import describe_cause, root_cause


@contextmanager
def listening(answer: Callable[[socket.socket], object], received: list[str] | None = None) -> Iterator[int]:
    """Accept one connection and answer it; yield the port. `received` gets the request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(4096).decode("latin-1")
                if received is not None:
                    received.append(request)
                answer(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def error_of(server: str, folder: Path) -> str:
    with pytest.raises(NoClusterError) as raised:
        KubeClient(kubeconfig(folder, server), None).version()
    return str(raised.value)


def test_a_refused_connection_is_named(tmp_path: Path) -> None:
    assert error_of("http://127.0.0.1:1", tmp_path) == (
        "API server http://127.0.0.1:1 cannot be reached: Connection refused"
    )


def test_a_server_that_closes_the_connection_is_named(tmp_path: Path) -> None:
    with listening(lambda connection: connection.close()) as port:
        text = error_of(f"http://127.0.0.1:{port}", tmp_path)
    assert text.endswith("cannot be reached: Remote end closed connection without response")


def test_a_server_without_tls_is_named(tmp_path: Path) -> None:
    with listening(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        text = error_of(f"https://127.0.0.1:{port}", tmp_path)
    assert "cannot be reached: " in text
    assert "[SSL" not in text
    assert "_ssl.c" not in text


def test_an_answer_that_is_not_json_is_not_an_api_server(tmp_path: Path) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
    with listening(lambda connection: connection.sendall(page)) as port:
        text = error_of(f"http://127.0.0.1:{port}", tmp_path)
    assert text.endswith("cannot be reached: the server there is not an API server")


def test_a_port_forward_names_the_port_and_sends_the_credentials(tmp_path: Path) -> None:
    message = 'User "x" cannot create resource "pods/portforward" in API group "" in the namespace "ci"'
    body = orjson.dumps({"message": message})
    received: list[str] = []
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(body)}\r\n\r\n"
    with listening(lambda connection: connection.sendall(head.encode() + body), received) as port:
        client = KubeClient(kubeconfig(tmp_path, f"http://127.0.0.1:{port}"), None)
        with pytest.raises(ForbiddenError, match="you may not create pods/portforward in namespace ci"):
            client.probe_pod_tls("ci", "build", 10250, "x", b"")
    (request,) = received
    assert request.startswith("GET /api/v1/namespaces/ci/pods/build/portforward?ports=10250 HTTP/1.1\r\n")
    assert "\r\nauthorization: Bearer t\r\n" in request.replace("Authorization", "authorization")


def refused() -> Exception:
    error = NewConnectionError(None, "Failed to establish a new connection: [Errno 111]")  # type: ignore[arg-type]
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (refused(), "Connection refused"),
        (MaxRetryError(None, "/version", refused()), "Connection refused"),  # type: ignore[arg-type]
        (ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer")), "reset by peer"),
        (TimeoutError("timed out"), "timed out"),
        (ValueError(), "ValueError"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_cause_is_told_without_what_clients_put_around_it(error: Exception, text: str) -> None:
    assert text in describe_cause(error)


def test_an_exception_that_wraps_none_is_its_own_cause() -> None:
    error = ValueError("text")
    assert root_cause(error) is error
