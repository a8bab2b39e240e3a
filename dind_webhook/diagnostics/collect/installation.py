"""Reads one installation: its settings, its server, its daemons."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from dind_webhook.diagnostics.collect.reader import ClusterReader, Scope, describe_read_error
from dind_webhook.diagnostics.expected_webhook import PART_OF
from dind_webhook.diagnostics.snapshot import (
    ServerEndpoint,
    bundle_of,
    called_service,
    is_part_of_chart,
    is_ready,
    name_of,
    namespace_of,
    release_name,
    release_namespace,
    server_name_of,
    webhooks_of,
)
from dind_webhook.errors import ApiError, ForbiddenError, NotFoundError, SettingsError
from dind_webhook.injection import Mode, Policy
from dind_webhook.kube import ProbedCertificate
from dind_webhook.model import JsonObject
from dind_webhook.settings import InjectionSettings, make_policy, parse_settings

_MAX_ENDPOINTS = 10
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def choose_installation(configurations: Iterable[JsonObject], scope: Scope) -> JsonObject | None:
    """Return the configuration of the installation in scope, or None; NotFoundError if the scope names another one."""
    installations = sorted(filter(_is_installation, configurations), key=name_of)
    in_scope = [each for each in installations if _is_in_scope(each, scope)]
    if not in_scope and installations and (scope.webhook or scope.release):
        names = ", ".join(f"{name_of(each)} of release {release_name(each)}" for each in installations)
        raise NotFoundError(f"no installation has that name; installed: {names}", "use another --release or --webhook")
    return in_scope[0] if in_scope else None


def _is_installation(configuration: JsonObject) -> bool:
    return bool(webhooks_of(configuration)) or is_part_of_chart(configuration)


def _is_in_scope(configuration: JsonObject, scope: Scope) -> bool:
    return scope.webhook in (None, name_of(configuration)) and scope.release in (None, release_name(configuration))


def read_injecting_policies(reader: ClusterReader, scope: Scope) -> tuple[tuple[JsonObject, ...], frozenset[str]]:
    """Return the policies of the API server that inject pods, and the names of the policies that have a binding.

    Nothing if they cannot be read: most installations have none, and most API servers before 1.36 do not know them.
    """
    reader.report_progress("injecting policies")
    try:
        policies = tuple(reader.cluster.items(f"{_ADMISSION}/mutatingadmissionpolicies"))
        bindings = tuple(reader.cluster.items(f"{_ADMISSION}/mutatingadmissionpolicybindings")) if policies else ()
    except ApiError:
        return (), frozenset()
    own = (each for each in policies if is_part_of_chart(each) and scope.release in (None, release_name(each)))
    return tuple(own), frozenset(str(each["spec"].get("policyName")) for each in bindings)


def read_installation(reader: ClusterReader, configuration: JsonObject | None) -> dict[str, Any]:
    """Return the members of a snapshot that belong to an installation.

    `configuration` is that of the webhook, or one of the policies that inject pods in its place.
    """
    system = release_namespace(configuration)
    empty: dict[str, Any] = {
        "injection_policy": default_policy(),
        "service": None,
        "deployment": None,
        "slices": (),
        "endpoints": (),
        "daemonset": None,
        "daemons": (),
    }
    if configuration is None or not system:
        reason = reader.unavailable.get("configurations", "the namespace of the server is not known")
        reader.unavailable.update(dict.fromkeys(empty, reason))
        return empty
    webhook, dind = _selector(configuration, "webhook"), _selector(configuration, "dind")
    apps = f"/apis/apps/v1/namespaces/{system}"
    deployments = reader.list("deployment", "the server", f"{apps}/deployments", labelSelector=webhook)
    daemonsets = reader.list("daemonset", "the DaemonSet", f"{apps}/daemonsets", labelSelector=dind)
    policy = read_policy(reader, configuration)
    service, slices = _read_service(reader, configuration)
    is_off = all(Mode.DAEMONSET not in variant.modes for variant in policy.variants)
    if not daemonsets and "injection_policy" not in reader.unavailable and is_off:
        reader.unavailable.update(dict.fromkeys(("daemonset", "daemons"), "daemonset mode is off"))
    return {
        "injection_policy": policy,
        "service": service,
        "deployment": next(iter(deployments), None),
        "slices": slices,
        "endpoints": _read_endpoints(reader, configuration, slices),
        "daemonset": next(iter(daemonsets), None),
        "daemons": _read_daemons(reader, daemonsets[0]) if daemonsets else (),
    }


def _selector(configuration: JsonObject, component: str) -> str:
    release = release_name(configuration)
    return f"{PART_OF},app.kubernetes.io/instance={release},app.kubernetes.io/component={component}"


def _read_daemons(reader: ClusterReader, daemonset: JsonObject) -> tuple[JsonObject, ...]:
    # The pods do not have all labels of the DaemonSet.
    selector = ",".join(f"{key}={value}" for key, value in daemonset["spec"]["selector"]["matchLabels"].items())
    path = f"/api/v1/namespaces/{namespace_of(daemonset)}/pods"
    return reader.list("daemons", "daemons", path, labelSelector=selector)


def _read_service(reader: ClusterReader, configuration: JsonObject) -> tuple[JsonObject | None, tuple[JsonObject, ...]]:
    reference = called_service(configuration)
    if reference is None:
        reader.unavailable.update(dict.fromkeys(("service", "slices"), "the API server calls a URL, not a Service"))
        return None, ()
    namespace, name = reference["namespace"], reference["name"]

    def read() -> JsonObject | None:
        try:
            return reader.cluster.get(f"/api/v1/namespaces/{namespace}/services/{name}")
        except NotFoundError:
            return None

    service = reader.read("service", "the Service", read, None)
    slices = reader.list(
        "slices",
        "its endpoints",
        f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
        labelSelector=f"kubernetes.io/service-name={name}",
    )
    return service, slices


def default_policy() -> Policy:
    """Return the policy with built-in settings."""
    return make_policy(InjectionSettings())


def policy_of(config_maps: Iterable[JsonObject]) -> Policy | None:
    """Return the policy in an installation's ConfigMap, or None if none can be used."""
    texts = [text for config_map in config_maps if (text := (config_map.get("data") or {}).get("settings.yaml"))]
    if not texts:
        return None
    try:
        return make_policy(parse_settings(texts[0], "ConfigMap", {}).settings.injection)
    except SettingsError:
        return None


