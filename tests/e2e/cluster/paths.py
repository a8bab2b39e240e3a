"""Paths of the cache, which is kept, and of a cluster's state, which is removed with the cluster."""

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "dind-webhook"


@dataclass(frozen=True)
class Cache:
    """The directory of built programs and images, and of logs."""

    root: Path

    @classmethod
    def of_user(cls) -> "Cache":
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(base) / "dind-webhook")

    @property
    def images(self) -> Path:
        return self._folder("images")

    @property
    def kernel(self) -> Path:
        return self._folder("kernel")

    @property
    def docker(self) -> Path:
        """Return the data directory of the Docker daemon that builds the webhook's image."""
        return self._folder("docker")

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Wait until no other process holds the lock of this name, and hold it during the block."""
        with (self._folder() / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def bin(self, component: str, version: str) -> Path:
        return self._folder("bin", f"{component}-{version}")

    def modules(self, component: str, version: str) -> Path:
        return self._folder("modules", f"{component}-{version}")

    def logs(self, name: str) -> Path:
        """Return the folder of a cluster's logs, which are kept if the start fails; the state folder is removed."""
        return self._folder("logs", name)

    def _folder(self, *parts: str) -> Path:
        folder = self.root.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True)
class State:
    """The state folder of the cluster with this name."""

    name: str

    def __post_init__(self) -> None:
        # The name of the network interface contains it, and has at most 15 characters.
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,9}", self.name):
            raise ClusterError(
                f'"{self.name}" is no name for a cluster: use up to 10 of a to z, 0 to 9 and "-", as in CLUSTER=dev'
            )

    @classmethod
    def all(cls) -> "list[State]":
        """Return the states of all clusters on this machine."""
        records = Path(tempfile.gettempdir()).glob("dind-webhook-*/cluster.json")
        return [cls(record.parent.name.removeprefix("dind-webhook-")) for record in records]

    @property
    def oldest(self) -> "State":
        """Return the state of the second control plane, which runs the oldest supported Kubernetes."""
        return State(f"{self.name[:6]}-old")

    @property
    def root(self) -> Path:
        return Path(tempfile.gettempdir()) / f"dind-webhook-{self.name}"

    @property
    def record(self) -> Path:
        return self.root / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def link(self) -> str:
        return f"dind-{self.name}"

    @property
    def cgroup(self) -> str:
        return f"dind-webhook-{self.name}"

    @property
    def tmpfs(self) -> Path:
        """Return the mount point of a tmpfs, which is mounted only in the cluster's mount namespace."""
        return self.root / "tmpfs"
