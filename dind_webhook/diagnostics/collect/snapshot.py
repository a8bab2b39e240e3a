"""Reads a cluster for the checks, each list once. Objects that may not be read are noted, and reading continues."""

from collections.abc import Callable
from datetime import UTC, datetime

from dind_webhook.diagnostics.collect.installation import (
    choose_installation,
    read_injecting_policies,
    read_installation,
)
from dind_webhook.diagnostics.collect.reader import ClusterApi, ClusterReader, Scope, describe_read_error
from dind_webhook.diagnostics.daemon_files import file_references
from dind_webhook.diagnostics.dry_run_pod import dry_run_pod
from dind_webhook.diagnostics.explain import has_docker, misplaced_keys_of, requests_docker
from dind_webhook.diagnostics.resource_ref import collection_path, namespace_prefix
from dind_webhook.diagnostics.snapshot import (
    DryRun,
    ObjectId,
    Snapshot,
    has_opted_in,
    is_injected_in,
    is_part_of_chart,
    name_of,
)
from dind_webhook.errors import ApiError, ForbiddenError, NotFoundError, RefusedError
from dind_webhook.injection import Isolation, Mode, Policy
from dind_webhook.model import JsonObject

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
# A dry-run takes some 20 ms. Policies and the objects that they name differ from namespace to namespace.
_MAX_NAMESPACES = 100
_MAX_DAEMON_OBJECTS = 500
# The kinds that people write; controllers create the other kinds from them.
_WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job")


def read_snapshot(
    cluster: ClusterApi,
    scope: Scope,
    report_progress: Callable[[str], None],
) -> Snapshot:
    """Return a snapshot; `report_progress` is called with the name of each thing before it is read.

    NotFoundError if the scope names an object that does not exist.
    """
    reader = ClusterReader(cluster, report_progress)
    version = reader.read("version", "the version of the API server", cluster.version, "")
    configurations = reader.list(
        "configurations", "webhook configurations", f"{_ADMISSION}/mutatingwebhookconfigurations"
    )
    configuration = choose_installation(configurations, scope)
    injecting_policies, bound = read_injecting_policies(reader, scope)
    release = read_installation(reader, configuration or next(iter(injecting_policies), None))
    injection_policy = release.pop("injection_policy")
    admission_policies = reader.list(
        "admission_policies", "admission policies", f"{_ADMISSION}/validatingadmissionpolicies"
    )
    policy_bindings = reader.list(
        "policy_bindings", "their bindings", f"{_ADMISSION}/validatingadmissionpolicybindings"
    )
    namespaces = _read_namespaces(reader, scope)
    pods = _read_pods(reader, scope)
    events = f"/api/v1/{namespace_prefix(scope.namespace)}events"
    names = [
        name_of(each)
        for each in namespaces
        if _can_get_pods(each) and is_injected_in(configuration, injecting_policies, each)
    ]
    dry_runs = _read_dry_runs(reader, scope, names, injection_policy, release["daemonset"])
    return Snapshot(
        taken_at=datetime.now(UTC),
        unavailable=reader.unavailable,
        version=version,
        configurations=configurations,
        configuration=configuration,
        orphan=next(filter(is_part_of_chart, (*admission_policies, *policy_bindings)), None),
        injecting_policies=injecting_policies,
        bound_injecting_policies=bound,
        admission_policies=admission_policies,
        policy_bindings=policy_bindings,
        injection_policy=injection_policy,
        nodes=_read_nodes(reader, release["daemonset"], injection_policy),
        namespaces=namespaces,
        pods=pods,
        workloads=_read_workloads(reader, scope),
        events=reader.list("events", "events", events, fieldSelector="reason=FailedCreate"),
        dry_runs=dry_runs,
        daemon_objects=_read_daemon_objects(reader, pods, dry_runs, injection_policy),
        **release,
    )


def _read_nodes(reader: ClusterReader, daemonset: JsonObject | None, policy: Policy) -> tuple[JsonObject, ...]:
    """Return the nodes if a check needs them: a large cluster has many."""
    is_isolated = any(variant.defaults.isolation is not Isolation.NONE for variant in policy.variants)
    if daemonset is None and not is_isolated and not policy.node_selector:
        return ()
    return reader.list("nodes", "nodes", "/api/v1/nodes")


