"""The resources of this machine that a cluster uses, recorded first, so that another process can release them."""

import json
from dataclasses import asdict, dataclass, field

from cluster.errors import ClusterError
from cluster.link import Link
from cluster.paths import State


@dataclass
class Record:
    """The record of a cluster that is running, is starting, or was left behind."""

    name: str
    version: str
    link: Link
    # Process that starts the cluster, and removes the cluster unless it is kept
    owner: int
    sysctls: dict[str, str] = field(default_factory=dict)
    holder: int = 0
    # Process IDs by name of service
    services: dict[str, int] = field(default_factory=dict)
    kept: bool = False

    @classmethod
    def of_all(cls) -> "list[Record]":
        """Return the records of all clusters on this machine."""
        found = (cls.load(state) for state in State.all())
        return [record for record in found if record]

    def save(self, state: State) -> None:
        state.record.write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, state: State) -> "Record | None":
        """Return the record of a cluster, or None if no cluster has that name."""
        try:
            read = json.loads(state.record.read_text())
            return cls(**{**read, "link": Link(**read["link"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise ClusterError(f"{state.record} cannot be read: {error}") from error
