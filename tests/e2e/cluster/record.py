"""The resources of this machine that a cluster uses, recorded first, so that another process can release them."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from cluster.errors import ClusterError
from cluster.link import Link
from cluster.paths import State
from cluster.processes import Process


@dataclass
class Record:
    """The record of a cluster that is running, is starting, or was left behind."""

    name: str
    version: str
    link: Link
    # Process that starts the cluster, and removes the cluster unless it is kept
    owner: Process
    sysctls: dict[str, str] = field(default_factory=dict)
    # Of the root of cgroups version 2, by mount point
    controllers: dict[str, str] = field(default_factory=dict)
    # First process of the cluster's PID namespace: when it ends, the kernel kills all other processes
    init_process: Process | None = None
    # Process IDs by name of service
    services: dict[str, int] = field(default_factory=dict)
    kept: bool = False

    @classmethod
    def of_all(cls) -> "list[Record]":
        """Return the records of all clusters on this machine, except for those that cannot be read."""
        records = []
        for state in State.all():
            with suppress(ClusterError):
                records.append(cls.load(state))
        return [record for record in records if record]

    @property
    def is_running(self) -> bool:
        return self.init_process is not None and self.init_process.is_alive

    def save(self, state: State) -> None:
        unfinished = state.record.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self), indent=2))
        unfinished.rename(state.record)

    @classmethod
    def load(cls, state: State) -> "Record | None":
        """Return the record of a cluster, or None if no cluster has that name, or if one of another version ended.

        Raise ClusterError if a cluster is running whose record another version of these tests wrote.
        """
        remains = Remains.load(state)
        if remains is None:
            return None
        try:
            read = remains.read
            converted = {
                "link": Link(**read["link"]),
                "owner": Process(**read["owner"]),
                "init_process": remains.init_process,
            }
            return cls(**{**read, **converted})
        except (TypeError, KeyError) as error:
            if remains.init_process is None or not remains.init_process.is_alive:
                return None
            raise ClusterError(
                f"another version of these tests started the cluster {state.name}: remove it with make cluster-down "
                f"CLUSTER={state.name}, or choose another name, as in CLUSTER=other"
            ) from error


@dataclass(frozen=True)
class Remains:
    """The part of a record that is needed to release the resources, whichever version of these tests wrote it."""

    read: dict[str, Any]

    @property
    def init_process(self) -> Process | None:
        with suppress(KeyError, TypeError):
            return Process(**self.read["init_process"])
        return None

    @property
    def sysctls(self) -> dict[str, str]:
        return dict(self.read.get("sysctls") or {})

    @property
    def controllers(self) -> dict[str, str]:
        return dict(self.read.get("controllers") or {})

    @classmethod
    def load(cls, state: State) -> "Remains | None":
        """Return the remains of a cluster, or None if no cluster has that name."""
        try:
            read = json.loads(state.record.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            # A record is renamed into place, so only a crash of the machine leaves a damaged one, and no process.
            return cls({})
        return cls(read if isinstance(read, dict) else {})
