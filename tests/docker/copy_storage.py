"""Fill the storage of a daemon from a fake registry, and start other daemons on copies of it.

`copy_storage.py FOLDER CERTIFICATE KEY dockerd FLAG...`; run it in new network, mount and PID namespaces. It removes
the first daemon's ID as the Job of a golden volume does, and prints, as JSON, the number of requests for each daemon,
and what each copy has.
"""

import http.client
import json
import shutil
import ssl
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from newest_dockerd import running_daemon
from pull_from_fake_registry import ADDRESS, HOSTS, FakeRegistry

_IMAGE = "docker.io/library/alpine:latest"


class _CountingRegistry(FakeRegistry):
    requests = 0

    def do_GET(self) -> None:  # noqa: N802  # the name in the base class
        type(self).requests += 1
        super().do_GET()

    do_HEAD = do_GET  # noqa: N815  # the name in the base class


def _serve(certificate: str, key: str, folder: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/24", "dev", "lo"], check=True)
    (folder / "hosts").write_text(HOSTS)
    subprocess.run(["mount", "--bind", folder / "hosts", "/etc/hosts"], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer((ADDRESS, 443), _CountingRegistry)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _call(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    text = json.dumps(body) if body is not None else None
    connection.request(method, path, text, {"Content-Type": "application/json"})
    response = connection.getresponse().read().decode()
    return json.loads(response.splitlines()[-1]) if response else None


def _use(folder: Path, command: list[str]) -> dict[str, Any]:
    """Make a container from the image in a copy of the storage, and return what that daemon has."""
    with running_daemon(command, folder) as connection:
        before = _call(connection, "GET", "/containers/json?all=1")
        config = {"Image": _IMAGE, "Cmd": ["/impostor"], "HostConfig": {"NetworkMode": "none"}}
        created = _call(connection, "POST", "/containers/create?name=only", config)
        return {
            "id": _call(connection, "GET", "/info")["ID"],
            "tags": [tag for image in _call(connection, "GET", "/images/json") for tag in image["RepoTags"]],
            "containers_before": len(before),
            "created": "Id" in created,
        }


def main() -> None:
    """Fill, copy, use, and print."""
    folder, certificate, key, *command = sys.argv[1:]
    golden = Path(folder, "golden")
    golden.mkdir()
    _serve(certificate, key, golden)
    with running_daemon(command, golden) as connection:
        pulled = _call(connection, "POST", "/images/create?fromImage=docker.io/library/alpine&tag=latest")
        own_id = _call(connection, "GET", "/info")["ID"]
    Path(golden, "data/engine-id").unlink()
    requests, copies = [_CountingRegistry.requests], []
    for name in ("first", "second"):
        copy = Path(folder, name)
        copy.mkdir()
        shutil.copytree(golden / "data", copy / "data", symlinks=True)
        copies.append(_use(copy, command))
        requests.append(_CountingRegistry.requests - sum(requests))
    sys.stdout.write(json.dumps({"pulled": pulled, "id": own_id, "requests": requests, "copies": copies}))


if __name__ == "__main__":
    main()
