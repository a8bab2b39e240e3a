"""`make bench-api`: measure the time that injection adds to the creation of a pod, in an API server started for it.

Pods are created for good, so that admission, storage and watches are included, and deleted between measurements. No node
is needed.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch
import report
import results
import samples
import yaml
from cluster.cluster import VERSION, Cluster, down, up
from cluster.errors import ClusterError
from cluster.paths import CHART, Cache, State
from cluster.release import Helm
from cluster.services import API_PORT
from kube import Kube, Namespace, RefusedError, until
from load import Load, rotate
from mutating_policy import GROUP, mutating_policy
from report import CHART_RELEASE, CHART_WEBHOOK, MAP, NOT_OPTED_IN, NOTHING, OPTED_IN, UNCONFIGURED
from results import Cells, append
from servers import OURS, RUNTIME, RUST, Server, prepare, start
from webhook_api import JsonObject

_CREATORS = (1, 10)
_LABEL = "bench.dind.io/injector"
_NOT_INJECTED = "asks for sidecar and has no container dind"
# The compared injectors and the names of their releases; each has its own namespace
_INJECTORS = {CHART_WEBHOOK: "alone", CHART_RELEASE: "chart", RUNTIME: "runtime", RUST: "rust", MAP: "policy"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=2, help="of one measurement")
    options = parser.parse_args()
    results.require("wrk", "taskset")
    about = {**results.machine(), "kubernetes": VERSION, "rounds": options.rounds, "seconds": options.seconds}
    try:
        with tempfile.TemporaryDirectory() as folder, control_plane() as cluster, ExitStack() as stack:
            figures = Bench.on(cluster, Path(folder), options.seconds, stack).measure(options.rounds)
    except ClusterError as error:
        sys.exit(str(error))
    results.save("api_server", {"machine": about, **figures})
    report.write()
    report.print_limits(report.api_limits(results.read()["api_server"]))


@contextmanager
def control_plane() -> Iterator[Cluster]:
    """Start an API server and etcd, as tests/e2e/test_admission.py does."""
    state = State("bench-api")
    try:
        yield up(state, Cache.of_user(), VERSION, node=False)
    finally:
        down(state)


@dataclass
class Bench:
    """An API server with one namespace for each injector, and clients that create pods."""

    kube: Kube
    ours: Server
    load: Load
    api: str
    namespaces: Mapping[str, Namespace]
    # The objects that install an injector; the object that injects comes last
    objects: Mapping[str, list[JsonObject]]

    @classmethod
    def on(cls, cluster: Cluster, folder: Path, seconds: int, stack: ExitStack) -> "Bench":
        """Prepare the benchmark on a cluster."""
        kube, host = Kube.load(str(cluster.kubeconfig)), cluster.record.link.host
        helm = Helm.of(cluster.kubeconfig, cluster.logs).program
        ca = prepare(folder, host).decode()
        servers = {name: start(name, folder, stack, host) for name in (OURS, RUNTIME, RUST)}

        def chart(release: str, server: str = OURS, *, policy: bool = False) -> list[JsonObject]:
            return _render_chart(helm, release, servers[server], ca, policy=policy)

        objects = {
            CHART_WEBHOOK: chart("alone"),
            CHART_RELEASE: chart("chart", policy=True),
            RUNTIME: chart("runtime", RUNTIME),
            RUST: chart("rust", RUST),
            MAP: _equal_policy(kube, chart("policy")),
            OPTED_IN: chart("unasked", policy=True),
        }
        labels = {NOTHING: "nothing", **_INJECTORS, OPTED_IN: "unasked"}
        namespaces = {name: stack.enter_context(kube.namespace(**{_LABEL: value})) for name, value in labels.items()}
        namespaces[NOT_OPTED_IN] = stack.enter_context(kube.namespace(inject=None, **{_LABEL: "unasked"}))
        namespaces[UNCONFIGURED] = namespaces[OPTED_IN]
        load = Load(folder, seconds, _creator_token(kube))
        # From here on, pods are only created and deleted: stop all other processes that watch them.
        for service in ("scheduler", "controller-manager"):
            os.kill(cluster.record.services[service], signal.SIGTERM)
        api = f"https://{cluster.record.link.control_plane}:{API_PORT}"
        return cls(kube, servers[OURS], load, api, namespaces, objects)

    def measure(self, rounds: int) -> dict[str, Any]:
        """Return the latencies, by number of creators and by injector, of pods that ask and of pods that do not."""
        names = [NOTHING, *_INJECTORS]
        for name in _INJECTORS:
            self.install(name)
        self.check_same_pods()
        calls = self.count_calls()
        for name in names:
            self.create(name, 10)  # to warm up
        self.delete_pods(names)
        asking: Cells = {}
        for number in range(rounds):
            self.measure_asking(number, names, asking)
        for name in _INJECTORS:
            self.remove(name)
        unasked: Cells = {}
        for number in range(rounds):
            self.measure_unasked(number, unasked)
        return {"calls": calls, "asking": asking, "unasked": unasked}

    def install(self, name: str) -> None:
        """Create the objects of an injector, and wait until the API server applies them."""
        *policies, injector = self.objects[name]
        namespace = self.namespaces[name]
        for policy in policies:
            self.kube.make(policy)
        if any(policy["kind"] == "ValidatingAdmissionPolicy" for policy in policies):
            until("the policy to deny", lambda: _NOT_INJECTED in _dry_run(namespace)[1], lambda: _dry_run(namespace)[1])
        self.kube.make(injector)
        until(f"{name} to inject", lambda: _has_daemon(_dry_run(namespace)[0]), lambda: _dry_run(namespace)[1])

    def remove(self, name: str) -> None:
        """Delete the objects of an injector, and wait until the API server no longer applies them."""
        for each in self.objects[name]:
            self.kube.delete(each["kind"], each["metadata"]["name"], version=each["apiVersion"])
        namespace = self.namespaces[name]
        until(f"{name} to stop", lambda: not _dry_run(namespace)[1] and not _has_daemon(_dry_run(namespace)[0]))

    def check_same_pods(self) -> None:
        """Exit unless all injectors make the same pod."""
        expected = _comparable(_dry_run(self.namespaces[CHART_WEBHOOK])[0])
        for name in _INJECTORS:
            if difference := jsonpatch.make_patch(expected, _comparable(_dry_run(self.namespaces[name])[0])).patch:
                sys.exit(f"{name} does not make the same pod: {difference}")

    def count_calls(self) -> int:
        """Return how many times the API server calls dind-webhook for one pod."""
        requests = "dind_webhook_requests_total"
        before = self.ours.metrics()[requests]
        _dry_run(self.namespaces[CHART_WEBHOOK])
        return int(self.ours.metrics()[requests] - before)

    def create(self, name: str, creators: int, annotations: JsonObject = samples.DIND) -> dict[str, float]:
        """Let clients create pods in a namespace, and return the latencies."""
        body = self.load.folder / f"created-{len(annotations)}.json"
        body.write_text(json.dumps(samples.pod_before_admission(annotations)), "utf-8")
        url = f"{self.api}/api/v1/namespaces/{self.namespaces[name].name}/pods"
        measured = self.load.post(url, body, creators)
        return {"p50": measured.p50, "p99": measured.p99}

    def delete_pods(self, names: Iterable[str]) -> None:
        """Delete all pods in these namespaces at the same time."""

        def delete(namespace: str) -> None:
            # The response contains all deleted pods: do not parse these megabytes.
            self.kube.core.delete_collection_namespaced_pod(
                namespace, grace_period_seconds=0, _preload_content=False
            ).drain_conn()

        with ThreadPoolExecutor() as pool:
            list(pool.map(delete, {self.namespaces[name].name for name in names}))

    def measure_asking(self, number: int, names: list[str], cells: Cells) -> None:
        """Add the figures of a round in which all pods request Docker."""
        print(f"round {number + 1}: pods that ask", flush=True)
        for creators in _CREATORS:
            for name in rotate(names, number):
                append(cells, str(creators), name, self.create(name, creators))
            self.delete_pods(names)

    def measure_unasked(self, number: int, cells: Cells) -> None:
        """Add the figures of a round in which no pod asks, with the chart installed and without."""
        print(f"round {number + 1}: pods that do not ask", flush=True)
        for name in rotate([UNCONFIGURED, NOT_OPTED_IN, OPTED_IN], number):
            if name != UNCONFIGURED:
                self.install(OPTED_IN)
            for creators in _CREATORS:
                append(cells, str(creators), name, self.create(name, creators, {}))
                self.delete_pods([name])
            if name != UNCONFIGURED:
                self.remove(OPTED_IN)


def _render_chart(helm: Path, release: str, server: Server, ca: str, *, policy: bool) -> list[JsonObject]:
    """Return the admission objects of the chart for the namespaces of a release, the webhook configuration last."""
    values = {
        "webhook": {
            "url": f"https://{server.host}:{server.port}",
            "namespaceSelector": [{"key": _LABEL, "operator": "In", "values": [release]}],
        },
        "tls": {"mode": "existingSecret", "existingSecret": {"name": "not-in-a-pod", "caBundle": ca}},
        "policy": {"enabled": policy},
    }
    command = [str(helm), "template", release, str(CHART), "--namespace=bench", "--values=-"]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=True)
    objects = [one for one in yaml.safe_load_all(done.stdout) if one and one["apiVersion"].startswith(GROUP)]
    return sorted(objects, key=lambda one: one["kind"], reverse=True)


def _equal_policy(kube: Kube, rendered: list[JsonObject]) -> list[JsonObject]:
    """Return a MutatingAdmissionPolicy for the requests that the chart's webhook selects, and its binding."""
    policies = kube.objects.resources.search(kind="MutatingAdmissionPolicy")
    versions = {one.group_version.partition("/")[2] for one in policies}
    (configuration,) = rendered
    webhook = next(one for one in configuration["webhooks"] if one["name"].startswith("enabled."))
    return mutating_policy("v1" if "v1" in versions else max(versions), webhook)


