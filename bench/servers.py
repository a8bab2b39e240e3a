"""The servers that are compared: how each is started, on one core, and asked whether it does the work."""

import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from wrk import SERVER_CORE, pinned

from app.certs import issue_throwaway_cert

PEERS = Path(__file__).parent / "peers"
CACHE = Path.home() / ".cache" / "dind-webhook" / "bench"
OURS, FASTAPI, RUNTIME, LEAN, VAULT, NGINX = (
    "dind-webhook",
    "FastAPI route handler",
    "controller-runtime",
    "lean Go handler",
    "vault-k8s",
    "nginx, static",
)
_START_SECONDS = 30


class Place(NamedTuple):
    """Where a server runs: its address, and its core."""

    host: str = "127.0.0.1"
    core: int = SERVER_CORE
    realtime: bool = False


class Server(NamedTuple):
    """A running server."""

    name: str
    host: str
    port: int
    health_port: int
    pid: int
    ready_seconds: float

    @property
    def url(self) -> str:
        """Return what reviews are posted to, as an API server does it."""
        return f"https://{self.host}:{self.port}/mutate?timeout=5s"

    def ask(self, body: bytes) -> bytes:
        """Return the answer to one review."""
        connection = HTTPSConnection(self.host, self.port, context=ssl._create_unverified_context(), timeout=10)
        connection.request("POST", "/mutate?timeout=5s", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.name} answered {answer.status}: {text[:200]!r}")
        return text

    def answered(self) -> int:
        """Return how many reviews it has answered, where it is ours."""
        with urlopen(f"http://{self.host}:{self.health_port}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith("dind_webhook_requests_total{"))

    def resident_mb(self) -> float:
        """Return the resident memory of its processes in MB (10^6 bytes)."""
        return self._megabytes("VmRSS")

    def peak_mb(self) -> float:
        """Return the most that its processes have held so far, in MB."""
        return self._megabytes("VmHWM")

    def _megabytes(self, line: str) -> float:
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--pid", str(self.pid), "--ppid", str(self.pid)],
            capture_output=True,
            text=True,
            check=True,
        )
        pages = [Path(f"/proc/{pid}/status").read_text("utf-8") for pid in listed.stdout.split()]
        return sum(int(page.partition(f"{line}:")[2].split()[0]) for page in pages) * 1024 / 1e6

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has taken since it started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def build_peers() -> Path:
    """Return the folder with the Go peers, built unless they are there from the same sources."""
    sources = sorted(path for path in PEERS.rglob("*") if path.suffix in {".go", ".mod", ".sum"})
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    folder = CACHE / digest
    if not folder.exists():
        if shutil.which("go") is None:
            sys.exit(
                "the peers are built with Go 1.26 or newer, which is not installed: apt-get install golang, or https://go.dev/dl"
            )
        print("building the Go peers, which takes some minutes the first time", flush=True)
        unfinished = folder.with_suffix(".new")
        for module, packages in (
            (PEERS, ["./lean", "./controller-runtime", "./arrivals"]),
            (PEERS / "vault-k8s", ["."]),
        ):
            subprocess.run(["go", "build", "-o", f"{unfinished}/", *packages], cwd=module, check=True)
        unfinished.rename(folder)
    return folder


@contextmanager
def running(
    folder: Path, additions: Mapping[str, object], static: bytes, realtime: bool
) -> Iterator[dict[str, Server]]:
    """Start all servers with files in this folder, and end them."""
    place = Place(realtime=realtime)
    prepare(folder, additions, place.host, static)
    with ExitStack() as stack:
        yield {name: start(name, folder, place, stack) for name in (OURS, FASTAPI, RUNTIME, LEAN, VAULT, NGINX)}


def prepare(folder: Path, additions: Mapping[str, object], host: str, static: bytes = b"") -> bytes:
    """Write the files that servers at this address are started with; return the certificates to trust them by."""
    pair = issue_throwaway_cert(["localhost", host], datetime.now(UTC), timedelta(days=1))
    (folder / "tls.crt").write_bytes(pair.cert)
    (folder / "tls.key").write_bytes(pair.key)
    (folder / "additions.json").write_text(json.dumps(additions), "utf-8")
    (folder / "static.json").write_bytes(static)
    return pair.cert


def start(name: str, folder: Path, place: Place, stack: ExitStack) -> Server:
    """Start one server with the files of `prepare`; the stack ends it."""
    host, port, health_port = place.host, _free_port(place.host), _free_port(place.host)
    command = _command(name, host, (port, health_port), folder)
    env = {
        **os.environ,
        "HOST": host,
        "PORT": str(port),
        "TLS_CERT": str(folder / "tls.crt"),
        "TLS_KEY": str(folder / "tls.key"),
        "ADDITIONS": str(folder / "additions.json"),
        # One P for one core; fewer collections, as those who tune Go servers have it.
        "GOMAXPROCS": "1",
        "GOGC": "400",
    }
    log = stack.enter_context((folder / f"{port}.log").open("wb"))
    started = time.monotonic()
    command = pinned(place.core, command, place.realtime)
    process = subprocess.Popen(command, env=env, cwd=PEERS, stdout=log, stderr=log)
    stack.callback(_end, process)
    _await(name, (host, port), process, Path(log.name))
    return Server(name, host, port, health_port, process.pid, time.monotonic() - started)


def _command(name: str, host: str, ports: tuple[int, int], folder: Path) -> list[str]:
    binaries = Path(sys.executable).parent
    port, health_port = ports
    cert, key = str(folder / "tls.crt"), str(folder / "tls.key")
    if name == OURS:
        return [
            str(binaries / "dind-webhook"),
            "serve",
            "--tls-cert-file",
            cert,
            "--tls-key-file",
            key,
            "--host",
            host,
            "--port",
            str(port),
            "--health-port",
            str(health_port),
        ]
    if name == FASTAPI:
        return [
            str(binaries / "uvicorn"),
            "plain_fastapi:app",
            "--host",
            host,
            "--port",
            str(port),
            "--ssl-certfile",
            cert,
            "--ssl-keyfile",
            key,
            "--loop",
            "uvloop",
            "--http",
            "httptools",
            "--no-access-log",
            "--log-level",
            "warning",
        ]
    if name == NGINX:
        config = folder / "nginx.conf"
        config.write_text(_nginx(folder, host, port), "utf-8")
        return ["nginx", "-c", str(config), "-e", str(folder / "nginx.log")]
    return [str(build_peers() / {RUNTIME: "controller-runtime", LEAN: "lean", VAULT: "vault-k8s"}[name])]


def _nginx(folder: Path, host: str, port: int) -> str:
    # In parts: no parameter of nginx may be longer than 4 KiB.
    text = (folder / "static.json").read_text("utf-8")
    parts = [
        text[start : start + 2048].replace("\\", "\\\\").replace("'", "\\'") for start in range(0, len(text), 2048)
    ]
    named = "".join(f"set $part{number} '{part}'; " for number, part in enumerate(parts))
    whole = "".join(f"$part{number}" for number in range(len(parts)))
    scratch = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 100000000; client_body_buffer_size 64k; {scratch}
server {{ listen {host}:{port} ssl; ssl_protocols TLSv1.3; ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;
location / {{ default_type application/json; {named}return 200 "{whole}"; }} }} }}
"""


def _free_port(host: str) -> int:
    with socket.socket() as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


def _await(name: str, address: tuple[str, int], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(address, 1) as tcp:
                ssl._create_unverified_context().wrap_socket(tcp).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit(f"{name} did not start: {log.read_text('utf-8', 'replace')[-500:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
