"""A mutating webhook of an old kind: it takes `restartPolicy` from init containers. Prints its port."""

import base64
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stripping(BaseHTTPRequestHandler):
    """Answers every review."""

    def do_POST(self) -> None:  # as the base class has it
        """Remove the field wherever it is."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        containers = review["request"]["object"]["spec"].get("initContainers") or []
        patch = [
            {"op": "remove", "path": f"/spec/initContainers/{index}/{member}"}
            for index, container in enumerate(containers)
            # What only a native sidecar may have would have the pod refused for another reason.
            for member in ("restartPolicy", "startupProbe", "lifecycle")
            if member in container
        ]
        response = {"uid": review["request"]["uid"], "allowed": True}
        if patch:
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Stripping)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
server.socket = context.wrap_socket(server.socket, server_side=True)
sys.stdout.write(f"{server.server_address[1]}\n")
sys.stdout.flush()
server.serve_forever()