def _read_daemon_objects(
    reader: ClusterReader, pods: tuple[JsonObject, ...], dry_runs: tuple[DryRun, ...], policy: Policy
) -> dict[ObjectId, JsonObject | None]:
    """Return the ConfigMaps and Secrets of which daemons get files."""
    objects: dict[ObjectId, JsonObject | None] = {}
    # A dict, because it keeps the order, and has each source once.
    sources = dict.fromkeys(reference.source for _, reference in file_references(pods, dry_runs, policy))
    for source in sources:
        if len(objects) < _MAX_DAEMON_OBJECTS:
            path = f"/api/v1/namespaces/{source.namespace}/{source.kind.lower()}s/{source.name}"
            try:
                objects[source] = reader.cluster.get(path)
            except NotFoundError:
                objects[source] = None
            except ApiError as error:
                reader.unavailable["daemon_objects"] = describe_read_error(error)
    if objects:
        # Some may be read: many people may read ConfigMaps, but no Secrets.
        reader.unavailable.pop("daemon_objects", None)
    return objects


def _read_namespaces(reader: ClusterReader, scope: Scope) -> tuple[JsonObject, ...]:
    if scope.namespace is None:
        return reader.list("namespaces", "namespaces", "/api/v1/namespaces")
    path = f"/api/v1/namespaces/{scope.namespace}"
    missing = NotFoundError(f"there is no namespace {scope.namespace}", "see `kubectl get namespaces`")
    return reader.read("namespaces", "the namespace", lambda: (reader.cluster.get(path),), (), missing)


def _can_get_pods(namespace: JsonObject) -> bool:
    """Return whether a namespace accepts pods that request Docker: it has opted in and is not being deleted."""
    return has_opted_in(namespace) and "deletionTimestamp" not in namespace["metadata"]


def _read_pods(reader: ClusterReader, scope: Scope) -> tuple[JsonObject, ...]:
    if scope.pod is not None:
        path = f"/api/v1/namespaces/{scope.namespace}/pods/{scope.pod}"
        missing = NotFoundError(
            f"there is no pod {scope.pod} in namespace {scope.namespace}",
            f"see `kubectl get pods --namespace {scope.namespace}`, or use another --namespace",
        )
        return reader.read("pods", f"pod {scope.pod}", lambda: (reader.cluster.get(path),), (), missing)

    def read() -> tuple[JsonObject, ...]:
        # A large cluster has many other pods; keep only these in memory.
        pods = reader.cluster.items(collection_path("Pod", scope.namespace))
        return tuple(pod for pod in pods if requests_docker(pod) or has_docker(pod))

    return reader.read("pods", "pods", read, ())


def _read_workloads(reader: ClusterReader, scope: Scope) -> tuple[JsonObject, ...]:
    if scope.pod is not None:
        return ()
    workloads: list[JsonObject] = []
    for kind in _WORKLOAD_KINDS:
        # The API server leaves out the kind of objects in a list.
        workloads += (
            {**workload, "kind": kind}
            for workload in reader.list("workloads", f"{kind}s", collection_path(kind, scope.namespace))
            if misplaced_keys_of({**workload, "kind": kind})
        )
    return tuple(workloads)


def _modes(policy: Policy, daemonset: JsonObject | None, *, is_default: bool) -> list[Mode]:
    if is_default:
        return [Mode.SIDECAR, *([Mode.DAEMONSET] if daemonset else [])]
    return [mode for mode in Mode if mode in policy.modes]


def _read_dry_runs(
    reader: ClusterReader, scope: Scope, namespaces: list[str], policy: Policy, daemonset: JsonObject | None
) -> tuple[DryRun, ...]:
    if not namespaces:
        reason = f"namespace {scope.namespace} has not opted in" if scope.namespace else "no namespace has opted in"
        reader.unavailable["dry_runs"] = reader.unavailable.get(
            "configurations", reader.unavailable.get("namespaces", reason)
        )
        return ()
    dry_runs = []
    is_default = "injection_policy" in reader.unavailable
    for namespace in namespaces[:_MAX_NAMESPACES]:
        own_policy = policy.for_namespace(namespace)
        for mode in _modes(own_policy, daemonset, is_default=is_default):
            reader.report_progress(f"a dry-run in namespace {namespace}")
            try:
                pod = reader.cluster.try_create(f"/api/v1/namespaces/{namespace}/pods", dry_run_pod(mode, own_policy))
                dry_runs.append(DryRun(namespace, mode, pod))
            except ForbiddenError as error:
                reader.unavailable["dry_runs"] = describe_read_error(error)
            except RefusedError as error:
                dry_runs.append(DryRun(namespace, mode, None, str(error)))
    if dry_runs:
        # Some namespaces allowed the dry-runs.
        reader.unavailable.pop("dry_runs", None)
    return tuple(dry_runs)
