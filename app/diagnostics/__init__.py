"""The doctor: what a live install has to be, held against what it is. Reads and dry-runs only.

A check is a pure function over a snapshot of the cluster; `read` makes the snapshot, through a protocol that
`app.kube` fulfils. The checks' table drives the command, its reference page and their tests.
"""

from app.diagnostics.check import Category, Check, Finding, Result, Status, judge
from app.diagnostics.checks.namespaces import allow_privileged, security_problem
from app.diagnostics.collect.explain_inputs import Answer, ask, owner_of
from app.diagnostics.collect.reader import Cluster, Scope
from app.diagnostics.collect.snapshot import read_snapshot
from app.diagnostics.explain import (
    Asked,
    decide_live,
    has_docker,
    left_out_by,
    misplaced,
    other_conditions,
    recreate,
    to_change,
)
from app.diagnostics.registry import CHECKS
from app.diagnostics.resource_ref import Target, parse_target
from app.diagnostics.snapshot import Snapshot

__all__ = [
    "CHECKS",
    "Answer",
    "Asked",
    "Category",
    "Check",
    "Cluster",
    "Finding",
    "Result",
    "Scope",
    "Snapshot",
    "Status",
    "Target",
    "allow_privileged",
    "ask",
    "decide_live",
    "has_docker",
    "judge",
    "left_out_by",
    "misplaced",
    "other_conditions",
    "owner_of",
    "parse_target",
    "read_snapshot",
    "recreate",
    "security_problem",
    "to_change",
]
