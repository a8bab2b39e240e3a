"""The oldest supported and the current API server, with the webhook as a process of this machine; no node is needed."""

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
    """A control plane, with clients of its API server."""

    kube: Kube
    helm: Helm
    # The address of this machine for the API server
    host: str

    @classmethod
    def of(cls, cluster: Cluster) -> "ControlPlane":
        helm = replace(Helm.of(cluster.kubeconfig, cluster.logs), waits=False)
        return cls(Kube.load(str(cluster.kubeconfig)), helm, cluster.record.link.host)


@contextmanager
def oldest_control_plane(beside: Cluster) -> Iterator[ControlPlane]:
    """Start the control plane of the oldest supported version, which `make e2e` has built."""
    state = beside.state.oldest
    try:
        yield ControlPlane.of(up(state, beside.cache, OLDEST, node=False))
    finally:
        down(state)


@dataclass(frozen=True)
class Server:
    """A running `dind-webhook serve` on this machine."""

    control_plane: ControlPlane
    url: str
    ca: str
    process: int
    log: Path

    def reviews(self, namespace: str) -> int:
        """Return the number of logged reviews for a namespace."""
        return sum(f'"namespace":"{namespace}"' in line for line in self.log.read_text("utf-8").splitlines())

    @contextmanager
    def release(self, more: dict[str, Any] | None = None, **webhook: Any) -> Iterator[Release]:
        """Install the chart so that the API server calls this server. `webhook` and `more` are chart values."""
        values = {
            # No node has this label, so the Deployment's pods never run: this process serves instead.
            "nodeSelector": {"e2e.dind.io/webhook": "elsewhere"},
            "webhook": {"url": self.url, **webhook},
            "tls": {"mode": "existingSecret", "existingSecret": {"name": "not-in-a-pod", "caBundle": self.ca}},
        }
        with install_chart(self.control_plane.kube, self.control_plane.helm, merge(values, more or {})) as release:
            yield release

    @contextmanager
    def paused(self, seconds: float | None = None) -> Iterator[None]:
        """Stop the process with SIGSTOP: it does not respond until the end of the block, or for `seconds`."""
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
    """Run the server at an address that the API server can reach."""
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
