"""Pull an image of Docker Hub through a fake registry, and print the daemon's response.

`pull_from_fake_registry.py CERTIFICATE KEY FOLDER dockerd FLAG...`; run it in new network, mount and PID namespaces.
"""

import gzip
import hashlib
import io
import json
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from newest_dockerd import running_daemon

# Not a loopback address: the daemon treats every registry on loopback as insecure
ADDRESS = "192.0.2.1"
HOSTS = f"127.0.0.1 localhost\n{ADDRESS} registry-1.docker.io auth.docker.io index.docker.io\n"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def make_image(content: bytes = b"") -> dict[str, tuple[str, bytes]]:
    """Return an image with one file: for the last part of each URL path, the content type and the content."""
    file = io.BytesIO()
    member = tarfile.TarInfo("impostor")
    member.size = len(content)
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    layer = gzip.compress(file.getvalue(), mtime=0)
    root = {"type": "layers", "diff_ids": [digest_of(file.getvalue())]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": root}).encode()
    descriptors = [
        {"mediaType": f"application/vnd.oci.image.{kind}", "size": len(data), "digest": digest_of(data)}
        for kind, data in (("config.v1+json", config), ("layer.v1.tar+gzip", layer))
    ]
    descriptor = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": descriptors[0], "layers": descriptors[1:]}
    manifest = json.dumps(descriptor).encode()
    blobs = {digest_of(data): ("application/octet-stream", data) for data in (config, layer)}
    return blobs | {digest_of(manifest): (_MANIFEST, manifest), "latest": (_MANIFEST, manifest)}


class FakeRegistry(BaseHTTPRequestHandler):
    """The requests of a pull, without authentication."""

    image = make_image()

    def do_GET(self) -> None:
        kind, data = self.image.get(self.path.rpartition("/")[2].partition("?")[0], ("application/json", b"{}"))
        self.send_response(200)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(data))),
            ("Docker-Content-Digest", digest_of(data)),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815  # the name in the base class

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    """A server that knows whether a client refused its certificate."""

    was_refused = False

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection. Its TLS handshake fails with the alert that a client sends for a bad certificate."""
        try:
            return super().get_request()
        except ssl.SSLError as error:
            self.was_refused |= "BAD_CERTIFICATE" in str(error.reason)
            raise


def main() -> None:
    """Pull, and print the daemon's response: JSON objects, the last of which has an error if the pull failed.

    One more line says if the daemon refused the registry's certificate.
    """
    certificate, key, folder, *command = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/24", "dev", "lo"], check=True)
    hosts = Path(folder, "hosts")
    hosts.write_text(HOSTS)
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = _Server((ADDRESS, 443), FakeRegistry)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with running_daemon(command, Path(folder)) as connection:
        connection.request("POST", "/images/create?fromImage=docker.io/library/alpine&tag=latest")
        sys.stdout.write(connection.getresponse().read().decode())
    if server.was_refused:
        sys.stdout.write("the certificate was refused\n")


if __name__ == "__main__":
    main()
