"""Attacks by hostile clients in the cluster's network. Each attack runs for a given time.

The tests run them in a separate process, with a lower priority than the server: `attackers.py NAME --port ...`.
"""

import argparse
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parent.parent))

from openssl import TlsClient
from reviews import HEADERS, REQUEST, pod, review

MIB = 2**20
_LARGEST = 7 * MIB
_CHUNK = 64 * 1024
_CHUNKED = HEADERS + b"transfer-encoding: chunked\r\n\r\n"
_GET = b"GET / HTTP/1.1\r\n\r\n"


@dataclass
class Target:
    """The ports of the attacked process; `port` is 0 if it has only a health port. The attack ends at `end`."""

    port: int
    health_port: int
    end: float
    chance: random.Random

    def is_over(self) -> bool:
        return time.monotonic() > self.end

    def connect(self, *, tls: bool, source: str = "") -> socket.socket:
        """Connect from `source`, or from one of a few addresses that the honest clients do not use."""
        raw = self.connect_tcp(self.port if tls else self.health_port, 2, source)
        if not tls:
            return raw
        try:
            return _CONTEXT.wrap_socket(raw)
        except BaseException:
            raw.close()
            raise

    def connect_tcp(self, port: int, timeout: float, source: str = "") -> socket.socket:
        """Connect without TLS, from the same addresses as `connect`. `timeout` is in seconds."""
        source = source or f"127.0.0.{self.chance.randint(2, 9)}"
        return socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))


Attack: TypeAlias = Callable[[Target], None]
_CONTEXT = ssl.create_default_context()
_CONTEXT.check_hostname = False
_CONTEXT.verify_mode = ssl.CERT_NONE


def _sized(body: bytes) -> bytes:
    return HEADERS + b"content-length: %d\r\n\r\n%s" % (len(body), body)


def _send(connection: socket.socket, parts: Iterator[bytes], target: Target) -> None:
    for part in parts:
        if target.is_over():
            return
        connection.sendall(part)


def _forever(part: bytes) -> Iterator[bytes]:
    while True:
        yield part


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))


def _flood(target: Target, *, tls: bool, connections: int, send: Callable[[socket.socket, int], None]) -> None:
    """Keep this number of connections open. Each sends data repeatedly and reads nothing."""

    def keep(number: int) -> None:
        while not target.is_over():
            with contextlib.suppress(OSError), target.connect(tls=tls) as connection:
                connection.settimeout(max(0.1, min(5, target.end - time.monotonic())))
                send(connection, number)
                while not target.is_over() and _is_open(connection):
                    time.sleep(0.05)
            time.sleep(0.01)

    threads = [threading.Thread(target=keep, args=(number,), daemon=True) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, target.end - time.monotonic()) + 6)


