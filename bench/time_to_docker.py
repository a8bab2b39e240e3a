"""`make bench-docker`: measure how long a pod waits for Docker, beside sidecars that people write by hand.

The pods run on both nodes of a cluster that is started for it, one after the other.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import report
import results
import workloads
from cluster import cluster, release
from cluster.cluster import VERSION, Cluster
from cluster.errors import ClusterError
from cluster.paths import Cache, State
from kube import Kube, Manifest, Namespace, Pod, until
from report import (
    ACTIONS,
    API,
    BUILD,
    CLIENT,
    CONTAINERD,
    CREATED,
    DOCKERD,
    EMBEDDED,
    FIRST_LINE,
    HANDWRITTEN,
    HOOK,
    IDLE_SECONDS,
    INFO,
    LOCAL_NODE,
    NETWORK,
    NO_IPV6,
    PULL,
    RUN,
    RUNNING,
    SANDBOX,
    SCHEDULED,
    SMALL_HEAP,
    USERNS,
    VM,
)
from results import Cells, append
from servers import OURS

# The image is pulled before it runs, because the first `docker run` is that of an image that the daemon has already.
_CLIENT = """\
echo started
until docker info >/dev/null 2>&1; do sleep 0.1; done
echo answers
docker pull --quiet busybox
echo cached
docker run --rm --pull=never busybox true
echo ran
printf 'FROM busybox\\nRUN true\\n' | docker build --quiet - >/dev/null
echo built
sleep 600
"""
# The lines that mark a stage in the logs of the daemon and of the client
_DAEMON_LINES = {
    FIRST_LINE: "",
    DOCKERD: "Starting up",
    CONTAINERD: "Loading containers: start",
    NETWORK: "Loading containers: done",
    API: "API listen on",
}
_CLIENT_LINES = {CLIENT: "started", INFO: "answers"}
_CONTAINER = re.compile(r'for name:"dind" returns container id "(\w+)"')
_TIME = re.compile(r"20\d\d-\d\d-\d\dT[0-9:.]+Z")
_MEMORY = """\
for process in /proc/[0-9]*; do
  name=$(cat $process/comm)
  case $name in
    dockerd | containerd) awk -v name=$name '/^(Rss|Pss|Anonymous):/ {print name, $1, $2}' $process/smaps_rollup ;;
  esac
done
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    about = {**results.machine(), "kubernetes": VERSION, "rounds": options.rounds}
    try:
        with start_cluster() as started:
            figures = measure(started, options.rounds)
            about["load_after"] = results.load_average()
    except ClusterError as error:
        sys.exit(str(error))
    results.save("time_to_docker", {"machine": about, "nodes": figures})
    report.write()
    report.print_limits(report.docker_limits(results.read()["time_to_docker"]))


@contextmanager
def start_cluster() -> Iterator[Cluster]:
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


@dataclass(frozen=True)
class Node:
    """A node: its name on the page, the file of its log, and the forms that run there."""

    name: str
    log: str
    forms: tuple[Form, ...]
    is_second: bool = False


def measure(started: Cluster, rounds: int) -> dict[str, Any]:
    """Return, by node, the times in seconds of each form by stage, and the memory in MB of the daemon's processes.

    The memory is measured on the second node only.
    """
    kube = Kube.load(str(started.kubeconfig))
    figures: dict[str, Cells] = {node.name: {} for node in NODES}
    with kube.namespace() as namespace:
        # The first round warms the nodes up.
        for number in range(-1, rounds):
            for node in NODES:
                here = Namespace(replace(kube, on_second_node=node.is_second), namespace.name)
                # Each form is the first of a round in turn.
                shift = number % len(node.forms)
                for form in (*node.forms[shift:], *node.forms[:shift]):
                    mirror, log = f"http://{started.registry}", started.logs / node.log
                    measured = _measure_pod(here, form.pod(mirror), log, with_memory=node.is_second)
                    for kind, values in measured.items():
                        if number >= 0:
                            append(figures[node.name], kind, form.name, values)
    return figures


def _measure_pod(
    namespace: Namespace, manifest: Manifest, log: Path, *, with_memory: bool
) -> dict[str, dict[str, float]]:
    """Create a pod, wait until it has used Docker, and return its stages and memory. `log` is that of the node."""
    log_size = log.stat().st_size
    begin = time.time()
    pod = namespace.run(manifest)
    _wait_until_it_built(pod)
    measured = {"stages": _read_stages(namespace, pod, _read_from(log, log_size), begin)}
    if with_memory:
        time.sleep(IDLE_SECONDS)
        measured["memory"] = _read_memory(pod)
    _delete(pod)
    return measured


