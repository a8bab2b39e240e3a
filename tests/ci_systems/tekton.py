"""Build Tekton Pipelines from its Go module as it is, and install it from its own manifests."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from cluster import local_node
from cluster.cluster import Cluster
from cluster.go import Go, Program
from cluster.steps import step
from kube import Manifest, until
from program_image import load_program
from systems import TEKTON

MODULE = "github.com/tektoncd/pipeline"
PROGRAMS = ("controller", "webhook", "entrypoint", "nop", "workingdirinit", "sidecarlogresults")
NAMESPACE = "tekton-pipelines"
# The shell for scripts of steps; the original can be had from its registry only.
_SHELL = "busybox:1.37"
# The autoscaler needs metrics, and the events controller sends CloudEvents: no run of a task needs them.
_WITHOUT = {"webhook-hpa.yaml", "events.yaml"}
# etcd of the test cluster is older than the watch lists of this client.
_ENVIRONMENT = [{"name": "KUBE_FEATURE_WatchListClient", "value": "false"}]


def install(node: Cluster) -> None:
    """Install Tekton in a cluster, and wait until it is ready. Installing it again changes nothing."""
    log = node.logs / "tekton.log"
    with node.cache.lock("build"):
        go = Go.of_machine(log)
        source = go.source(MODULE, TEKTON)
        programs = {name: _program(node, go, source, name) for name in PROGRAMS}
    for name, program in programs.items():
        # The place in which ko puts a program
        load_program(node, _image(name), program, f"/ko-app/{name}")
    with step(f"installing Tekton {TEKTON}"):
        _kubectl(node, "apply", "--server-side", "--filename=-", manifests=_manifests(source / "config"))
        crds = ("crd/tasks.tekton.dev", "crd/taskruns.tekton.dev", "crd/pipelineruns.tekton.dev")
        _kubectl(node, "wait", "--for=condition=Established", *crds, "--timeout=60s")
        for name in ("tekton-pipelines-webhook", "tekton-pipelines-controller"):
            _kubectl(node, "rollout", "status", f"deployment/{name}", f"--namespace={NAMESPACE}", "--timeout=180s")
        until("Tekton's webhook to answer", lambda: _webhook_answers(node))


def _image(name: str) -> str:
    return f"localhost/tekton-{name}:{TEKTON}"


def _program(node: Cluster, go: Go, source: Path, name: str) -> Path:
    program = node.cache.bin("tekton", TEKTON) / name
    if not program.exists():
        with step(f"building {name} of Tekton {TEKTON}"):
            go.build(source, Program(f"./cmd/{name}", cgo=False), program)
    return program


def _manifests(config: Path) -> Iterator[Manifest]:
    """Yield Tekton's own manifests, with the images of this machine, for the second node."""
    # Namespace and CRDs first. The resolvers fetch tasks from elsewhere.
    files = [*config.glob("100-namespace/*.yaml"), *config.glob("300-crds/*.yaml"), *sorted(config.glob("*.yaml"))]
    for file in files:
        if file.name in _WITHOUT:
            continue
        text = re.sub(rf"ko://{MODULE}/cmd/(\w+)", lambda found: _image(found[1]), file.read_text("utf-8"))
        text = re.sub(r"cgr\.dev/chainguard/busybox@sha256:\w+", _SHELL, text)
        for manifest in yaml.safe_load_all(text):
            if manifest and manifest["kind"] == "Deployment":
                _fit(manifest["spec"]["template"]["spec"])
            if manifest:
                yield manifest


def _fit(spec: Manifest) -> None:
    """Let a pod of Tekton start on a node of two cores that runs tests, from images that it has."""
    spec.update(local_node.selection())
    for container in spec["containers"]:
        container["imagePullPolicy"] = "IfNotPresent"
        container["resources"] = {}
        container["env"] = [*container["env"], *_ENVIRONMENT]
        for probe in container.keys() & {"livenessProbe", "readinessProbe"}:
            container[probe] |= {"timeoutSeconds": 20, "failureThreshold": 10}


def _webhook_answers(node: Cluster) -> bool:
    """Return whether TaskRuns can be made: the pod of the webhook is ready before it listens."""
    run = {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": "run"},
        "spec": {"taskSpec": {"steps": [{"name": "step", "image": _SHELL}]}},
    }
    return not _run_kubectl(node, "create", "--dry-run=server", "--filename=-", manifests=[run]).returncode


def _kubectl(node: Cluster, *arguments: str, manifests: Iterable[Manifest] = ()) -> None:
    done = _run_kubectl(node, *arguments, manifests=manifests)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"


def _run_kubectl(
    node: Cluster, *arguments: str, manifests: Iterable[Manifest] = ()
) -> subprocess.CompletedProcess[str]:
    text = yaml.safe_dump_all(list(manifests))
    command = [node.binaries.kubectl, f"--kubeconfig={node.kubeconfig}", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)
