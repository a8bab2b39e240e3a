"""`make bench-api`: what injection adds to the creation of a pod, in an API server of its own; no node is needed.

Pods are created for good, so that admission, storage and watches are all in it, and deleted between measurements.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import report
import samples
import yaml
from cluster.cluster import VERSION, Cluster, down, up
from cluster.errors import ClusterError
from cluster.places import CHART, Cache, State
from cluster.release import Helm
from cluster.services import API_PORT
from kube import Kube, Namespace, RefusedError, until
from machine import machine, need
from mutating_policy import GROUP, mutating_policy
from report_api import (
    ALONE,
    INJECTORS,
    NOT_OPTED_IN,
    NOTHING,
    OPTED_IN,
    POLICY,
    RUNTIME,
    UNCONFIGURED,
    WITH_POLICY,
)
from samples import JsonObject
from servers import OURS, Place, Server, prepare, start
from servers import RUNTIME as CONTROLLER_RUNTIME
from wrk import Load, in_turn

_CREATORS = (1, 10, 50)
_BY = "bench.dind.io/by"
_NOT_INJECTED = "asks for sidecar and has no container dind"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of one measurement")
    options = parser.parse_args()
    need("wrk", "taskset")
    about = {**machine(), "kubernetes": VERSION, "rounds": options.rounds, "seconds": options.seconds}
    try:
        with tempfile.TemporaryDirectory() as folder, control_plane() as cluster, ExitStack() as stack:
            bench = Bench.on(cluster, Path(folder), options.seconds, stack)
            results = {"machine": about, **bench.measure(options.rounds)}
    except ClusterError as error:
        sys.exit(str(error))
    report.API_RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    report.write()
    print(f"written: {report.API_RESULTS} and {report.PAGE}")


@contextmanager
def control_plane() -> Iterator[Cluster]:
    """Bring up an API server and what it needs, as the tests of admission do."""
    state = State("bench-api")
    cluster = up(state, Cache.of_user(), VERSION, node=False)
    try:
        yield cluster
    finally:
        down(state)


class Chart(NamedTuple):
    """The chart, whose webhooks call a server of this machine."""

    helm: Path
    ca: str

    def render(self, release: str, server: Server, *, policy: bool = False) -> list[JsonObject]:
        """Return what the API server reads of the chart: in namespaces of this release alone, the policy first."""
        values = {
            "webhook": {
                "url": f"https://{server.host}:{server.port}",
                "namespaceSelector": [{"key": _BY, "operator": "In", "values": [release]}],
            },
            "tls": {"mode": "existingSecret", "existingSecret": {"name": "not-in-a-pod", "caBundle": self.ca}},
            "policy": {"enabled": policy},
        }
        command = [self.helm, "template", release, CHART, "--namespace=bench", "--values=-"]
        done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=True)
        objects = [one for one in yaml.safe_load_all(done.stdout) if one and one["apiVersion"].startswith(GROUP)]
        return sorted(objects, key=lambda one: one["kind"], reverse=True)


class Bench(NamedTuple):
    """An API server with namespaces in which somebody injects, and clients that create pods in them."""

    kube: Kube
    ours: Server
    load: Load
    api: str
    folder: Path
    namespaces: Mapping[str, Namespace]
    objects: Mapping[str, list[JsonObject]]

    @classmethod
    def on(cls, cluster: Cluster, folder: Path, seconds: int, stack: ExitStack) -> "Bench":
        kube = Kube.load(str(cluster.kubeconfig))
        place = Place(cluster.record.link.host)
        chart = Chart(
            Helm.of(cluster.kubeconfig, cluster.logs).program, prepare(folder, samples.additions(), place.host).decode()
        )
        ours, runtime = (start(name, folder, place, stack) for name in (OURS, CONTROLLER_RUNTIME))
        objects = {
            ALONE: chart.render("alone", ours),
            WITH_POLICY: chart.render("chart", ours, policy=True),
            RUNTIME: chart.render("runtime", runtime),
            POLICY: _equal_policy(kube, chart.render("policy", ours)),
            OPTED_IN: chart.render("unasked", ours, policy=True),
        }
        by = {
            NOTHING: "nobody",
            ALONE: "alone",
            WITH_POLICY: "chart",
            RUNTIME: "runtime",
            POLICY: "policy",
            OPTED_IN: "unasked",
        }
        namespaces = {name: stack.enter_context(kube.namespace(**{_BY: value})) for name, value in by.items()}
        namespaces[NOT_OPTED_IN] = stack.enter_context(kube.namespace(inject=None, **{_BY: "unasked"}))
        namespaces[UNCONFIGURED] = namespaces[OPTED_IN]
        token = _creator(kube)
        # From here on pods are only created and deleted: nobody else need look at them.
        for service in ("scheduler", "controller-manager"):
            os.kill(cluster.record.services[service], signal.SIGTERM)
        api = f"https://{cluster.record.link.node}:{API_PORT}"
        return cls(kube, ours, Load(folder, seconds, realtime=False, token=token), api, folder, namespaces, objects)

    def measure(self, rounds: int) -> dict[str, Any]:
        """Return latencies by number of creators and by who injects: of pods that ask, and of pods that do not."""
        for name in INJECTORS:
            self.install(name)
        differences = self.prove_the_same_pods()
        calls = self.calls(ALONE)
        names = [NOTHING, *INJECTORS]
        for name in names:
            self.create(name, 10)  # to warm up
        self.sweep(names)
        asking = [self._round(number, names) for number in range(rounds)]
        for name in names[1:]:
            self.remove(name)
        unasked = [self._unasked_round(number) for number in range(rounds)]
        return {
            "differences": differences,
            "calls": calls,
            "asking": _by_cell(asking),
            "unasked": _by_cell(unasked),
        }

    def install(self, name: str) -> None:
        """Make its objects, and wait until the API server goes by them; the last one is who injects."""
        *policies, injector = self.objects[name]
        namespace = self.namespaces[name]
        for each in policies:
            self.kube.make(each)
        if any(each["kind"] == "ValidatingAdmissionPolicy" for each in policies):
            until("the policy to act", lambda: _NOT_INJECTED in _created(namespace)[1], lambda: _created(namespace)[1])
        self.kube.make(injector)
        until(f"{name} to inject", lambda: _has_daemon(_created(namespace)[0]), lambda: _created(namespace)[1])

    def remove(self, name: str) -> None:
        """Delete its objects, and wait until the API server has forgotten them."""
        for each in self.objects[name]:
            self.kube.delete(each["kind"], each["metadata"]["name"], version=each["apiVersion"])
        namespace = self.namespaces[name]
        until(f"{name} to be gone", lambda: _is_plain(*_created(namespace)))

    def prove_the_same_pods(self) -> dict[str, list[str]]:
        """Return in which members a pod differs from what dind-webhook makes of it, by who injects."""
        ours = _members(self._made(ALONE))
        return {
            name: sorted(f"{path} {change}" for path, change in _changes(ours, _members(self._made(name))).items())
            for name in INJECTORS[1:]
        }

    def calls(self, name: str) -> int:
        """Return how often dind-webhook is called for one pod."""
        before = self.ours.answered()
        self._made(name)
        return self.ours.answered() - before

    def create(self, name: str, creators: int, annotations: JsonObject = samples.DIND) -> dict[str, float]:
        """Have pods created in a namespace for a while, and return how fast it went."""
        body = self.folder / f"creation-{len(annotations)}.json"
        body.write_text(json.dumps(samples.creation(dict(annotations))), "utf-8")
        return self.load.post(
            f"{self.api}/api/v1/namespaces/{self.namespaces[name].name}/pods", body, creators
        )._asdict()

    def sweep(self, names: Iterable[str]) -> None:
        """Delete all pods in these namespaces: an API server goes from one to the next, and so would take too long."""

        def delete(namespace: str) -> None:
            # All that was deleted is in the answer: megabytes that need not become objects.
            self.kube.core.delete_collection_namespaced_pod(
                namespace, grace_period_seconds=0, _preload_content=False
            ).drain_conn()

        with ThreadPoolExecutor() as pool:
            list(pool.map(delete, {self.namespaces[name].name for name in names}))

    def _made(self, name: str) -> JsonObject:
        pod, refusal = _created(self.namespaces[name])
        assert not refusal, refusal
        return pod

    def _round(self, number: int, names: list[str]) -> dict[str, dict[str, Any]]:
        found = {}
        for creators in _CREATORS:
            print(f"round {number + 1}: {creators} creators", flush=True)
            found[str(creators)] = {name: self.create(name, creators) for name in in_turn(names, number)}
            self.sweep(names)
        return found

    def _unasked_round(self, number: int) -> dict[str, dict[str, Any]]:
        """Measure with the chart and without, each of the three first in its turn, without the pods of the one before."""
        found = {}
        for creators in _CREATORS:
            print(f"round {number + 1}: {creators} creators of pods that do not ask", flush=True)
            cell = {}
            for name in in_turn([UNCONFIGURED, NOT_OPTED_IN, OPTED_IN], number):
                installed = name != UNCONFIGURED
                if installed:
                    self.install(OPTED_IN)
                cell[name] = self.create(name, creators, {})
                self.sweep([name])
                if installed:
                    self.remove(OPTED_IN)
            found[str(creators)] = cell
        return found


def _equal_policy(kube: Kube, rendered: list[JsonObject]) -> list[JsonObject]:
    """Return a MutatingAdmissionPolicy that acts where the first of the chart's webhooks does, its binding last."""
    versions = {
        one.group_version.partition("/")[2] for one in kube.objects.resources.search(kind="MutatingAdmissionPolicy")
    }
    version = "v1" if "v1" in versions else max(versions)
    (configuration,) = rendered
    enabled = next(one for one in configuration["webhooks"] if one["name"].startswith("enabled."))
    return list(mutating_policy("bench-policy", version, enabled))


