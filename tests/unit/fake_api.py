"""A fake API server in this process, on a real socket. For each path, a map has an object, a list or a refusal."""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class Refusal(NamedTuple):
    """A refusal: the HTTP status, and the message of the Status object."""

    status: int
    message: str


Answer = Mapping[str, Any] | list[Any] | Refusal
Answers = dict[str, Answer]
# Answers a dry run, given the path of the namespace's pods and the pod
Admit = Callable[[str, dict[str, Any]], Answer]
# Answers a JSON patch, given the path of the object and the operations, and whether this is a dry run
Patch = Callable[[str, list[dict[str, Any]], bool], Answer]


def forbidden(verb: str, resource: str, group: str = "", where: str = "at the cluster scope") -> Refusal:
    """Return the refusal of RBAC."""
    text = f'{resource} is forbidden: User "u" cannot {verb} resource "{resource}" in API group "{group}" {where}'
    return Refusal(403, text)


@contextmanager
def api_server(
    answers: Answers, folder: Path, admit: Admit | None = None, patch: Patch | None = None
) -> Iterator[Path]:
    """Serve these answers and yield a kubeconfig for the server. Any other path is not found."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            self._answer(answers.get(path, Refusal(404, f"{path} not found")))

        def do_POST(self) -> None:
            pod = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert urlsplit(self.path).query == "dryRun=All"
            assert admit is not None
            self._answer(admit(urlsplit(self.path).path, pod))

        def do_PATCH(self) -> None:
            operations = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/json-patch+json"
            url = urlsplit(self.path)
            assert url.query in {"", "dryRun=All"}
            assert patch is not None
            self._answer(patch(url.path, operations, bool(url.query)))

        def _answer(self, answer: Answer) -> None:
            status, tree = 200, answer
            if isinstance(answer, Refusal):
                status, tree = answer.status, {"kind": "Status", "message": answer.message, "code": answer.status}
            elif isinstance(answer, list):
                tree = {"items": answer, "metadata": {}}
            body = json.dumps(tree).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield kubeconfig(folder, f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(
    folder: Path, server: str, namespace: str = "ci", ca: bytes | None = None, user: Mapping[str, Any] | None = None
) -> Path:
    """Write a kubeconfig for an API server, with the current context `here`, and return its path."""
    authority = {} if ca is None else {"certificate-authority-data": base64.b64encode(ca).decode()}
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **authority}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "current-context": "here",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(tree), "utf-8")
    return path
