"""Which file is where: the cache outlives clusters, the state of a cluster goes with it."""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "dind-webhook"


@dataclass(frozen=True)
class Cache:
    """The directory of things that are built once (programs, images) and of logs."""

    root: Path

    @classmethod
    def of_user(cls) -> "Cache":
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(base) / "dind-webhook")

    @property
    def images(self) -> Path:
        return self._folder("images")

    @property
    def docker(self) -> Path:
        """Return where the daemon that builds the webhook's image keeps its layers."""
        return self._folder("docker")

    def bin(self, component: str, version: str) -> Path:
        return self._folder("bin", f"{component}-{version}")

    def modules(self, component: str, version: str) -> Path:
        return self._folder("modules", f"{component}-{version}")

    def logs(self, name: str) -> Path:
        """Return the folder of a cluster's logs; it is here because its state goes when bringing it up fails."""
        return self._folder("logs", name)

    def _folder(self, *parts: str) -> Path:
        folder = self.root.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True)
class State:
    """The folder of one cluster, by its name."""

    name: str

    def __post_init__(self) -> None:
        # The name is part of a network link's, which has 15 characters.
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,9}", self.name):
            raise ClusterError(
                f'"{self.name}" is no name for a cluster: use up to 10 of a to z, 0 to 9 and "-", as in CLUSTER=dev'
            )

    @classmethod
    def all(cls) -> "list[State]":
        """Return those of all clusters on this machine."""
        records = Path(tempfile.gettempdir()).glob("dind-webhook-*/cluster.json")
        return [cls(record.parent.name.removeprefix("dind-webhook-")) for record in records]

    @property
    def oldest(self) -> "State":
        """Return that of the control plane beside it, of the oldest Kubernetes that is supported."""
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
    def containerd(self) -> Path:
        return self.root / "containerd.sock"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def link(self) -> str:
        return f"dind-{self.name}"

    @property
    def cgroup(self) -> str:
        return f"dind-webhook-{self.name}"
