"""Reading what belongs to one installation: its settings, its server, its daemons."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from app.diagnostics.checks.certificate import bundle_of, server_name_of
from app.diagnostics.checks.server import called_service, is_ready
from app.diagnostics.collect.reader import ClusterReader, Scope, why_unavailable
from app.diagnostics.expected_webhook import PART_OF
from app.diagnostics.snapshot import (
    ServerEndpoint,
    entries_of,
    is_own,
    name_of,
    namespace_of,
    release_name,
    release_namespace,
)
from app.errors import ApiError, ForbiddenError, NotFoundError, SettingsError
from app.injection import Mode, Policy
from app.kube import ProbedCertificate
from app.model import JsonObject
from app.settings import InjectionSettings, make_policy, parse_settings

_MOST_ENDPOINTS = 10


def choose(configurations: Iterable[JsonObject], scope: Scope) -> JsonObject | None:
    """Return the configuration of the installation that is meant; NotFoundError where the one named is not there."""
    ours = sorted((one for one in configurations if entries_of(one) or is_own(one)), key=name_of)
    wanted = [
        one for one in ours if scope.webhook in (None, name_of(one)) and scope.release in (None, release_name(one))
    ]
    if not wanted and ours and (scope.webhook or scope.release):
        there = ", ".join(f"{name_of(one)} of release {release_name(one)}" for one in ours)
        raise NotFoundError(f"no installation is named so; there is {there}", "choose another --release or --webhook")
    return wanted[0] if wanted else None


def read_installation(reader: ClusterReader, configuration: JsonObject | None) -> dict[str, Any]:
    """Return what belongs to an installation: its settings, its server, its daemons."""
    system = release_namespace(configuration)
    empty: dict[str, Any] = {
        "policy": default_policy(),
        "service": None,
        "deployment": None,
        "slices": (),
        "endpoints": (),
        "daemonset": None,
        "daemons": (),
    }
    if configuration is None or not system:
        why = reader.unavailable.get("configurations", "it is not known in which namespace the server is")
        reader.unavailable.update(dict.fromkeys(empty, why))
        return empty
    webhook, dind = _selector(configuration, "webhook"), _selector(configuration, "dind")
    apps = f"/apis/apps/v1/namespaces/{system}"
    deployments = reader.list("deployment", "the server", f"{apps}/deployments", labelSelector=webhook)
    daemonsets = reader.list("daemonset", "the DaemonSet", f"{apps}/daemonsets", labelSelector=dind)
    policy = read_policy(reader, configuration)
    service, slices = _read_service(reader, configuration)
    if not daemonsets and "policy" not in reader.unavailable and Mode.DAEMONSET not in policy.modes:
        reader.unavailable.update(dict.fromkeys(("daemonset", "daemons"), "daemonset mode is off"))
    return {
        "policy": policy,
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
    # Its pods have fewer labels than it has itself.
    selector = ",".join(f"{key}={value}" for key, value in daemonset["spec"]["selector"]["matchLabels"].items())
    path = f"/api/v1/namespaces/{namespace_of(daemonset)}/pods"
    return reader.list("daemons", "daemons", path, labelSelector=selector)


def _read_service(reader: ClusterReader, configuration: JsonObject) -> tuple[JsonObject | None, tuple[JsonObject, ...]]:
    called = called_service(configuration)
    if called is None:
        reader.unavailable.update(dict.fromkeys(("service", "slices"), "the API server calls a URL, no Service"))
        return None, ()
    namespace, name = called["namespace"], called["name"]

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
    """Return the policy of an operator who changed nothing."""
    return make_policy(InjectionSettings())


def policy_of(config_maps: Iterable[JsonObject]) -> Policy | None:
    """Return the policy in the installation's ConfigMap, None where there is none that can be read."""
    texts = [text for one in config_maps if (text := (one.get("data") or {}).get("settings.yaml"))]
    if not texts:
        return None
    try:
        return make_policy(parse_settings(texts[0], "ConfigMap", {}).settings.injection)
    except SettingsError:
        return None


def read_policy(reader: ClusterReader, configuration: JsonObject) -> Policy:
    """Return the policy of an installation, that of an operator who changed nothing where it cannot be read."""
    path = f"/api/v1/namespaces/{release_namespace(configuration)}/configmaps"
    selector = _selector(configuration, "webhook")
    policy = policy_of(reader.list("policy", "settings", path, labelSelector=selector))
    if policy is None:
        reader.unavailable.setdefault("policy", "the server's settings are in no ConfigMap that can be read")
    return policy or default_policy()


def _read_endpoints(
    reader: ClusterReader,
    configuration: JsonObject,
    slices: tuple[JsonObject, ...],
) -> tuple[ServerEndpoint, ...]:
    entry = next(iter(entries_of(configuration).values()), None)
    if entry is None:
        return ()
    name, bundle = server_name_of(entry), bundle_of(entry)
    if "service" not in entry["clientConfig"]:
        reader.tell("the served certificate")
        url = urlsplit(entry["clientConfig"].get("url", ""))
        host, port = url.hostname or "", url.port or 443
        return (_endpoint(f"{host}:{port}", lambda: reader.cluster.probe_tls_at(host, port, name, bundle)),)
    found = []
    for pod, port in _ready_pods(slices)[:_MOST_ENDPOINTS]:
        reader.tell(f"the certificate of pod {pod['name']}")
        try:
            served = reader.cluster.probe_pod_tls(pod["namespace"], pod["name"], port, name, bundle)
            found.append(ServerEndpoint(f"pod {pod['name']}", served.certificate, served.untrusted))
        except ForbiddenError as error:
            reader.unavailable["endpoints"] = why_unavailable(error)
            return ()
        except ApiError as error:
            found.append(ServerEndpoint(f"pod {pod['name']}", silent=str(error)))
    if not found:
        reader.unavailable.setdefault(
            "endpoints", reader.unavailable.get("slices", "there is no ready endpoint to ask")
        )
    return tuple(found)


def _ready_pods(slices: Iterable[JsonObject]) -> list[tuple[JsonObject, int]]:
    return [
        (endpoint["targetRef"], one["ports"][0]["port"])
        for one in slices
        for endpoint in one.get("endpoints") or []
        if is_ready(endpoint) and (endpoint.get("targetRef") or {}).get("kind") == "Pod" and one.get("ports")
    ]


def _endpoint(place: str, shake: Callable[[], ProbedCertificate]) -> ServerEndpoint:
    try:
        served = shake()
    except ApiError as error:
        return ServerEndpoint(place, silent=str(error))
    return ServerEndpoint(place, served.certificate, served.untrusted)
