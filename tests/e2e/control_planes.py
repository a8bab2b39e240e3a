"""API servers that call webhooks on this machine, so that no node is needed: the oldest supported one, and today's."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import trustme
from cluster.cluster import OLDEST, Cluster, down, up
from cluster.release import Helm
from kube import Kube
from releases import Release, install_chart, merge
from webhook_process import RunningProgram, run_program


@dataclass(frozen=True)
class ControlPlane:
    """A control plane."""

    kube: Kube
    helm: Helm
    # Address at which its API server reaches this machine
    host: str

    @classmethod
    def of(cls, cluster: Cluster) -> "ControlPlane":
        helm = replace(Helm.of(cluster.kubeconfig, cluster.logs), waits=False)
        return cls(Kube.load(str(cluster.kubeconfig)), helm, cluster.record.link.host)


@contextmanager
def oldest_control_plane(beside: Cluster) -> Iterator[ControlPlane]:
    """Bring the oldest one up, which make e2e has built."""
    state = beside.state.oldest
    try:
        yield ControlPlane.of(up(state, beside.cache, OLDEST, node=False))
    finally:
        down(state)


@dataclass(frozen=True)
class Server:
    """`dind-webhook serve` as a process of this machine."""

    control_plane: ControlPlane
    url: str
    ca: str
    process: int
    log: Path

    def reviews(self, namespace: str) -> int:
        """Return how many pods of a namespace it was asked about so far, by what it has logged."""
        return sum(f'"namespace":"{namespace}"' in line for line in self.log.read_text("utf-8").splitlines())

    @contextmanager
    def release(self, more: dict[str, Any] | None = None, **webhook: Any) -> Iterator[Release]:
        """Install the chart, with values of `webhook` and more, so that the API server calls this server."""
        values = {
            # Its Deployment need not run, and does not.
            "nodeSelector": {"e2e.dind.io/webhook": "elsewhere"},
            "webhook": {"url": self.url, **webhook},
            "tls": {"mode": "existingSecret", "existingSecret": {"name": "not-in-a-pod", "caBundle": self.ca}},
        }
        with install_chart(self.control_plane.kube, self.control_plane.helm, merge(values, more or {})) as release:
            yield release

    @contextmanager
    def paused(self, seconds: float | None = None) -> Iterator[None]:
        """Have it take connections and answer nothing, to the end of the block or for some seconds of it."""
        os.kill(self.process, signal.SIGSTOP)
        end = threading.Timer(seconds or 0, os.kill, [self.process, signal.SIGCONT])
        try:
            if seconds is not None:
                end.start()
            yield
        finally:
            end.cancel()
            os.kill(self.process, signal.SIGCONT)


@contextmanager
def run_server(control_plane: ControlPlane, folder: Path) -> Iterator[Server]:
    """Run the server where an API server reaches it."""
    ca = trustme.CA()
    issued = ca.issue_cert(control_plane.host)
    certificate, key, log = folder / "tls.crt", folder / "tls.key", folder / "serve.log"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    address = ["--host", control_plane.host, "--port", "0", "--health-port", "0"]
    files = ["--tls-cert-file", certificate, "--tls-key-file", key]
    with run_program(["serve", *address, *files], {}, log) as process:
        port = RunningProgram(process, log).wait_for_log("listening")["port"]
        yield Server(
            control_plane, f"https://{control_plane.host}:{port}", ca.cert_pem.bytes().decode(), process.pid, log
        )
