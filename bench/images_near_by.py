"""`make bench-images`: measure how long pods that start at once wait for their images, and what registries send them."""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import report
import results
import workloads
from cluster import cluster, configs, images, local_node, oci, release, small_programs
from cluster.cluster import VERSION, Cluster
from cluster.errors import ClusterError
from cluster.images import Sources
from cluster.oci import Config
from cluster.paths import Cache, State
from cluster.release import Helm
from kube import Kube, Manifest, Namespace, Pod, until
from outside_service import outside_service
from private_registry import PrivateRegistry, private_registry
from program_image import load_program
from releases import Release, install_release
from report import CACHE, DAEMONSET, LINK_RATE, NO_CACHE, PREPULL

_PORT = 5460
_REGISTRIES = 3
# Each image has two layers of this size, besides that of busybox.
_LAYER_BYTES = 6_000_000
_DAEMON = "docker:bench-dind"
_PATIENCE = 400.0
# An image has the names that kubelet asked for, and others by its digests.
_REMOVE_IMAGE = f"""\
ctr="$1 --address={configs.CONTAINERD_SOCKET} --namespace=k8s.io"
for i in $(seq 60); do
  $ctr containers ls | grep -q "$2" || break
  sleep 1
done
digest=$($ctr images ls | awk -v name="docker.io/library/$2" '$1 == name {{print $3}}')
$ctr images rm --sync $($ctr images ls | awk -v digest="$digest" '$3 == digest {{print $1}}')
"""


@dataclass(frozen=True)
class Upstream:
    """A registry, and the port of the slow link to it, by which pods and caches know it."""

    registry: PrivateRegistry
    port: int

    @property
    def name(self) -> str:
        return f"{self.registry.name.partition(':')[0]}:{self.port}"

    @property
    def image(self) -> str:
        return f"{self.name}/team/app:1"


@dataclass(frozen=True)
class Form:
    """A way to get images: its name on the page, values of the chart, and the mode of the pods."""

    name: str
    values: dict[str, Any]
    mode: str = "sidecar"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=20)
    options = parser.parse_args()
    about = {**results.machine(), "kubernetes": VERSION, "pods": options.pods}
    state = State("bench-img")
    try:
        started = cluster.up(state, Cache.of_user())
        release.install(started, compiled=False)
        with tempfile.TemporaryDirectory() as folder, upstreams(started, Path(folder)) as found:
            forms = measure(started, found, options.pods)
        about["load_after"] = results.load_average()
    except ClusterError as error:
        sys.exit(str(error))
    finally:
        cluster.down(state)
    results.save("images_near_by", {"machine": about, "forms": forms})
    report.write()


@contextmanager
def upstreams(started: Cluster, folder: Path) -> Iterator[list[Upstream]]:
    """Start the registries, each with an image of its own, and the link to them. Prepare the node."""
    with ExitStack() as stack:
        found = []
        for number in range(_REGISTRIES):
            own = folder / str(number)
            own.mkdir()
            registry = stack.enter_context(
                private_registry(started, own, _PORT + number, with_password=False, with_tls=False)
            )
            upstream = Upstream(registry, _PORT + _REGISTRIES + number)
            archive = own / "app.tar"
            layers = [own / name for name in ("base", "first", "second")]
            for layer in layers:
                layer.mkdir()
            images.BUSYBOX.layers[0](layers[0], Sources(started.cache, started.logs / "images.log"))
            for layer in layers[1:]:
                (layer / layer.name).write_bytes(os.urandom(_LAYER_BYTES))
            oci.pack(upstream.image, layers, Config(("sh",)), archive)
            registry.push_archive(started, archive, "team/app:1")
            found.append(upstream)
        pairs = [f"{upstream.port}={upstream.registry.port}" for upstream in found]
        link = [sys.executable, Path(__file__).with_name("slow_link.py"), str(LINK_RATE), *pairs]
        stack.enter_context(outside_service(started, "slow-link", link, found[0].port))
        program = small_programs.REGISTRY
        image = f"docker.io/library/registry:{program.version.removeprefix('v')}"
        load_program(started, image, program.path(started.cache), "/bin/registry")
        _push_daemon(started, folder)
        yield found


def _push_daemon(started: Cluster, folder: Path) -> None:
    """Push an image of the daemon that shares no layer with those on the node to the registry of the nodes."""
    root, archive = folder / "daemon", folder / "daemon.tar"
    root.mkdir()
    with tarfile.open(images.DAEMON.archive(started.cache)) as packed:
        for digest in _layers(packed):
            content = packed.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert content
            subprocess.run(
                ["tar", "--extract", "--numeric-owner", f"--directory={root}"], input=content.read(), check=True
            )
    oci.pack(f"docker.io/library/{_DAEMON}", [root], images.DAEMON.config, archive)
    target = f"docker://{started.registry}/library/{_DAEMON}"
    copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
    started.sandbox.run("pushing an image of the daemon", *copy, f"oci-archive:{archive}", target)


def _layers(archive: tarfile.TarFile) -> list[str]:
    """Return the digests of the layers of the image in an archive."""

    def read(path: str) -> Any:
        content = archive.extractfile(path)
        assert content
        return json.load(content)

    (manifest,) = read("index.json")["manifests"]
    described = read(f"blobs/{manifest['digest'].replace(':', '/')}")
    return [layer["digest"] for layer in described["layers"]]


