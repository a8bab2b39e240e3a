"""The result for one pod template or object."""

from enum import StrEnum
from typing import NamedTuple

from dind_webhook.injection import DISABLED, INJECT
from dind_webhook.model import Operation

LEFT_ON_PURPOSE = f"it has {INJECT}: {DISABLED}, so it is left as it is on purpose"


class Verdict(StrEnum):
    """Whether an object can be rewritten for injection."""

    CONVERTS = "converts"
    NEEDS_A_PERSON = "needs a person"
    IS_NO_BUILD = "is no build"


class Finding(NamedTuple):
    """A pod template that uses the node's container runtime, or runs a Docker daemon of its own.

    `containers` are the names of those that do. `paths` are paths of the node, and `runtimes` the runtimes that these
    lead to. `daemon` says what shows a daemon of the pod's own; it is empty if there is none. `reason` is a sentence.
    `operations` rewrite the pod template if the verdict is `converts`; other findings have none.
    """

    containers: tuple[str, ...]
    paths: tuple[str, ...]
    runtimes: tuple[str, ...]
    daemon: str
    verdict: Verdict
    reason: str
    operations: tuple[Operation, ...] = ()

    def needing_a_person(self, reason: str) -> "Finding":
        """Return the finding with the verdict `needs a person`, and without operations."""
        return self._replace(verdict=Verdict.NEEDS_A_PERSON, reason=reason, operations=())
