"""Moves pods from the node's container runtime, or from a daemon of their own, to injection.

Pure: no I/O, no clock, no logger, no environment. `usage` finds what a pod uses, `known_images` and `examine` find the
verdict, `socket_removal` and `daemon_removal` plan what a rewrite removes, and `operations` renders the plan as a JSON
patch. `nested` searches objects whose kind is not known.
"""

from dind_webhook.migration.examine import MigrationRequest, examine
from dind_webhook.migration.finding import Finding, Verdict
from dind_webhook.migration.nested import examine_unknown
from dind_webhook.migration.operations import guard_operations

__all__ = ["Finding", "MigrationRequest", "Verdict", "examine", "examine_unknown", "guard_operations"]