def _creator(kube: Kube) -> str:
    """Return the token of a service account that may create pods."""
    kube.core.create_namespaced_service_account("default", {"metadata": {"name": "creator"}})
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "creator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "creator", "namespace": "default"}],
    }
    kube.make(binding)
    asked = {"spec": {"expirationSeconds": 7200}}
    token: str = kube.core.create_namespaced_service_account_token("creator", "default", asked).status.token
    return token


def _created(namespace: Namespace) -> tuple[JsonObject, str]:
    """Return what would become of a pod that asks for Docker, and with which message it is refused."""
    try:
        return namespace.make(samples.creation(dict(samples.DIND)), dry_run="All"), ""
    except RefusedError as error:
        return {}, error.message


def _has_daemon(pod: JsonObject) -> bool:
    return any(one["name"] == "dind" for one in pod.get("spec", {}).get("initContainers", []))


def _is_plain(pod: JsonObject, refusal: str) -> bool:
    return not refusal and not _has_daemon(pod)


def _members(pod: JsonObject) -> dict[str, Any]:
    """Return a pod's members by path, but for what the API server chooses anew for each pod."""
    names = [volume["name"] for volume in pod["spec"]["volumes"] if volume["name"].startswith("kube-api-access-")]
    text = json.dumps({"spec": pod["spec"], "annotations": pod["metadata"]["annotations"]})
    for name in names:
        text = text.replace(name, "kube-api-access")
    return dict(_leaves(json.loads(text), ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not children:
        yield path, value
    for key, child in children:
        yield from _leaves(child, f"{path}/{key}")


def _changes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, str]:
    paths = ours.keys() | theirs.keys()
    return {path: f"{ours.get(path)!r} -> {theirs.get(path)!r}" for path in paths if ours.get(path) != theirs.get(path)}


def _by_cell(rounds: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, list[Any]]]:
    return {cell: {name: [found[cell][name] for found in rounds] for name in rounds[0][cell]} for cell in rounds[0]}


if __name__ == "__main__":
    main()
