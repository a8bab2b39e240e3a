"""The process that answers: its Service, endpoints and replicas."""

from collections.abc import Iterator

from app.diagnostics.check import REINSTALL, Category, Check, Problem
from app.diagnostics.snapshot import Snapshot, entries_of, labels_of, name_of
from app.model import JsonObject, selects

# Within a cluster, what the configuration calls is a Service; a URL is somebody else's to keep.
_SERVICE = "service"


def called_service(configuration: JsonObject | None) -> JsonObject | None:
    """Return a configuration's reference to the Service that is called, None where that is a URL."""
    references = (entry["clientConfig"].get(_SERVICE) for entry in entries_of(configuration).values())
    return next(filter(None, references), None)


def is_ready(endpoint: JsonObject) -> bool:
    """Whether traffic is sent to an endpoint of an EndpointSlice; one that says nothing is ready."""
    return (endpoint.get("conditions") or {}).get("ready") is not False


def has_condition(o: JsonObject, kind: str) -> bool:
    """Whether a condition of an object's status is true."""
    conditions = (o.get("status") or {}).get("conditions") or []
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def check_service(snapshot: Snapshot) -> Iterator[Problem]:
    reference = called_service(snapshot.configuration)
    if reference is None:
        return
    place = f"{reference['namespace']}/{reference['name']}"
    if snapshot.service is None:
        yield Problem(f"Service {place} does not exist", {"fix": REINSTALL})
        return
    port = reference.get("port", 443)
    if port not in [entry["port"] for entry in snapshot.service["spec"].get("ports") or []]:
        # helm 4 would add the port beside the other one, of the same name, and be refused.
        delete = f"`kubectl -n {reference['namespace']} delete service {reference['name']}`"
        yield Problem(f"Service {place} has no port {port}", {"fix": f"{delete}, then {REINSTALL}"})


def check_service_selector(snapshot: Snapshot) -> Iterator[Problem]:
    service, deployment = snapshot.service, snapshot.deployment
    if service is None or deployment is None:
        return
    pods = labels_of(deployment["spec"].get("template") or {})
    if not selects({"matchLabels": service["spec"].get("selector")}, pods):
        yield Problem(f"Service {name_of(service)} does not select the pods of Deployment {name_of(deployment)}")


def check_endpoints(snapshot: Snapshot) -> Iterator[Problem]:
    if called_service(snapshot.configuration) is None or snapshot.service is None:
        return
    endpoints = [endpoint for each in snapshot.slices for endpoint in each.get("endpoints") or []]
    if not any(map(is_ready, endpoints)):
        state = "no ready endpoint" if endpoints else "no endpoint"
        yield Problem(f"Service {name_of(snapshot.service)} has {state}")


def check_replicas(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.deployment is None:
        return
    desired = snapshot.deployment["spec"].get("replicas", 1)
    ready = (snapshot.deployment.get("status") or {}).get("readyReplicas", 0)
    if ready < desired or desired < 2:
        yield Problem(f"Deployment {name_of(snapshot.deployment)}: {ready} ready of {desired}")


CHECKS: tuple[Check, ...] = (
    Check(
        name="service",
        category=Category.SERVER,
        statement="The Service that is called exists, with the port that is called",
        fatal=True,
        hint="{fix}",
        requires=("configurations", "service"),
        after=("installed",),
        find_problems=check_service,
    ),
    Check(
        name="service-selector",
        category=Category.SERVER,
        statement="It selects the server's pods",
        fatal=True,
        hint=REINSTALL,
        requires=("service", "deployment"),
        after=("installed", "service"),
        find_problems=check_service_selector,
    ),
    Check(
        name="endpoints",
        category=Category.SERVER,
        statement="The Service has a ready endpoint",
        fatal=True,
        hint="`kubectl -n {system} get pods` and `kubectl -n {system} describe deploy/{server}` say why "
        "no pod is ready",
        requires=("configurations", "service", "slices"),
        after=("installed", "service"),
        find_problems=check_endpoints,
    ),
    Check(
        name="replicas",
        category=Category.SERVER,
        statement="Two replicas or more are ready",
        hint="`kubectl -n {system} describe deploy/{server}` says why; with one, pods that ask for Docker are refused "
        "while it is replaced: set the chart's replicas to 2",
        requires=("deployment",),
        after=("installed",),
        find_problems=check_replicas,
    ),
)
