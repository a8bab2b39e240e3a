"""`check`, `explain` and `migrate` on a live cluster, by reads and dry-runs only.

`collect` reads the cluster into a snapshot, through a protocol that `dind_webhook.kube` implements. `checks` are pure
functions over the snapshot. The table of checks drives the command, its reference page and its tests.
"""

from dind_webhook.diagnostics.check import Category, Check, Finding, Result, Status, run_checks
from dind_webhook.diagnostics.checks.namespaces import pod_security_fix, pod_security_problem
from dind_webhook.diagnostics.collect.explain_inputs import ExplainInputs, collect_explain_inputs, find_owner
from dind_webhook.diagnostics.collect.injected_pods import InjectedPods, collect_injected_pods
from dind_webhook.diagnostics.collect.reader import ClusterApi, Scope
from dind_webhook.diagnostics.collect.snapshot import read_snapshot
from dind_webhook.diagnostics.collect.workloads import LiveWorkload, read_workloads
from dind_webhook.diagnostics.explain import (
    AdmissionInputs,
    custom_match_conditions,
    decide_live,
    find_exclusion,
    has_docker,
    misplaced_keys_of,
    reaches_webhook,
    recreation_hint,
    remedy_for,
)
from dind_webhook.diagnostics.injected_pods import InjectedPod, Usage
from dind_webhook.diagnostics.registry import CHECKS
from dind_webhook.diagnostics.resource_ref import ResourceRef, collection_path, parse_resource_ref
from dind_webhook.diagnostics.snapshot import Snapshot, annotations_of, name_of, namespace_label_of, namespace_of

__all__ = [
    "CHECKS",
    "AdmissionInputs",
    "Category",
    "Check",
    "ClusterApi",
    "ExplainInputs",
    "Finding",
    "InjectedPod",
    "InjectedPods",
    "LiveWorkload",
    "ResourceRef",
    "Result",
    "Scope",
    "Snapshot",
    "Status",
    "Usage",
    "annotations_of",
    "collect_explain_inputs",
    "collect_injected_pods",
    "collection_path",
    "custom_match_conditions",
    "decide_live",
    "find_exclusion",
    "find_owner",
    "has_docker",
    "misplaced_keys_of",
    "name_of",
    "namespace_label_of",
    "namespace_of",
    "parse_resource_ref",
    "pod_security_fix",
    "pod_security_problem",
    "reaches_webhook",
    "read_snapshot",
    "read_workloads",
    "recreation_hint",
    "remedy_for",
    "run_checks",
]