def _creator_token(kube: Kube) -> str:
    """Return the token of a service account that may create pods."""
    kube.core.create_namespaced_service_account("default", {"metadata": {"name": "creator"}})
    kube.make(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "creator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "creator", "namespace": "default"}],
        }
    )
    request = {"spec": {"expirationSeconds": 7200}}
    token: str = kube.core.create_namespaced_service_account_token("creator", "default", request).status.token
    return token


def _dry_run(namespace: Namespace) -> tuple[JsonObject, str]:
    """Return the pod that would be created for one that requests Docker, or an empty one and the message of a denial."""
    try:
        return namespace.make(samples.pod_before_admission(samples.DIND), dry_run="All"), ""
    except RefusedError as error:
        return {}, error.message


def _has_daemon(pod: JsonObject) -> bool:
    return any(one["name"] == "dind" for one in pod.get("spec", {}).get("initContainers", []))


def _comparable(pod: JsonObject) -> JsonObject:
    """Return a pod without the names that the API server generates for each pod."""
    metadata = {member: pod["metadata"][member] for member in ("annotations", "labels")}
    text = json.dumps({"spec": pod["spec"], **metadata})
    for volume in pod["spec"]["volumes"]:
        if volume["name"].startswith("kube-api-access-"):
            text = text.replace(volume["name"], "kube-api-access")
    comparable: JsonObject = json.loads(text)
    return comparable


if __name__ == "__main__":
    main()
