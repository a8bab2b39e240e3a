"""Build the same in one pod after the other, with the examples of deploy/examples and of docs/mirrors.md."""

import re
import time
from collections.abc import Callable
from typing import Any

import workloads
from cluster.cluster import Cluster
from cluster.paths import ROOT
from kube import Manifest, Namespace, read
from report import DIGEST, JOB, LAYERS
from upstreams import LAYER_BYTES, Sent, Upstream, small_image_by_digest

_EXAMPLE, _EXAMPLE_IMAGE = ROOT / "deploy" / "examples" / "job.yaml", "busybox:1.37"
_TIMES = 3


def measure_builds(
    started: Cluster, namespace: Namespace, upstream: Upstream, mode: str
) -> dict[str, list[dict[str, Any]]]:
    """Return, by build, the seconds of the first, second and third pod, and what the registry has sent to each.

    The Job of the examples mounts a directory of its pod, which daemonset mode does not support.
    """
    tag, digest = upstream.small_image, small_image_by_digest(started, upstream)
    layers = f"{upstream.name}/team/layers:{namespace.name}"
    builds: dict[str, Callable[[int], None]] = {
        LAYERS: lambda number: _build_with_layers(namespace, upstream, mode, layers, number)
    }
    if mode == "sidecar":
        builds[JOB] = lambda number: _run_example(namespace, upstream, tag, f"tag-{number}")
        builds[DIGEST] = lambda number: _run_example(namespace, upstream, digest, f"digest-{number}")
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in builds}
    for name, build in builds.items():
        for number in range(_TIMES):
            before, begin = Sent.read([upstream]), time.monotonic()
            build(number)
            seconds = time.monotonic() - begin
            figures[name].append({"seconds": seconds, **Sent.read([upstream]).since(before)})
    return figures


def _run_example(namespace: Namespace, upstream: Upstream, image: str, name: str) -> None:
    """Run the Job of the examples with another image."""
    (job,) = read(_EXAMPLE)
    job["metadata"] = {"name": name}
    spec = job["spec"]["template"]["spec"]
    (source,) = spec["initContainers"]
    assert _EXAMPLE_IMAGE in source["args"][0]
    source["args"] = [source["args"][0].replace(_EXAMPLE_IMAGE, image)]
    spec["hostAliases"] = upstream.registry.host_aliases
    namespace.make(job)
    namespace.until_complete(name)


def _build_with_layers(namespace: Namespace, upstream: Upstream, mode: str, layers: str, number: int) -> None:
    """Build as docs/mirrors.md says. The first pod writes the layers to the registry, and the others read them."""
    write = "" if number else f"--cache-to type=registry,ref={layers},mode=max"
    script = f"""\
mkdir /tmp/project && cd /tmp/project
printf 'FROM {upstream.small_image}\\nRUN head -c {LAYER_BYTES} /dev/urandom >/made && echo executed\\n' >Dockerfile
docker buildx build --progress plain --tag app --cache-from type=registry,ref={layers} {write} . 2>&1
"""
    manifest: Manifest = workloads.pod(
        script, name=f"layers-{number}", inject=mode, hostAliases=upstream.registry.host_aliases
    )
    log = namespace.run(manifest).succeeds().log("build")
    is_executed = re.search(r"^#\d+ [\d.]+ executed$", log, re.MULTILINE) is not None
    # Otherwise the figures of the later pods would be those of another build.
    assert is_executed == (number == 0), log
