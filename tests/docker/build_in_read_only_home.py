"""Build an image from a registry with tokens, with a home in a read-only file system, and print the client's output.

`build_in_read_only_home.py FOLDER DOCKER BUILDX dockerd FLAG...`; run it in new network, mount and PID namespaces.
"""

import os
import shutil
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from newest_dockerd import running_daemon
from pull_from_fake_registry import FakeRegistry

_PORT = 5000


class RegistryWithTokens(FakeRegistry):
    """A registry that sends nothing without a token, as Docker Hub."""

    # Also to what is no HTTP: the daemon tries TLS first.
    default_request_version = "HTTP/1.0"

    def do_GET(self) -> None:  # noqa: N802  # the name in the base class
        if self.path.startswith("/token"):
            self._send(200, b'{"token":"any"}')
        elif "Authorization" in self.headers:
            super().do_GET()
        else:
            self._send(401, b"{}")

    do_HEAD = do_GET  # noqa: N815  # the name in the base class

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("WWW-Authenticate", f'Bearer realm="http://127.0.0.1:{_PORT}/token",service="fake"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


def main() -> None:
    """Build, and print the output and the status of the client."""
    folder, docker, buildx, *command = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    home, context = Path(folder, "home"), Path(folder, "context")
    plugins = Path("/usr/local/libexec/docker/cli-plugins")
    for each in (home, context):
        each.mkdir()
    # The namespace hides what the machine has in these directories.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/usr/local"], check=True)
    plugins.mkdir(parents=True)
    shutil.copy(buildx, plugins)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", home], check=True)
    server = ThreadingHTTPServer(("127.0.0.1", _PORT), RegistryWithTokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (context / "Dockerfile").write_text(f"FROM 127.0.0.1:{_PORT}/library/alpine\n")
    with running_daemon(command, Path(folder)):
        environment = {**os.environ, "HOME": str(home), "DOCKER_HOST": f"unix://{folder}/docker.sock"}
        done = subprocess.run(
            [docker, "build", context],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    sys.stdout.write(f"{done.stdout}\nstatus {done.returncode}\n")


if __name__ == "__main__":
    main()
