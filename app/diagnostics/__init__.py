"""The doctor: what a live install has to be, held against what it is. Reads and dry-runs only.

A check is a pure function over a snapshot of the cluster; `read` makes the snapshot, through a protocol that
`app.kube` fulfils. The checks' table drives the command, its reference page and their tests.
"""

from app.diagnostics.check import Category, Check, Finding, Result, Status, run_checks
from app.diagnostics.checks.namespaces import allow_privileged, security_problem
from app.diagnostics.collect.explain_inputs import ExplainInputs, collect_explain_inputs, owner_of
from app.diagnostics.collect.reader import ClusterApi, Scope
from app.diagnostics.collect.snapshot import read_snapshot
from app.diagnostics.explain import (
    AdmissionInputs,
    decide_live,
    has_docker,
    left_out_by,
    misplaced,
    other_conditions,
    recreate,
    to_change,
)
from app.diagnostics.registry import CHECKS
from app.diagnostics.resource_ref import ResourceRef, parse_resource_ref
from app.diagnostics.snapshot import Snapshot

__all__ = [
    "CHECKS",
    "AdmissionInputs",
    "Category",
    "Check",
    "ClusterApi",
    "ExplainInputs",
    "Finding",
    "ResourceRef",
    "Result",
    "Scope",
    "Snapshot",
    "Status",
    "allow_privileged",
    "collect_explain_inputs",
    "decide_live",
    "has_docker",
    "left_out_by",
    "misplaced",
    "other_conditions",
    "owner_of",
    "parse_resource_ref",
    "read_snapshot",
    "recreate",
    "run_checks",
    "security_problem",
    "to_change",
]
