"""The server: its Service, endpoints and replicas."""

from collections.abc import Iterator

from dind_webhook.diagnostics.check import REINSTALL, Category, Check, Problem
from dind_webhook.diagnostics.snapshot import Snapshot, called_service, is_ready, labels_of, name_of
from dind_webhook.model import JsonObject, selects


def has_condition(resource: JsonObject, kind: str) -> bool:
    """Return whether a condition of an object's status is true."""
    conditions = (resource.get("status") or {}).get("conditions") or []
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
        # helm 4 would add a second port with the same name, which the API server refuses.
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
        statement="The Service exists and has the port that the API server calls",
        fatal=True,
        hint="{fix}",
        of_webhook=True,
        requires=("configurations", "service"),
        after=("installed",),
        find_problems=check_service,
    ),
    Check(
        name="service-selector",
        category=Category.SERVER,
        statement="The Service selects the server's pods",
        fatal=True,
        hint=REINSTALL,
        of_webhook=True,
        requires=("service", "deployment"),
        after=("installed", "service"),
        find_problems=check_service_selector,
    ),
    Check(
        name="endpoints",
        category=Category.SERVER,
        statement="The Service has a ready endpoint",
        fatal=True,
        hint="see `kubectl -n {system} get pods` and `kubectl -n {system} describe deploy/{server}`",
        of_webhook=True,
        requires=("configurations", "service", "slices"),
        after=("installed", "service"),
        find_problems=check_endpoints,
    ),
    Check(
        name="replicas",
        category=Category.SERVER,
        statement="At least two replicas are ready",
        hint="see `kubectl -n {system} describe deploy/{server}`, or set the chart's replicas to 2: with one replica, "
        "the API server refuses pods that ask for Docker while the server restarts",
        of_webhook=True,
        requires=("deployment",),
        after=("installed",),
        find_problems=check_replicas,
    ),
)
