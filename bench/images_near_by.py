"""`make bench-images`: measure how long pods wait for their images and builds, and what registries send them."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import report
import results
import workloads
from cluster import cluster, configs, local_node, release
from cluster.cluster import VERSION, Cluster
from cluster.errors import ClusterError
from cluster.paths import Cache, State
from cluster.release import Helm
from copying_storage import CopyingStorage, copying_storage
from kube import Kube, Manifest, Namespace, Pod, until
from releases import Release, install_release
from repeated_builds import measure_builds
from report import CACHE, DAEMONSET, GOLDEN, NO_CACHE, PREPULL
from upstreams import DAEMON, Sent, Upstream, upstreams

from dind_webhook.golden_volume import Contents, render_volume
from dind_webhook.settings import make_policy, parse_settings

_PATIENCE = 400.0
_GOLDEN_CLAIM, _STORAGE_SIZE = "golden", "1Gi"
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
class Form:
    """A way to get images: its name on the page, values of the chart, and the mode of the pods."""

    name: str
    values: dict[str, Any]
    mode: str = "sidecar"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=20)
    options = parser.parse_args()
    results.require("mkfs.xfs")
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


def measure(started: Cluster, found: Sequence[Upstream], pods: int) -> dict[str, Any]:
    """Return, by form, the figures of the wave, of a later pod, and of builds that run again."""
    kube = replace(Kube.load(str(started.kubeconfig)), on_second_node=True)
    helm = replace(Helm.of(started.kubeconfig, started.logs), node_selection=local_node.selection())
    figures = {}
    with copying_storage(started, kube, on_xfs=True) as storage:
        for form in _forms(found, storage):
            with install_release(kube, helm, form.values) as own, own.namespace_of() as namespace:
                if form.name == GOLDEN:
                    _fill_golden_volume(own, namespace, found, storage)
                figures[form.name] = _measure_form(started, namespace, form, found, pods)
                _until_gone(own, namespace)
            _remove_daemon_image(started)
    return figures


def _fill_golden_volume(own: Release, namespace: Namespace, found: Sequence[Upstream], storage: CopyingStorage) -> None:
    """Make the volume that the pods of the form copy, with all images."""
    text = own.kube.get("ConfigMap", own.fullname, own.helm.namespace)["data"]["settings.yaml"]
    policy = make_policy(parse_settings(text, "settings.yaml", {}).settings.injection)
    names = tuple(name for upstream in found for name in (upstream.image, upstream.small_image))
    claim, job = render_volume(policy, Contents(names, ()), _GOLDEN_CLAIM, None, storage.name)
    job["spec"]["template"]["spec"]["hostAliases"] = found[0].registry.host_aliases
    for manifest in (claim, job):
        namespace.make(manifest)
    namespace.until_complete(_GOLDEN_CLAIM)


def _measure_form(
    started: Cluster, namespace: Namespace, form: Form, found: Sequence[Upstream], pods: int
) -> dict[str, Any]:
    """Return the seconds of all pods, and what the registries have sent."""
    before = Sent.read(found)
    wave = _run_wave(namespace, form, found, [f"pod-{number}" for number in range(pods)])
    after_wave = Sent.read(found)
    later = _run_wave(namespace, form, found, ["later"])
    figures = {
        "wave": {"seconds": wave, **after_wave.since(before)},
        "later": {"seconds": later, **Sent.read(found).since(after_wave)},
    }
    # When pods come one after the other, the node has the daemon's image.
    builds = {} if form.name == PREPULL else measure_builds(started, namespace, found[0], form.mode)
    return {**figures, "builds": builds}


def _forms(found: Sequence[Upstream], storage: CopyingStorage) -> list[Form]:
    registries = [upstream.name for upstream in found]
    address = found[0].registry.address
    caches = [{"registry": one.name, "url": f"http://{address}:{one.port}"} for one in found]
    small = {"cpu-request": "10m", "memory-request": "32Mi"}
    defaults = {**small, "insecure-registries": ",".join(registries)}
    without = {
        "dindImage": {"tag": DAEMON.partition(":")[2]},
        "settings": {"injection": {"defaults": defaults}},
    }
    copied = {
        "storage-data-source": f"pvc/{_GOLDEN_CLAIM}",
        "storage-class": storage.name,
        "storage-size": _STORAGE_SIZE,
    }
    golden = {**without, "settings": {"injection": {"defaults": defaults | copied}}}
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
        Form(GOLDEN, golden),
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


def _until_gone(own: Release, namespace: Namespace) -> None:
    """Delete the pods, so that the next form has the node for itself."""
    for pod in namespace.pods():
        own.kube.delete("Pod", pod.name, pod.namespace)
    until("the pods to go", lambda: not namespace.pods())


def _remove_daemon_image(started: Cluster) -> None:
    """Remove the daemon's image from the node, when no container of it is left."""
    ctr = started.local_node.binaries.containerd / "ctr"
    started.sandbox.run("removing the daemon's image", "sh", "-euc", _REMOVE_IMAGE, "sh", ctr, DAEMON)


if __name__ == "__main__":
    main()
