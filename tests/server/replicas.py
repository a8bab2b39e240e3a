"""Run one or more `dind-webhook certs` processes, which communicate only through an API server."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fake_api_server import ApiServer
from fake_cluster import CONFIGURATION, NAMESPACE, SECRET
from webhook_process import RunningProgram, run_program

READY = (200, "ok\n")


@dataclass(kw_only=True)
class Replica(RunningProgram):
    """A running `dind-webhook certs` with its own directory."""

    directory: Path

    @property
    def files(self) -> tuple[Path, Path]:
        return self.directory / "tls.crt", self.directory / "tls.key"

    def served(self) -> bytes:
        return self.files[0].read_bytes()

    def is_ready(self) -> bool:
        return self.get_health("/readyz") == READY


@contextmanager
def replicas(api: ApiServer, folder: Path, number: int, **settings: object) -> Iterator[list[Replica]]:
    """Start replicas at the same time with these settings, with their files in `folder`. Stop them afterwards."""
    given = {"NAMESPACE": NAMESPACE, "SECRET": SECRET, "WEBHOOK_CONFIGURATION": CONFIGURATION, **settings}
    environ = {f"DIND_WEBHOOK_CERTS__{name}": str(value) for name, value in given.items()}
    kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
    started = []
    with ExitStack() as stack:
        for name in map(str, range(number)):
            flags = ["certs", "--directory", folder / name, "--health-port", 0, "--kubeconfig", kubeconfig]
            process = stack.enter_context(run_program(flags, environ, folder / f"{name}.log"))
            started.append(Replica(process, folder / f"{name}.log", directory=folder / name))
        for replica in started:
            replica.health_port = replica.wait_for_log("keeping certificates")["health_port"]
        yield started
