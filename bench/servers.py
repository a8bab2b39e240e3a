"""Start the compared servers, each on one core, and read figures of their processes."""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from builds import PEERS, build
from load import SERVER_CORE, pin_to_core
from samples import additions
from webhook_api import write_certificate

OURS, RUST, RUNTIME, KOPF, NGINX = "dind-webhook", "Rust handler", "controller-runtime", "kopf", "nginx, static"
SERVERS = (OURS, RUST, RUNTIME, KOPF, NGINX)
PATH = "/mutate?timeout=5s"
_START_SECONDS = 30


class Server(NamedTuple):
    """A server: its address, the folder of its files, and its process once it runs."""

    name: str
    folder: Path
    host: str
    port: int
    health_port: int
    pid: int = 0
    ready_seconds: float = 0

    @property
    def cert(self) -> str:
        return str(self.folder / "tls.crt")

    @property
    def key(self) -> str:
        return str(self.folder / "tls.key")

    @property
    def url(self) -> str:
        """Return the URL to which reviews are posted, as an API server does it."""
        return f"https://{self.host}:{self.port}{PATH}"

    def connect(self) -> HTTPSConnection:
        """Return a client that accepts any certificate."""
        context = ssl._create_unverified_context()
        return HTTPSConnection(self.host, self.port, context=context, timeout=30)

    def review(self, body: bytes) -> Any:
        """Return the AdmissionReview that answers another one."""
        with closing(self.connect()) as connection:
            connection.request("POST", PATH, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.name} answered {answer.status}: {text[:200]!r}")
        return json.loads(text)

    def metrics(self) -> Mapping[str, float]:
        """Return the metrics of dind-webhook by name, summed over their labels."""
        sums: dict[str, float] = defaultdict(float)
        with urlopen(f"http://{self.host}:{self.health_port}/metrics", timeout=30) as page:
            for line in page.read().decode().splitlines():
                if not line.startswith("#"):
                    sample, value = line.rsplit(" ", 1)
                    sums[sample.partition("{")[0]] += float(value)
        return sums

    def resident_mb(self, field: str = "VmRSS") -> float:
        """Return the resident memory in MB (10^6 bytes); that of VmHWM is its peak."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        return int(status.partition(f"{field}:")[2].split()[0]) * 1024 / 1e6

    def cpu_seconds(self) -> float:
        """Return the CPU time since the start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def prepare(folder: Path, host: str = "127.0.0.1", static: bytes = b"") -> bytes:
    """Write the files that servers at this address are started with; return the certificate and its CA in PEM."""
    (folder / "additions.json").write_text(json.dumps(additions()), "utf-8")
    (folder / "static.json").write_bytes(static)
    return write_certificate(folder, host)


def start(name: str, folder: Path, stack: ExitStack, host: str = "127.0.0.1") -> Server:
    """Start a server with the files of `prepare`; the stack ends it."""
    server = Server(name, folder, host, _free_port(host), _free_port(host))
    env = {
        **os.environ,
        "HOST": host,
        "PORT": str(server.port),
        "TLS_CERT": server.cert,
        "TLS_KEY": server.key,
        "ADDITIONS": str(folder / "additions.json"),
        # One scheduler for one core and fewer garbage collections: the usual tuning of Go servers.
        "GOMAXPROCS": "1",
        "GOGC": "400",
    }
    log = stack.enter_context((folder / f"{server.port}.log").open("wb"))
    command = pin_to_core(SERVER_CORE, _COMMANDS[name](server))
    started = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    stack.callback(_end, process)
    while not _accepts(server):
        if process.poll() is not None or time.monotonic() > started + _START_SECONDS:
            sys.exit(f"{name} did not start: {Path(log.name).read_text('utf-8', 'replace')[-500:]}")
        time.sleep(0.02)
    return server._replace(pid=process.pid, ready_seconds=time.monotonic() - started)


def _webhook(at: Server) -> list[str]:
    program = [str(Path(sys.executable).with_name("dind-webhook")), "serve"]
    files = [f"--tls-cert-file={at.cert}", f"--tls-key-file={at.key}"]
    return [*program, *files, f"--host={at.host}", f"--port={at.port}", f"--health-port={at.health_port}"]


def _kopf(_: Server) -> list[str]:
    run = ["-m", "kopf", "run", "--standalone", "--all-namespaces", "--quiet"]
    return [str(build("kopf")), *run, str(PEERS / "kopf" / "handler.py")]


def _nginx(at: Server) -> list[str]:
    # In parts, because a parameter of nginx has at most 4 KiB.
    text = (at.folder / "static.json").read_text("utf-8").replace("\\", "\\\\").replace("'", "\\'")
    parts = [text[position : position + 2048] for position in range(0, len(text), 2048)]
    variables = "".join(f"set $part{number} '{part}'; " for number, part in enumerate(parts))
    answer = "".join(f"$part{number}" for number in range(len(parts)))
    folders = "".join(
        f"{kind}_temp_path {at.folder}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = at.folder / "nginx.conf"
    config.write_text(
        f"""daemon off; master_process off; pid {at.folder}/nginx.pid; events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 100000000; client_body_buffer_size 64k; {folders}
server {{ listen {at.host}:{at.port} ssl; ssl_protocols TLSv1.3; ssl_certificate {at.cert}; ssl_certificate_key {at.key};
location / {{ default_type application/json; {variables}return 200 "{answer}"; }} }} }}
""",
        "utf-8",
    )
    return ["nginx", "-c", str(config), "-e", "stderr"]


_COMMANDS: Mapping[str, Callable[[Server], list[str]]] = {
    OURS: _webhook,
    RUST: lambda _: [str(build("rust"))],
    RUNTIME: lambda _: [str(build("controller-runtime"))],
    KOPF: _kopf,
    NGINX: _nginx,
}


def _free_port(host: str) -> int:
    with socket.socket() as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


def _accepts(server: Server) -> bool:
    """Whether a server completes a TLS handshake."""
    with closing(server.connect()) as connection:
        try:
            connection.connect()
        except OSError:
            return False
        return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
