"""A fake API server for `dind-webhook certs`, over HTTP, with objects in memory and injected faults."""

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import trustme
from fake_cluster import CONFIGURATION, NAMESPACE, SECRET, Cluster, Kind, RefusedError

Verb = Literal["get", "patch", "watch"]
Fault = int | bytes | float | Literal["away", "cut"]
"""The status of a refusal, the body of a response with 200, a delay in seconds, or a broken connection."""

_SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_COLLECTIONS: dict[str, tuple[Kind, str, dict[str, str]]] = {
    _SECRETS: ("secret", SECRET, {"apiVersion": "v1", "kind": "Secret"}),
    _WEBHOOKS: (
        "webhooks",
        CONFIGURATION,
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"},
    ),
}


class ApiServer(ThreadingHTTPServer):
    """A fake API server on a free port of loopback."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cluster = cluster
        self.fault: Callable[[Verb, Kind], Fault | None] = lambda _verb, _kind: None
        self.requests: Counter[tuple[Verb, Kind]] = Counter()
        self.watch_seconds = 60.0
        """The longest duration of a watch, even if the URL asks for more."""

    def speak_tls(self, leaf: trustme.LeafCert) -> None:
        """Use TLS from now on. The kubeconfig tells clients not to verify the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def write_kubeconfig(self, path: Path) -> Path:
        address = f"127.0.0.1:{self.server_address[1]}"
        speaks_tls = isinstance(self.socket, ssl.SSLSocket)
        server = {"server": f"https://{address}", "insecure-skip-tls-verify": True} if speaks_tls else {}
        cluster = {"name": "c", "cluster": server or {"server": f"http://{address}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        users = [{"name": "u", "user": {"token": "t"}}]
        parts = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"}
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **parts}))
        return path

    @contextmanager
    def failing(self, fault: Fault, *verbs: Verb) -> Iterator[None]:
        """Fail every call with this fault, or only calls with these verbs, and end open watches."""
        self.fault = lambda verb, _kind: fault if not verbs or verb in verbs else None
        try:
            yield
        finally:
            self.fault = lambda _verb, _kind: None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected clients."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def do_GET(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = url.path if url.path in _COLLECTIONS else url.path.rpartition("/")[0]
        kind, name, type_ = _COLLECTIONS[path]
        verb: Verb = "watch" if url.path == path else "get" if self.command == "GET" else "patch"
        self.server.requests[verb, kind] += 1
        fault = self.server.fault(verb, kind)
        if isinstance(fault, float):
            time.sleep(fault)
        elif fault is not None:
            self._fail(fault)
            return
        try:
            if verb == "watch":
                assert query["fieldSelector"] == f"metadata.name={name}", "the right to watch is narrowed to a name"
                self._watch(kind, type_, float(query["timeoutSeconds"]))
                return
            assert url.path == f"{path}/{name}"
            found = self.server.cluster.get(kind) if verb == "get" else self._patch(kind, query, json.loads(body))
            self._send(200, {**type_, **found})
        except RefusedError as error:
            self._send(error.status, {"kind": "Status", "status": "Failure", "message": str(error)})

    def _patch(self, kind: Kind, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        content_type = self.headers["Content-Type"]
        if kind == "secret":
            assert content_type == "application/apply-patch+yaml"
            force = query.get("force", "").lower() == "true"
            return self.server.cluster.apply_secret(body, query["fieldManager"], force=force)
        assert content_type == "application/strategic-merge-patch+json"
        return self.server.cluster.patch_webhooks(body)

    def _watch(self, kind: Kind, type_: dict[str, str], seconds: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end = time.monotonic() + min(seconds, self.server.watch_seconds)

        def is_over(pause: float) -> bool:
            with self.server.cluster.changed:
                self.server.cluster.changed.wait(pause)
            if self.server.fault("watch", kind) is not None:
                raise ConnectionAbortedError
            return time.monotonic() > end

        for what, found in self.server.cluster.watch(kind, is_over):
            self._chunk(json.dumps({"type": what, "object": {**type_, **found}}).encode() + b"\n")
        self._chunk(b"")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def _fail(self, fault: int | bytes | str) -> None:
        if fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"kind"')
        elif isinstance(fault, bytes):
            self._write(200, fault)
        elif isinstance(fault, int):
            self._send(fault, {"kind": "Status", "status": "Failure", "code": fault, "message": "a fault"})
            return
        self.close_connection = True

    def _send(self, status: int, content: dict[str, Any]) -> None:
        self._write(status, json.dumps(content).encode())

    def _write(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def api_server(cluster: Cluster) -> Iterator[ApiServer]:
    """Run a fake API server until the end of the block."""
    with ApiServer(cluster) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
