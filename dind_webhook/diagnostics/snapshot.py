"""A snapshot of a cluster, read once for all checks."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from dind_webhook.diagnostics.expected_webhook import PART_OF, WEBHOOK_NAME_SUFFIX
from dind_webhook.injection import INJECT, NAMESPACE_VALUES, Mode, Policy
from dind_webhook.model import JsonObject, selects


class ServerEndpoint(NamedTuple):
    """An address of the server, and the certificate that it serves, in DER, or why there is none.

    `trust_error` says why the CA bundle does not trust the certificate; None if it does.
    """

    address: str
    certificate: bytes = b""
    trust_error: str | None = None
    connection_error: str | None = None


class DryRun(NamedTuple):
    """A dry-run of a pod that requests Docker: the pod after admission, or the API server's refusal."""

    namespace: str
    mode: Mode
    pod: JsonObject | None
    refusal: str = ""


class ObjectId(NamedTuple):
    """A ConfigMap or Secret."""

    namespace: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """JSON objects as the API server returned them. `unavailable` maps a member to why it could not be read."""

    taken_at: datetime
    unavailable: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    # All MutatingWebhookConfigurations, and that of the checked installation
    configurations: tuple[JsonObject, ...] = ()
    configuration: JsonObject | None = None
    # The MutatingAdmissionPolicies that inject pods, and the names of those that have a binding; empty if unreadable
    injecting_policies: tuple[JsonObject, ...] = ()
    bound_injecting_policies: frozenset[str] = frozenset()
    # Without a configuration: another object of an installation whose configuration was deleted
    orphan: JsonObject | None = None
    admission_policies: tuple[JsonObject, ...] = ()
    policy_bindings: tuple[JsonObject, ...] = ()
    injection_policy: Policy
    service: JsonObject | None = None
    deployment: JsonObject | None = None
    slices: tuple[JsonObject, ...] = ()
    endpoints: tuple[ServerEndpoint, ...] = ()
    daemonset: JsonObject | None = None
    daemons: tuple[JsonObject, ...] = ()
    nodes: tuple[JsonObject, ...] = ()
    namespaces: tuple[JsonObject, ...] = ()
    pods: tuple[JsonObject, ...] = ()
    workloads: tuple[JsonObject, ...] = ()
    events: tuple[JsonObject, ...] = ()
    dry_runs: tuple[DryRun, ...] = ()
    # The ConfigMaps and Secrets with files of daemons, None for those that do not exist
    daemon_objects: Mapping[ObjectId, JsonObject | None] = field(default_factory=dict)

    @property
    def has_only_policies(self) -> bool:
        """Return whether policies of the API server inject pods, and no webhook does."""
        return self.configuration is None and bool(self.injecting_policies)


def name_of(resource: JsonObject) -> str:
    """Return an object's name."""
    return str(resource.get("metadata", {}).get("name", ""))


def namespace_of(resource: JsonObject) -> str:
    """Return an object's namespace."""
    return str(resource.get("metadata", {}).get("namespace", ""))


def labels_of(resource: JsonObject) -> Mapping[str, Any]:
    """Return an object's labels."""
    return resource.get("metadata", {}).get("labels") or {}


def annotations_of(resource: JsonObject) -> Mapping[str, Any]:
    """Return an object's annotations."""
    return resource.get("metadata", {}).get("annotations") or {}


def namespace_label_of(namespace: JsonObject) -> str:
    """Return the value of a namespace's label that requests injection, or an empty text."""
    return str(labels_of(namespace).get(INJECT, ""))