def _is_open(connection: socket.socket) -> bool:
    """Return whether the server has not closed the connection, without reading from the connection."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return info[0] == 1  # TCP_ESTABLISHED


def _send_reviews(target: Target, bodies: list[bytes], connections: int = 4) -> None:
    """Send complete reviews and read the responses."""

    def send(connection: socket.socket, number: int) -> None:
        while not target.is_over():
            for part in _pieces(_sized(bodies[number % len(bodies)])):
                connection.sendall(part)
            _read_answer(connection)
            number += 1

    _flood(target, tls=True, connections=connections, send=send)


def _read_answer(connection: socket.socket) -> None:
    found = b""
    while b"\r\n\r\n" not in found:
        found += _receive(connection)
    head, _, rest = found.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(rest) < length:
        rest += _receive(connection)


def _receive(connection: socket.socket) -> bytes:
    part = connection.recv(_CHUNK)
    if not part:
        raise ConnectionResetError
    return part


def _annotated(count: int, **annotations: str) -> bytes:
    made = pod()
    made["metadata"]["annotations"] |= annotations
    made["metadata"]["annotations"]["number"] = str(count)
    return review(made)


def _of_spec(text: bytes, **more: Any) -> bytes:
    """Return a review of a pod in which `text` replaces the word HERE in the spec."""
    return review(pod(**more)).replace(b'"HERE"', text)


def _fill(item: bytes, size: int = _LARGEST - 2000) -> bytes:
    return b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"


def _flood_with_lines(target: Target, first: bytes, *, tls: bool) -> None:
    def send(connection: socket.socket, _: int) -> None:
        connection.sendall(first)
        _send(connection, _forever(b"a:b\r\n" * 10_000), target)

    _flood(target, tls=tls, connections=8, send=send)


def headers_without_end(target: Target, *, tls: bool = True) -> None:
    _flood_with_lines(target, b"GET / HTTP/1.1\r\n", tls=tls)


def many_heads_that_are_not_complete(target: Target) -> None:
    # The most headers that fit below the limit at which the server closes a connection
    head = b"POST /mutate HTTP/1.1\r\nhost: x\r\n" + b"aa:bb\r\n" * 4600
    _flood(target, tls=True, connections=280, send=lambda connection, _: connection.sendall(head))


def an_idle_connection_of_each_address(target: Target, *, tls: bool = True) -> None:
    held = []
    for number in range(400):
        with contextlib.suppress(OSError):
            held.append(target.connect(tls=tls, source=f"127.0.{1 + number // 250}.{1 + number % 250}"))
    while not target.is_over():
        time.sleep(0.05)


def trailers_without_end(target: Target) -> None:
    _flood_with_lines(target, _CHUNKED + b"0\r\n", tls=True)


def one_long_header(target: Target, *, tls: bool = True) -> None:
    def send(connection: socket.socket, number: int) -> None:
        connection.sendall(b"GET / HTTP/1.1\r\na: " if number % 2 else b"GET /")
        _send(connection, _pieces(b"a" * 50 * MIB), target)

    _flood(target, tls=tls, connections=8, send=send)


def pipelined_requests(target: Target, *, tls: bool = False) -> None:
    many = (REQUEST if tls else _GET) * 14_000
    _flood(target, tls=tls, connections=10, send=lambda connection, _: _send(connection, _pieces(many), target))


def bodies_without_end(target: Target) -> None:
    body = HEADERS + b"content-length: %d\r\n\r\n" % _LARGEST + b" " * (_LARGEST - 1)
    _flood(target, tls=True, connections=40, send=lambda connection, _: _send(connection, _pieces(body), target))


def chunks_of_one_byte(target: Target) -> None:
    def send(connection: socket.socket, _: int) -> None:
        connection.sendall(_CHUNKED)
        _send(connection, _forever(b"1\r\n\r\r\n" * 10_000), target)

    _flood(target, tls=True, connections=20, send=send)


def answers_that_nobody_reads(target: Target) -> None:
    body = _of_spec(_fill(b'{"name":"a"}', 13_000), containers="HERE")
    _flood(
        target,
        tls=True,
        connections=90,
        send=lambda connection, _: _send(connection, _forever(_sized(body)), target),
    )


def sockets_without_a_handshake(target: Target) -> None:
    held: list[socket.socket] = []
    while not target.is_over():
        with contextlib.suppress(OSError):
            raw = target.connect_tcp(target.port, 1)
            if target.chance.random() < 0.5:
                raw.sendall(b"\x16\x03\x01\x02\x00\x01")
            held.append(raw)
        if len(held) > 6000:
            for old in held[:3000]:
                old.close()
            del held[:3000]


def client_hellos(target: Target) -> None:
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        _CONTEXT.wrap_bio(received, sent).do_handshake()
    hello = sent.read()

    while not target.is_over():
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for _ in range(200):
                raw = stack.enter_context(socket.socket())
                raw.bind(("127.0.0.2", 0))
                raw.connect(("127.0.0.1", target.port))
                raw.sendall(hello)
            raw.settimeout(1)
            raw.recv(1)


def long_client_hellos(target: Target) -> None:
    length = 128 * 1024
    message = b"\x01" + length.to_bytes(3) + b"\x03\x03" + bytes(length)
    pieces = (message[start : start + 16_000] for start in range(0, len(message), 16_000))
    records = b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)
    held: deque[socket.socket] = deque(maxlen=290)
    while not target.is_over():
        with contextlib.suppress(OSError):
            raw = target.connect_tcp(target.port, 1)
            held.append(raw)
            raw.sendall(records)


def _send_records(target: Target, connections: int, make: Callable[[TlsClient], bytes]) -> None:
    """Prepare connections from twenty addresses, then send the records of all at once; and again."""
    while not target.is_over():
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            prepared = []
            for number in range(connections):
                raw = target.connect_tcp(target.port, 2, f"127.0.0.{2 + number % 20}")
                client = stack.enter_context(contextlib.closing(TlsClient(raw)))
                prepared.append((raw, make(client)))
            for raw, records in prepared:
                raw.settimeout(0.1)
                with contextlib.suppress(OSError):
                    raw.sendall(records)
            time.sleep(1)


def key_updates(target: Target) -> None:
    _send_records(target, 100, lambda client: client.key_updates(2000))


def records_of_one_byte(target: Target) -> None:
    _send_records(target, 100, lambda client: client.records_of_one_byte(HEADERS + b"a: " + bytes(3000).hex().encode()))


def a_byte_each(target: Target) -> None:
    _flood(target, tls=True, connections=350, send=lambda connection, _: connection.sendall(b"P"))


def connections_that_are_reset(target: Target) -> None:
    def send(connection: socket.socket, _: int) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(REQUEST[: target.chance.randint(1, len(REQUEST))])
        connection.close()

    _flood(target, tls=True, connections=20, send=send)


def nested_values(target: Target) -> None:
    deep = b'{"a": ' + _fill(b'{"":{}}') + b"}"
    bodies = [
        review(pod() | {"metadata": {"labels": "HERE"}}).replace(b'"HERE"', deep),
        _of_spec(_fill(b"[[[]]]"), futureField="HERE"),
        _of_spec(b"[" * (6 * MIB), tolerations="HERE"),
        _of_spec(_fill(b'{"name":"v","csi":{"a":{}}}'), volumes="HERE"),
    ]
    _send_reviews(target, bodies)


def many_values(target: Target) -> None:
    bodies = [
        _of_spec(_fill(b'{"name":"a"}'), containers="HERE"),
        _of_spec(_fill(b'{"name":"v"}'), volumes="HERE"),
        _of_spec(b'{"supplementalGroups":' + _fill(b"300000") + b"}", securityContext="HERE"),
        _of_spec(b'[{"name":"a","env":' + _fill(b'{"name":"a"}') + b"}]", containers="HERE"),
        _of_spec(b'[{"name":"a","volumeMounts":' + _fill(b'{"name":"a","mountPath":"/b"}') + b"}]", containers="HERE"),
    ]
    most = [
        _of_spec(_fill(b'{"name":"a"}', 13_000), containers="HERE"),
        _of_spec(_fill(b'{"name":"v"}', 600_000), volumes="HERE"),
        _of_spec(b'[{"name":"a","env":' + _fill(b'{"name":"a"}', 600_000) + b"}]", containers="HERE"),
        _of_spec(
            b'[{"name":"a","volumeMounts":' + _fill(b'{"name":"a","mountPath":"/b"}', 900_000) + b"}]",
            containers="HERE",
        ),
    ]
    _send_reviews(target, bodies + most)


def long_texts(target: Target) -> None:
    wide = json.dumps("\U0001f600" + "a" * (6 * MIB), ensure_ascii=False).encode()
    path = json.dumps("/aa" * (2 * MIB)).encode()
    bodies = [
        review(pod() | {"metadata": {"annotations": {"dind.io/inject": "HERE"}}}).replace(b'"HERE"', wide),
        review(pod() | {"metadata": {"annotations": {"dind.io/inject": "sidecar", "dind.io/env": "HERE"}}}).replace(
            b'"HERE"', wide
        ),
        _of_spec(b'[{"name":"a","volumeMounts":[{"name":"a","mountPath":' + path + b"}]}]", containers="HERE"),
        _of_spec(b'[{"name":"v","hostPath":{"path":' + path + b"}}]", volumes="HERE"),
        _of_spec(b'[{"name":' + wide + b"}]", containers="HERE"),
    ]
    _send_reviews(target, bodies, connections=2)


def options_that_are_not_alike(target: Target) -> None:
    mirrors = ",".join(f"r{number}.x=https://m.example" for number in range(16))
    bodies = [
        _annotated(number, **{"dind.io/registry-mirrors": ",".join(f"https://m{number}.x" for _ in range(26_000))})
        for number in range(60)
    ]
    bodies += [
        _annotated(number, **{"dind.io/registry-mirrors": mirrors.replace("m.", f"m{number}{'x' * 200}.", 16)[:4096]})
        for number in range(400)
    ]
    _send_reviews(target, bodies)


def status_with_many_mounts(target: Target) -> None:
    bodies = []
    for number in range(30):
        mounts = [{"name": "w", "mountPath": f"/{number}/{count}"} for count in range(8_000)]
        daemon = {"name": "dind", "image": "a", "restartPolicy": "Always", "securityContext": {"privileged": True}}
        volumes = [{"name": "w", "emptyDir": {}}]
        made = pod(initContainers=[daemon | {"volumeMounts": mounts}], volumes=volumes)
        made["spec"]["containers"][0]["volumeMounts"] = mounts
        made["metadata"]["annotations"]["dind.io/status"] = "{}"
        bodies.append(review(made))
    _send_reviews(target, bodies)


def mounts_of_many_sub_paths(target: Target) -> None:
    def mounts(prefix: str) -> list[dict[str, str]]:
        return [{"name": "w", "mountPath": f"/{prefix}{at}", "subPath": f"{prefix}{at}"} for at in range(11_000)]

    made = pod()
    made["spec"]["volumes"] = [{"name": "w", "emptyDir": {}}]
    made["spec"]["initContainers"] = [{"name": "first", "volumeMounts": mounts("a")}]
    made["spec"]["containers"] = [{"name": "build", "volumeMounts": mounts("b")}]
    _send_reviews(target, [review(made)], connections=1)


def large_answers_on_many_connections(target: Target) -> None:
    # Every connection keeps buffers after a large response or body, so many connections multiply that memory.
    large = pod(containers=[{"name": f"c{number}", "image": "a"} for number in range(900)])
    _send_reviews(target, [review(large)], connections=290)


def reviews_without_a_pause(target: Target) -> None:
    _send_reviews(target, [review(pod())], connections=40)


def metrics_without_a_pause(target: Target) -> None:
    def send(connection: socket.socket, _: int) -> None:
        while not target.is_over():
            connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 3)
            connection.recv(_CHUNK)

    _flood(target, tls=False, connections=60, send=send)


def _plain(attack: Callable[..., None]) -> Attack:
    return lambda target: attack(target, tls=False)


ON_THE_WEBHOOK: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        headers_without_end,
        many_heads_that_are_not_complete,
        trailers_without_end,
        one_long_header,
        bodies_without_end,
        chunks_of_one_byte,
        answers_that_nobody_reads,
        sockets_without_a_handshake,
        client_hellos,
        long_client_hellos,
        key_updates,
        records_of_one_byte,
        a_byte_each,
        connections_that_are_reset,
        nested_values,
        many_values,
        long_texts,
        options_that_are_not_alike,
        status_with_many_mounts,
        mounts_of_many_sub_paths,
        large_answers_on_many_connections,
        reviews_without_a_pause,
    )
} | {"pipelined_reviews": lambda target: pipelined_requests(target, tls=True)}
ON_A_HEALTH_PORT: dict[str, Attack] = {
    "health_an_idle_connection_of_each_address": _plain(an_idle_connection_of_each_address),
    "health_headers_without_end": _plain(headers_without_end),
    "health_one_long_header": _plain(one_long_header),
    "health_pipelined_requests": pipelined_requests,
    "health_metrics_without_a_pause": metrics_without_a_pause,
}
ATTACKS = ON_THE_WEBHOOK | ON_A_HEALTH_PORT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=ATTACKS)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--health-port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.nice(10)
    end = time.monotonic() + given.seconds
    ATTACKS[given.name](Target(given.port, given.health_port, end, random.Random(given.seed)))
    # Do not wait for threads that are blocked on a closed connection.
    os._exit(0)


if __name__ == "__main__":
    main()
