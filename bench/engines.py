"""`make bench-engines`: the time that each engine adds to a dry-run of a pod, in an API server started for it.

The figures are those of one run, for docs/why.md. No node is needed.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import samples
from cluster import release
from cluster.cluster import VERSION, Cluster, down, up
from cluster.paths import Cache, State
from control_planes import ControlPlane, run_server
from kube import Manifest, Namespace, RefusedError, until
from load import rotate

_NOTHING = "nothing"
_ENGINES = ("webhook", "policy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pods", type=int, default=100, help="of one measurement")
    parser.add_argument("--containers", type=int, nargs="*", default=[2, 10])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, control_plane() as cluster, ExitStack() as stack:
        namespaces = install(ControlPlane.of(cluster), Path(folder), stack)
        for containers in options.containers:
            body = json.dumps(a_pod(containers)).encode()
            seconds: dict[str, list[float]] = {name: [] for name in namespaces}
            for number in range(options.rounds):
                for name in rotate(list(namespaces), number):
                    seconds[name] += measure(namespaces[name], body, options.pods)
            report(containers, seconds)


@contextmanager
def control_plane() -> Iterator[Cluster]:
    """Start an API server and etcd."""
    state = State("engines")
    try:
        yield up(state, Cache.of_user(), VERSION, node=False)
    finally:
        down(state)


def install(control_plane: ControlPlane, folder: Path, stack: ExitStack) -> dict[str, Namespace]:
    """Install a release for each engine, and return a namespace of each, and one without."""
    server = stack.enter_context(run_server(control_plane, folder))
    plain = control_plane.kube.namespace(None, **{release.OTHER_RELEASE: "none"})
    namespaces = {_NOTHING: stack.enter_context(plain)}
    for engine in _ENGINES:
        installed = stack.enter_context(server.release({"engine": engine}))
        namespaces[engine] = stack.enter_context(installed.namespace_of("enabled", answers=False))
        until(f"engine {engine} to inject", lambda namespace=namespaces[engine]: _is_injected(namespace))
    return namespaces


def a_pod(containers: int) -> Manifest:
    """Return the pod of a CI job as its controller creates it."""
    made = samples.pod(containers)
    metadata = {key: made["metadata"][key] for key in ("generateName", "annotations", "labels")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": made["spec"]}


def _is_injected(namespace: Namespace) -> bool:
    try:
        made = namespace.make(a_pod(1), dry_run="All")
    except RefusedError:
        return False
    return any(each["name"] == "dind" for each in made["spec"].get("initContainers", []))


def measure(namespace: Namespace, body: bytes, pods: int) -> Iterator[float]:
    """Yield the time of each of some dry-runs, in seconds, one after the other on one connection."""
    api = namespace.kube.api
    url = f"{api.configuration.host}/api/v1/namespaces/{namespace.name}/pods?dryRun=All"
    for _ in range(pods):
        start = time.perf_counter()
        answer = api.rest_client.pool_manager.request(
            "POST", url, body=body, headers={"Content-Type": "application/json"}
        )
        seconds = time.perf_counter() - start
        if answer.status != 201:  # Created
            sys.exit(answer.data.decode())
        yield seconds


def report(containers: int, seconds: dict[str, Any]) -> None:
    """Print the latencies as a Markdown table."""
    print(f"\n{containers} containers\n\n| engine | median | 99th percentile | added |\n|---|---|---|---|")
    base = statistics.median(seconds[_NOTHING])
    for name, values in seconds.items():
        median, high = statistics.median(values), statistics.quantiles(values, n=100)[98]
        print(
            f"| {name} | {median * 1000:.1f} ms | {high * 1000:.1f} ms | {(median - base) * 1000:.1f} ms |", flush=True
        )


if __name__ == "__main__":
    main()
