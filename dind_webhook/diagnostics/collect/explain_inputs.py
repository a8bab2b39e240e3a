"""Reads the inputs of a decision besides the pod, for `explain`."""

from typing import NamedTuple

from dind_webhook.diagnostics.collect.installation import (
    choose_installation,
    default_policy,
    read_injecting_policies,
    read_policy,
)
from dind_webhook.diagnostics.collect.reader import ClusterApi, ClusterReader, Scope
from dind_webhook.diagnostics.expected_webhook import NAME_LABEL
from dind_webhook.diagnostics.explain import AdmissionInputs
from dind_webhook.diagnostics.resource_ref import parse_resource_ref
from dind_webhook.diagnostics.snapshot import controller_of, describe_controller, release_namespace
from dind_webhook.errors import ForbiddenError, ManifestError, NoClusterError, NotFoundError
from dind_webhook.injection import INJECT, Policy
from dind_webhook.model import JsonObject


class ExplainInputs(NamedTuple):
    """The inputs, and notes about those that could not be read and were assumed."""

    admission: AdmissionInputs
    notes: tuple[str, ...]


def collect_explain_inputs(
    cluster: ClusterApi, namespace: str, label: str | None, policy: Policy | None, scope: Scope
) -> ExplainInputs:
    """Read the inputs of decisions on pods of a namespace.

    `label` and `policy` are read from the cluster unless the user gives them.
    """
    reader = ClusterReader(cluster, lambda _: None)
    configurations = reader.list(
        "configurations",
        "webhook configurations",
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    )
    configuration = choose_installation(configurations, scope)
    injecting_policies, _ = read_injecting_policies(reader, scope)
    installation = configuration or next(iter(injecting_policies), None)
    if policy is None and installation is not None and release_namespace(installation):
        policy = read_policy(reader, installation)
    notes = []
    if "configurations" in reader.unavailable:
        notes.append(
            f"assumed: the webhook is installed with the chart's defaults ({reader.unavailable['configurations']})"
        )
    elif configuration is None and injecting_policies:
        notes.append(
            "this cluster has no webhook: policies inject, and deny some pods that the webhook would inject; a dry run "
            "tells, with `kubectl create --dry-run=server`"
        )
    elif configuration is None:
        notes.append("this cluster has no webhook: `dind-webhook check` says how to install it")
    if policy is None or "injection_policy" in reader.unavailable:
        notes.append("assumed: the default settings; use --config to give those of the cluster")
    namespace_object = _read_namespace(cluster, namespace, label)
    return ExplainInputs(
        AdmissionInputs(namespace_object, configuration, policy or default_policy(), injecting_policies), tuple(notes)
    )


def _read_namespace(cluster: ClusterApi, name: str, label: str | None) -> JsonObject:
    if label is not None:
        labels = {NAME_LABEL: name} | ({INJECT: label} if label else {})
        return {"metadata": {"name": name, "labels": labels}}
    try:
        return cluster.get(f"/api/v1/namespaces/{name}")
    except ForbiddenError as error:
        raise NoClusterError(
            f"the label of namespace {name} cannot be read: {error}",
            f"ask its owner for `kubectl get namespace {name} --show-labels`, then use --namespace-label",
        ) from None
    except NotFoundError:
        raise NotFoundError(f"there is no namespace {name}", "see `kubectl get namespaces`") from None


def find_owner(cluster: ClusterApi, resource: JsonObject, namespace: str) -> JsonObject | None:
    """Return the workload that owns a pod, such as the Deployment of its ReplicaSet; None if it cannot be read."""
    workload = None
    while owner := controller_of(resource):
        try:
            ref = parse_resource_ref(describe_controller(owner))
            workload = resource = {**cluster.get(ref.path(namespace)), "kind": ref.kind}
        except (ForbiddenError, NotFoundError, ManifestError):
            break
    return workload
