"""`dind-webhook migrate`, on a cluster."""

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

import jsonpatch

from dind_webhook.cli.changes import print_diff
from dind_webhook.cli.exit_codes import FAILED
from dind_webhook.cli.migrate_report import ReportedFinding, print_findings, print_findings_as_json
from dind_webhook.cli.output import MigrateOutput
from dind_webhook.diagnostics import (
    LiveWorkload,
    collection_path,
    name_of,
    namespace_label_of,
    namespace_of,
    read_workloads,
)
from dind_webhook.errors import ApiError, ForbiddenError
from dind_webhook.injection import INJECT, NAMESPACE_VALUES, Mode
from dind_webhook.kube import KubeClient
from dind_webhook.manifests import Change, dump_yaml
from dind_webhook.migration import Finding, MigrationRequest, Verdict, examine, guard_operations
from dind_webhook.model import JsonObject, PodTemplate, prefix_paths
from dind_webhook.settings import load_policy

_Workload: TypeAlias = LiveWorkload[Finding]
_IMMUTABLE_KINDS = ("Pod", "Job")


def run_migrate_live(
    *,
    namespace: str | None,
    all_namespaces: bool,
    mode: Mode,
    output: MigrateOutput,
    apply: bool,
    kubeconfig: Path | None,
    context: str | None,
    color: str,
    config: Path | None,
) -> int:
    """Find what to migrate in a cluster, and with `apply` change it; return 0, or 1 if something is left.

    Each object is changed by a JSON patch, after a dry run of the same patch.
    """
    request = MigrationRequest(mode, load_policy(config, os.environ))
    cluster = KubeClient(kubeconfig, context)
    cluster.version()
    scope = None if all_namespaces else namespace or cluster.namespace
    describe_opt_in = cache(lambda name: _describe_missing_opt_in(cluster, name))
    workloads = [_mark_unchangeable(each) for each in _read(cluster, scope, request)]
    reported = []
    for workload in workloads:
        finding, is_changed = workload.examined, False
        if finding.verdict is Verdict.CONVERTS:
            finding, is_changed = _convert(cluster, workload, describe_opt_in, apply=apply)
        reported.append(_report(workload, finding, is_changed=is_changed))
    if output is MigrateOutput.JSON:
        print_findings_as_json(reported, [], [])
    elif output is MigrateOutput.DIFF:
        print_findings(reported, color, file=sys.stderr)
        for workload in workloads:
            if workload.examined.operations:
                print_diff(_change(workload), "migrated", color)
    else:
        print_findings(reported, color)
    return FAILED if any(each.is_left for each in reported) else 0


def _read(cluster: KubeClient, namespace: str | None, request: MigrationRequest) -> list[_Workload]:
    def examine_template(template: PodTemplate) -> Finding | None:
        own_request = request.for_namespace(namespace_of(template.owner))
        return examine(template.pod, template.owner["kind"], own_request, template.claim_names())

    try:
        return list(read_workloads(cluster, namespace, examine_template))
    except ForbiddenError as error:
        raise ForbiddenError(
            str(error), "ask the cluster's administrators for the rights in deploy/rbac/migrate.yaml"
        ) from None


def _mark_unchangeable(workload: _Workload) -> _Workload:
    """Return the workload with the verdict `needs a person` if its object cannot be changed in the cluster."""
    kind, name = workload.resource["kind"], name_of(workload.resource)
    if workload.examined.verdict is not Verdict.CONVERTS:
        return workload
    if workload.is_reference:
        reason = f"{kind}/{name} creates its pods, and its kind is not understood here; change it by hand"
    elif workload.owner:
        reason = f"{workload.owner} controls it and would undo a change; change that object by hand"
    elif kind in _IMMUTABLE_KINDS:
        reason = (
            f"nobody can change the volumes of an existing {kind}; create it again from its manifest, which "
            "`dind-webhook migrate -f` rewrites, or change what creates it"
        )
    else:
        return workload
    return workload._replace(examined=workload.examined.needing_a_person(reason))


def _describe_missing_opt_in(cluster: KubeClient, name: str) -> str:
    """Return what is missing for pods of a namespace to be injected, or an empty text."""
    try:
        if namespace_label_of(cluster.get(f"/api/v1/namespaces/{name}")) in NAMESPACE_VALUES:
            return ""
    except ApiError as error:
        return f"whether namespace {name} has opted in is not known: {error}"
    return f"namespace {name} has not opted in; first run `kubectl label namespace {name} {INJECT}=enabled`"


def _convert(
    cluster: KubeClient, workload: _Workload, describe_opt_in: Callable[[str], str], *, apply: bool
) -> tuple[Finding, bool]:
    """Return the finding about a workload that converts, and whether the workload was changed."""
    finding, missing = workload.examined, describe_opt_in(namespace_of(workload.resource))
    if not apply:
        return finding._replace(reason=f"{finding.reason}; {missing}" if missing else finding.reason), False
    if missing:
        return finding.needing_a_person(f"not applied: {missing}"), False
    resource = workload.resource
    path = f"{collection_path(resource['kind'], namespace_of(resource))}/{name_of(resource)}"
    operations = guard_operations(resource, prefix_paths(workload.pointer, finding.operations))
    try:
        for dry_run in (True, False):
            cluster.patch(path, operations, dry_run=dry_run)
    except ApiError as error:
        return finding.needing_a_person(f"not applied: {error}"), False
    return finding, True


def _report(workload: _Workload, finding: Finding, *, is_changed: bool) -> ReportedFinding:
    resource = workload.resource
    return ReportedFinding(
        resource["kind"],
        namespace_of(resource),
        name_of(resource),
        workload.owner,
        workload.state,
        finding,
        is_changed,
    )


def _change(workload: _Workload) -> Change:
    resource = _without_status(workload.resource)
    operations = prefix_paths(workload.pointer, workload.examined.operations)
    name = f"{resource['kind'].lower()}/{name_of(resource)} in namespace {namespace_of(resource)}"
    after = jsonpatch.apply_patch(resource, operations)
    return Change((name,), dump_yaml(resource), dump_yaml(after), ())


def _without_status(resource: JsonObject) -> JsonObject:
    metadata = {key: value for key, value in resource["metadata"].items() if key != "managedFields"}
    return {key: value for key, value in resource.items() if key != "status"} | {"metadata": metadata}