def _wait_until_it_built(pod: Pod) -> None:
    def has_built() -> bool:
        assert pod.phase != "Failed", pod.describe()
        return bool(pod.status("build").get("state", {}).get("running")) and "\nbuilt\n" in pod.log("build")

    pod.until(has_built, "use Docker")


def _read_from(log: Path, offset: int) -> list[str]:
    """Return the lines of a log after its first `offset` bytes."""
    with log.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace").splitlines()


def _read_stages(namespace: Namespace, pod: Pod, node_log: list[str], begin: float) -> dict[str, float]:
    """Return the seconds from `begin` to the end of each stage. All clocks are that of this machine.

    PULL and BUILD are no stages, but the seconds that these commands of the client took.
    """
    events = namespace.kube.core.list_namespaced_event(namespace.name, field_selector="reason=Scheduled").items
    uid = pod.read()["metadata"]["uid"]
    scheduled = next(event.event_time.timestamp() for event in events if event.involved_object.uid == uid)
    node = [(_time(line), line.replace('\\"', '"')) for line in node_log if _TIME.search(line)]
    container = next(found[1] for _, line in node if (found := _CONTAINER.search(line)))
    node_lines = {
        SANDBOX: "RunPodSandbox for ",
        CREATED: 'for container name:"dind"',
        RUNNING: f'StartContainer for "{container}" returns successfully',
        HOOK: 'for container name:"build"',
    }
    daemon, client = _lines(pod, "dind"), _lines(pod, "build")
    stages = {SCHEDULED: scheduled}
    for lines, texts in ((node, node_lines), (daemon, _DAEMON_LINES), (client, _CLIENT_LINES)):
        stages |= {stage: _find(lines, text) for stage, text in texts.items()}
    info, cached, ran, built = (_find(client, line) for line in ("answers", "cached", "ran", "built"))
    stages[RUN] = info + ran - cached
    times = {stage: stamp - begin for stage, stamp in stages.items()}
    return {**times, PULL: cached - info, BUILD: built - ran}


def _lines(pod: Pod, container: str) -> list[tuple[float, str]]:
    """Return the lines that a container has printed, with their times."""
    log = pod.kube.core.read_namespaced_pod_log(pod.name, pod.namespace, container=container, timestamps=True)
    return [(_time(line), line.partition(" ")[2]) for line in log.splitlines()]


def _time(line: str) -> float:
    found = _TIME.search(line)
    assert found, line
    return datetime.fromisoformat(found[0]).timestamp()


def _find(lines: list[tuple[float, str]], text: str) -> float:
    """Return the time of the first line with a text."""
    return next(stamp for stamp, line in lines if text in line)


def _read_memory(pod: Pod) -> dict[str, float]:
    """Return the memory in MB of the daemon's processes, by process and kind."""
    lines = (line.split() for line in pod.exec(_MEMORY, "dind").splitlines())
    return {f"{name} {kind.rstrip(':')}": int(kib) * 1024 / 1e6 for name, kind, kib in lines}


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
        return workloads.pod(daemon, client, inject=None, volumes=volumes)
    probe = {"exec": {"command": ["docker", "info"]}, "periodSeconds": 5, "failureThreshold": 24}
    sidecar = {**daemon, "restartPolicy": "Always", "startupProbe": probe}
    return workloads.pod(client, inject=None, volumes=volumes, initContainers=[sidecar])


FORMS = (Form(OURS, _injected()), Form(HANDWRITTEN, _handwritten), Form(ACTIONS, _as_actions))
VARIANTS = (
    Form(EMBEDDED, _injected(**{"dockerd-args": '["--feature=embedded-containerd"]'})),
    Form(NO_IPV6, _injected(**{"dockerd-args": '["--ip6tables=false"]'})),
    Form(SMALL_HEAP, _injected(env='{"GOGC": "50"}')),
)
NODES = (
    Node(VM, "vm-containerd.log", (*FORMS, Form(USERNS, _injected(isolation="userns")))),
    Node(LOCAL_NODE, "containerd.log", (*FORMS, *VARIANTS), is_second=True),
)


if __name__ == "__main__":
    main()
