"""The resources of this machine that a cluster uses, recorded first, so that another process can release them."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field

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
    # First process of the cluster's PID namespace: when it ends, the kernel kills all other processes
    init_process: Process | None = None
    # Process IDs by name of service
    services: dict[str, int] = field(default_factory=dict)
    kept: bool = False

    @classmethod
    def of_all(cls) -> "list[Record]":
        """Return the records of all clusters on this machine, except for those that cannot be read."""
        found = []
        for state in State.all():
            with suppress(ClusterError):
                found.append(cls.load(state))
        return [record for record in found if record]

    @property
    def is_running(self) -> bool:
        return self.init_process is not None and self.init_process.is_alive

    def save(self, state: State) -> None:
        unfinished = state.record.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self), indent=2))
        unfinished.rename(state.record)

    @classmethod
    def load(cls, state: State) -> "Record | None":
        """Return the record of a cluster, or None if no cluster has that name."""
        try:
            read = json.loads(state.record.read_text())
            init_process = read["init_process"]
            converted = {
                "link": Link(**read["link"]),
                "owner": Process(**read["owner"]),
                "init_process": Process(**init_process) if init_process else None,
            }
            return cls(**{**read, **converted})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise ClusterError(
                f"{state.record} cannot be read ({error!r}); another version of these tests may have written it: "
                "take the cluster down with that version, or choose another name, as in CLUSTER=other"
            ) from error
