"""Run other mutating webhooks on this machine. A function makes the response of each."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

Json = dict[str, Any]
# Returns the operations of a JSON patch for a pod.
MakePatch = Callable[[Json], list[Json]]
# Returns the response, without uid, to an AdmissionRequest.
ReviewFunction = Callable[[Json], Json]


def strip_restart_policies(pod: Json) -> list[Json]:
    """Remove restartPolicy from init containers, as webhooks do that were built before native sidecars."""
    return [
        {"op": "remove", "path": f"/spec/initContainers/{index}/{member}"}
        for index, one in enumerate(pod["spec"].get("initContainers", []))
        # Also remove the members that only native sidecars may have: the API server would refuse the pod for them.
        for member in ("restartPolicy", "startupProbe", "lifecycle")
        if member in one
    ]


def respond_with_patch(change: MakePatch) -> ReviewFunction:
    """Return a review function that allows the pod and responds with a patch."""

    def review(request: Json) -> Json:
        patch = json.dumps(change(request["object"])).encode()
        return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}

    return review


@contextmanager
def serve_webhook(host: str, review: ReviewFunction) -> Iterator[Json]:
    """Serve a webhook until the end of the block, and yield its clientConfig for the webhook configuration."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(host).configure_cert(context)
    with ThreadingHTTPServer((host, 0), _handler(review)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            url = f"https://{host}:{server.server_address[1]}/"
            yield {"url": url, "caBundle": base64.b64encode(ca.cert_pem.bytes()).decode()}
        finally:
            server.shutdown()
            thread.join()


def _handler(review: ReviewFunction) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name in the base class
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {"uid": sent["request"]["uid"], **review(sent["request"])}
            body = json.dumps({"apiVersion": sent["apiVersion"], "kind": sent["kind"], "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