def read_policy(reader: ClusterReader, configuration: JsonObject) -> Policy:
    """Return the policy of an installation, by default the one with built-in settings."""
    path = f"/api/v1/namespaces/{release_namespace(configuration)}/configmaps"
    selector = _selector(configuration, "webhook")
    policy = policy_of(reader.list("injection_policy", "settings", path, labelSelector=selector))
    if policy is None:
        reader.unavailable.setdefault("injection_policy", "no ConfigMap has settings that can be used")
    return policy or default_policy()


def _read_endpoints(
    reader: ClusterReader,
    configuration: JsonObject,
    slices: tuple[JsonObject, ...],
) -> tuple[ServerEndpoint, ...]:
    entry = next(iter(webhooks_of(configuration).values()), None)
    if entry is None:
        return ()
    name, bundle = server_name_of(entry), bundle_of(entry)
    if "service" not in entry["clientConfig"]:
        reader.report_progress("the served certificate")
        url = urlsplit(entry["clientConfig"].get("url", ""))
        host, port = url.hostname or "", url.port or 443
        return (_probe(f"{host}:{port}", lambda: reader.cluster.probe_tls_at(host, port, name, bundle)),)
    endpoints = []
    for pod, port in _ready_pods(slices)[:_MAX_ENDPOINTS]:
        reader.report_progress(f"the certificate of pod {pod['name']}")
        try:
            served = reader.cluster.probe_pod_tls(pod["namespace"], pod["name"], port, name, bundle)
            endpoints.append(ServerEndpoint(f"pod {pod['name']}", served.certificate, served.trust_error))
        except ForbiddenError as error:
            reader.unavailable["endpoints"] = describe_read_error(error)
            return ()
        except ApiError as error:
            endpoints.append(ServerEndpoint(f"pod {pod['name']}", connection_error=str(error)))
    if not endpoints:
        reader.unavailable.setdefault("endpoints", reader.unavailable.get("slices", "there is no ready endpoint"))
    return tuple(endpoints)


def _ready_pods(slices: Iterable[JsonObject]) -> list[tuple[JsonObject, int]]:
    return [
        (endpoint["targetRef"], each["ports"][0]["port"])
        for each in slices
        for endpoint in each.get("endpoints") or []
        if is_ready(endpoint) and (endpoint.get("targetRef") or {}).get("kind") == "Pod" and each.get("ports")
    ]


def _probe(address: str, probe: Callable[[], ProbedCertificate]) -> ServerEndpoint:
    try:
        served = probe()
    except ApiError as error:
        return ServerEndpoint(address, connection_error=str(error))
    return ServerEndpoint(address, served.certificate, served.trust_error)
