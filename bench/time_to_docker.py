"""`make bench-docker`: measure how long a pod waits for Docker, beside sidecars that people write by hand.

The pods run on the second node of a cluster started for it, one after the other.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import report
import results
import workloads
from cluster import cluster, release
from cluster.cluster import VERSION, Cluster
from cluster.errors import ClusterError
from cluster.paths import Cache, State
from kube import Kube, Manifest, Namespace, Pod, until
from report import ACTIONS, EMBEDDED, HANDWRITTEN, MARKS
from results import Cells, append
from servers import OURS

# A line for each of MARKS that the client sees
_CLIENT = """\
echo started
until docker info >/dev/null 2>&1; do sleep 0.1; done
echo answers
docker run --rm busybox true 2>/dev/null
echo ran
sleep 600
"""
_LINES = (("dind", ""), ("dind", "API listen on"), ("build", "started"), ("build", "answers"), ("build", "ran"))
# Time after which a daemon is idle
_IDLE_SECONDS = 10
_MEMORY = """\
for file in /proc/[0-9]*/status; do
  awk '/^Name:/ {name = $2} /^RssAnon:/ {kib = $2} END {print name, kib}' "$file" 2>/dev/null
done | grep -E '^(dockerd|containerd) '
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    about = {**results.machine(), "kubernetes": VERSION, "rounds": options.rounds}
    try:
        with node() as started:
            figures = measure(started, options.rounds)
    except ClusterError as error:
        sys.exit(str(error))
    results.save("time_to_docker", {"machine": about, **figures})
    report.write()
    report.print_limits(report.docker_limits(results.read()["time_to_docker"]))


@contextmanager
def node() -> Iterator[Cluster]:
    """Start a cluster with the chart, as `make e2e` does."""
    state = State("bench-dock")
    try:
        started = cluster.up(state, Cache.of_user())
        release.install(started, compiled=True)
        yield started
    finally:
        cluster.down(state)


@dataclass(frozen=True)
class Form:
    """A way to get a daemon: its name on the page, and the function that makes the pod."""

    name: str
    pod: Callable[[str], Manifest]


def measure(started: Cluster, rounds: int) -> dict[str, Any]:
    """Return the times in seconds of each form by mark, and the memory in MB of the daemon's processes."""
    kube = replace(Kube.load(str(started.kubeconfig)), on_second_node=True)
    times: Cells = {}
    memory: Cells = {}
    with kube.namespace() as namespace:
        mirror = f"http://{started.registry}"
        for number in range(-1, rounds):
            # Each form is the first of a round in turn. The first round warms the node up.
            shift = number % len(FORMS)
            for form in (*FORMS[shift:], *FORMS[:shift]):
                pod, begin = _create(namespace, form.pod(mirror))
                marks = _read_marks(pod, begin)
                time.sleep(_IDLE_SECONDS)
                used = _read_memory(pod)
                _delete(pod)
                if number >= 0:
                    append(times, "marks", form.name, marks)
                    append(memory, "memory", form.name, used)
    return {**times, **memory}


def _create(namespace: Namespace, manifest: Manifest) -> tuple[Pod, float]:
    """Create a pod, and return it with the time before its creation."""
    begin = time.time()
    return namespace.run(manifest), begin


def _read_marks(pod: Pod, begin: float) -> dict[str, float]:
    """Wait until the pod has used Docker, and return how many seconds after its creation it was at each mark."""

    def is_done() -> bool:
        assert pod.phase != "Failed", pod.describe()
        return bool(pod.status("build").get("state", {}).get("running")) and _find(pod, "build", "ran") is not None

    pod.until(is_done, "use Docker")
    found = {mark: _find(pod, *line) for mark, line in zip(MARKS, _LINES, strict=True)}
    return {mark: stamp - begin for mark, stamp in found.items() if stamp}


def _find(pod: Pod, container: str, text: str) -> float | None:
    """Return the time at which a container printed the first line with a text, by the clock of the node."""
    log = pod.kube.core.read_namespaced_pod_log(pod.name, pod.namespace, container=container, timestamps=True)
    for line in (log or "").splitlines():
        stamp, _, printed = line.partition(" ")
        if text in printed:
            return datetime.fromisoformat(stamp).timestamp()
    return None


def _read_memory(pod: Pod) -> dict[str, float]:
    """Return the memory in MB that the daemon's processes do not share with files."""
    lines = (line.split() for line in pod.exec(_MEMORY, "dind").splitlines())
    return {name: int(kib) * 1024 / 1e6 for name, kib in lines}


def _delete(pod: Pod) -> None:
    pod.kube.delete("Pod", pod.name, pod.namespace)
    until("the pod to go", lambda: pod.name not in [one.name for one in Namespace(pod.kube, pod.namespace).pods()])


def _injected(**options: str) -> Callable[[str], Manifest]:
    return lambda _: workloads.pod(_CLIENT, options=options)


def _handwritten(mirror: str) -> Manifest:
    """Return the form that most people write: an ordinary container with a socket in a shared directory."""
    return _with_daemon(mirror, native=False)


def _as_actions(mirror: str) -> Manifest:
    """Return the form of the runner pods of GitHub's Actions Runner Controller: a native sidecar with a slow probe."""
    return _with_daemon(mirror, native=True)


def _with_daemon(mirror: str, *, native: bool) -> Manifest:
    mounts = [{"name": "socket", "mountPath": "/var/run"}]
    daemon: Manifest = {
        "name": "dind",
        "image": workloads.DAEMON,
        "args": ["dockerd", "--host=unix:///var/run/docker.sock", f"--registry-mirror={mirror}"],
        "securityContext": {"privileged": True},
        "volumeMounts": [*mounts, {"name": "storage", "mountPath": "/var/lib/docker"}],
    }
    client = workloads.container(_CLIENT, volumeMounts=mounts)
    volumes = [{"name": name, "emptyDir": {}} for name in ("socket", "storage")]
    if not native:
        return workloads.pod(client, daemon, inject=None, volumes=volumes)
    probe = {"exec": {"command": ["docker", "info"]}, "periodSeconds": 5, "failureThreshold": 24}
    sidecar = {**daemon, "restartPolicy": "Always", "startupProbe": probe}
    return workloads.pod(client, inject=None, volumes=volumes, initContainers=[sidecar])


FORMS = (
    Form(OURS, _injected()),
    Form(HANDWRITTEN, _handwritten),
    Form(ACTIONS, _as_actions),
    Form(EMBEDDED, _injected(**{"dockerd-args": '["--feature=embedded-containerd"]'})),
)


if __name__ == "__main__":
    main()