def measure(started: Cluster, found: Sequence[Upstream], pods: int) -> dict[str, Any]:
    """Return, by form, the seconds of each pod of the wave and of a later one, and what the registries have sent."""
    kube = replace(Kube.load(str(started.kubeconfig)), on_second_node=True)
    helm = replace(Helm.of(started.kubeconfig, started.logs), node_selection=local_node.selection())
    figures = {}
    for form in _forms(found):
        with install_release(kube, helm, form.values) as own, own.namespace_of() as namespace:
            before = _sent(found)
            wave = _run_wave(namespace, form, found, [f"pod-{number}" for number in range(pods)])
            after_wave = _sent(found)
            later = _run_wave(namespace, form, found, ["later"])
            figures[form.name] = {
                "wave": {"seconds": wave, **_differences(before, after_wave)},
                "later": {"seconds": later, **_differences(after_wave, _sent(found))},
            }
            _until_gone(own, namespace)
        _remove_daemon_image(started)
    return figures


def _forms(found: Sequence[Upstream]) -> list[Form]:
    registries = [upstream.name for upstream in found]
    address = found[0].registry.address
    caches = [{"registry": one.name, "url": f"http://{address}:{one.port}"} for one in found]
    small = {"cpu-request": "10m", "memory-request": "32Mi"}
    without = {
        "dindImage": {"tag": _DAEMON.partition(":")[2]},
        "settings": {"injection": {"defaults": {**small, "insecure-registries": ",".join(registries)}}},
    }
    cache = {"enabled": True, "upstreams": caches, "persistence": {"enabled": False}, **local_node.selection()}
    daemonset = {
        "enabled": True,
        "extraArgs": [f"--insecure-registry={name}" for name in registries],
        "hostAliases": found[0].registry.host_aliases,
    }
    return [
        Form(NO_CACHE, without),
        Form(CACHE, {**without, "cache": cache}),
        Form(PREPULL, {**without, "cache": cache, "prepull": {"enabled": True, **local_node.selection()}}),
        Form(DAEMONSET, {**without, "daemonset": daemonset}, "daemonset"),
    ]


def _run_wave(namespace: Namespace, form: Form, found: Sequence[Upstream], names: Sequence[str]) -> dict[str, Any]:
    """Create pods at once. Return the seconds until each had pulled all images, and until it had built."""
    manifests = [_pod(name, form, found) for name in names]
    begin = time.time()
    pods = [namespace.run(manifest) for manifest in manifests]
    until("the pods to build", lambda: all(_has_ended(pod) for pod in pods), pods[0].describe, _PATIENCE)
    times = [_times(pod) for pod in pods]
    return {line: [time_[line] - begin for time_ in times] for line in ("pulled", "built")}


def _pod(name: str, form: Form, found: Sequence[Upstream]) -> Manifest:
    pulls = "\n".join(f"docker pull --quiet {upstream.image}" for upstream in found)
    stages = "".join(f"FROM {upstream.image} AS stage{index}\\n" for index, upstream in enumerate(found))
    copies = "".join(f"COPY --from=stage{index} /first /{index}\\n" for index in range(len(found) - 1))
    script = f"""\
{pulls}
echo pulled
printf '{stages}{copies}RUN echo {name} >/made\\n' | docker build --quiet -
echo built
"""
    return workloads.pod(script, name=name, inject=form.mode, hostAliases=found[0].registry.host_aliases)


def _has_ended(pod: Pod) -> bool:
    assert pod.phase != "Failed", pod.describe()
    return pod.phase == "Succeeded"


def _times(pod: Pod) -> dict[str, float]:
    """Return the time of each line that the client has printed."""
    log = pod.kube.core.read_namespaced_pod_log(pod.name, pod.namespace, container="build", timestamps=True)
    pairs = (line.split(" ", 1) for line in log.splitlines())
    return {text: datetime.fromisoformat(stamp).timestamp() for stamp, text in pairs}


def _sent(found: Sequence[Upstream]) -> dict[str, float]:
    """Return the requests for blobs and manifests of all registries, the blobs that they sent, and the MB of these."""
    log = "".join(upstream.registry.log.read_text() for upstream in found)
    requests = re.findall(
        r'"(?:GET|HEAD) /v2/\S+/(?:blobs|manifests)/sha256:\S+ |"(?:GET|HEAD) /v2/\S+/manifests/1 ', log
    )
    blobs = re.findall(r'"GET /v2/\S+/blobs/\S+ HTTP/1.1" 20[06] (\d+)', log)
    return {"requests": len(requests), "blobs": len(blobs), "megabytes": sum(map(int, blobs)) / 1e6}


def _differences(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {kind: value - before[kind] for kind, value in after.items()}


def _until_gone(own: Release, namespace: Namespace) -> None:
    """Delete the pods, so that the next form has the node for itself."""
    for pod in namespace.pods():
        own.kube.delete("Pod", pod.name, pod.namespace)
    until("the pods to go", lambda: not namespace.pods())


def _remove_daemon_image(started: Cluster) -> None:
    """Remove the daemon's image from the node, when no container of it is left."""
    ctr = started.local_node.binaries.containerd / "ctr"
    started.sandbox.run("removing the daemon's image", "sh", "-euc", _REMOVE_IMAGE, "sh", ctr, _DAEMON)


if __name__ == "__main__":
    main()