def controller_of(resource: JsonObject) -> JsonObject | None:
    """Return the reference to the owner that controls an object, such as the ReplicaSet of a pod, or None."""
    owners = resource["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def describe_controller(controller: JsonObject | None) -> str:
    """Return the kind and the name of a controller, such as `Job/build`, or an empty text."""
    return f"{controller['kind']}/{controller['name']}" if controller else ""


def container_statuses_of(pod: JsonObject) -> list[JsonObject]:
    """Return the statuses of a pod's containers, init containers first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def has_finished(pod: JsonObject) -> bool:
    """Return whether all containers of a pod have ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def webhooks_of(configuration: JsonObject | None) -> dict[str, JsonObject]:
    """Return our webhooks in a configuration, by name."""
    webhooks = (configuration or {}).get("webhooks") or []
    return {webhook["name"]: webhook for webhook in webhooks if webhook["name"].endswith(WEBHOOK_NAME_SUFFIX)}


def webhook_for_namespace(configuration: JsonObject, namespace: JsonObject) -> JsonObject | None:
    """Return the webhook that is called for pods of a namespace, or None if there is none."""
    for entry in webhooks_of(configuration).values():
        if selects(entry.get("namespaceSelector"), labels_of(namespace)):
            return entry
    return None


def called_service(configuration: JsonObject | None) -> JsonObject | None:
    """Return the reference to the Service that a configuration calls, or None if it calls a URL."""
    references = (entry["clientConfig"].get("service") for entry in webhooks_of(configuration).values())
    return next(filter(None, references), None)


def bundle_of(entry: JsonObject) -> bytes:
    """Return the caBundle of a webhook in PEM, empty if it has none."""
    return base64.b64decode(entry["clientConfig"].get("caBundle") or "")


def server_name_of(entry: JsonObject) -> str:
    """Return the host name that the API server expects in the certificate."""
    client = entry["clientConfig"]
    if service := client.get("service"):
        return f"{service['name']}.{service['namespace']}.svc"
    return urlsplit(client.get("url", "")).hostname or ""


def is_ready(endpoint: JsonObject) -> bool:
    """Return whether an endpoint of an EndpointSlice receives traffic; without a condition, it does."""
    return (endpoint.get("conditions") or {}).get("ready") is not False


def is_part_of_chart(resource: JsonObject) -> bool:
    """Return whether an object has the chart's label."""
    key, _, value = PART_OF.partition("=")
    return labels_of(resource).get(key) == value


def release_namespace(configuration: JsonObject | None) -> str:
    """Return the namespace of a configuration's server, or an empty text if it is not known."""
    for entry in webhooks_of(configuration).values():
        if service := entry["clientConfig"].get("service"):
            return str(service["namespace"])
    return str(annotations_of(configuration or {}).get("meta.helm.sh/release-namespace", ""))


def release_name(configuration: JsonObject | None) -> str:
    """Return the name of the release that a configuration belongs to."""
    return str(labels_of(configuration or {}).get("app.kubernetes.io/instance", "dind-webhook"))


def has_opted_in(namespace: JsonObject) -> bool:
    """Return whether a namespace has a label that requests injection."""
    return labels_of(namespace).get(INJECT) in NAMESPACE_VALUES


def is_selected(configuration: JsonObject | None, namespace: JsonObject) -> bool:
    """Return whether the namespaceSelectors of a configuration match a namespace."""
    return configuration is not None and webhook_for_namespace(configuration, namespace) is not None


def is_injected_in(configuration: JsonObject | None, policies: Iterable[JsonObject], namespace: JsonObject) -> bool:
    """Return whether a webhook configuration or one of the injecting policies selects a namespace."""
    return is_selected(configuration, namespace) or any(is_policy_selected(each, namespace) for each in policies)


def is_policy_selected(policy: JsonObject, namespace: JsonObject) -> bool:
    """Return whether a policy's namespaceSelector matches a namespace."""
    return selects(policy["spec"]["matchConstraints"].get("namespaceSelector"), labels_of(namespace))


def calls_for_pods(configuration: JsonObject) -> bool:
    """Return whether a webhook configuration has rules for pods."""
    rules = [rule for webhook in configuration.get("webhooks") or [] for rule in webhook.get("rules") or []]
    return any({"pods", "*", "*/*"} & set(rule.get("resources", [])) for rule in rules)
