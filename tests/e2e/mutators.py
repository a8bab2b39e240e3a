"""Mutating webhooks of other people, on this machine: what each does to a pod is a function."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from typing import Any

import trustme
from kube import Manifest, Namespace, RefusedError, until
from planes import Plane
from workloads import pod

Operation = dict[str, Any]
# From a pod to the operations of a JSON patch
Change = Callable[[Manifest], list[Operation]]

BEFORE, AFTER = "aa", "zz"


@dataclass(frozen=True)
class Mutator:
    """One that the API server calls."""

    name: str
    seen: list[Manifest] = field(default_factory=list)


@contextmanager
def mutating(plane: Plane, namespace: Namespace, when: str, change: Change) -> Iterator[Mutator]:
    """Have the pods of a namespace changed BEFORE or AFTER the release is called: API servers go by names."""
    mutator = Mutator(f"{when}-e2e-{token_hex(4)}")

    def review(request: Manifest) -> Manifest:
        mutator.seen.append(request["object"])
        patch = json.dumps(change(request["object"])).encode()
        return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}

    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    with configured(plane, namespace, mutator.name, [pods], review):
        until("the other webhook to be called", lambda: bool(_tries(namespace) and mutator.seen))
        mutator.seen.clear()
        yield mutator


@contextmanager
def configured(
    plane: Plane, namespace: Namespace, name: str, rules: list[Manifest], review: Callable[[Manifest], Manifest]
) -> Iterator[None]:
    """Have requests of some rules answered by a function; for what is in a namespace, only in this one."""
    ca = trustme.CA()
    with _server(plane.host, ca, review) as url:
        plane.kube.make(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": name},
                "webhooks": [
                    {
                        "name": "other.example.com",
                        "clientConfig": {"url": url, "caBundle": base64.b64encode(ca.cert_pem.bytes()).decode()},
                        "rules": rules,
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
                        "admissionReviewVersions": ["v1"],
                        "sideEffects": "None",
                        "timeoutSeconds": 30,
                    }
                ],
            }
        )
        try:
            yield
        finally:
            plane.kube.delete("MutatingWebhookConfiguration", name, version="admissionregistration.k8s.io/v1")


def _tries(namespace: Namespace) -> bool:
    """Have the API server call whom it calls, for a pod that our webhook is not called for."""
    try:
        namespace.make(pod("true", inject="disabled", name="try"), dry_run="All")
    except RefusedError:
        # What the other one makes of it need not be a good pod.
        return True
    return True


@contextmanager
def _server(host: str, ca: trustme.CA, review: Callable[[Manifest], Manifest]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # as the base class has it
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {"uid": asked["request"]["uid"], **review(asked["request"])}
            body = json.dumps({"apiVersion": asked["apiVersion"], "kind": asked["kind"], "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(host).configure_cert(context)
    with ThreadingHTTPServer((host, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"https://{host}:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
