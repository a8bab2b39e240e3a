"""A release on a real cluster, whose nodes pull image and chart from a registry: install, upgrade, and install.yaml.

The registry is the mirror of docker.io for the nodes, so the image has that name there, with the digest of the release.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import local_node
from cluster.cluster import Cluster, down, find
from cluster.paths import Cache, State
from made_release import OWNER, Release, clone, commit_version, make, tool
from publishing import Published, publish, write_checksums

from dind_webhook import __version__

NAMESPACE = "dind-webhook"
PREVIOUS_VERSION = "0.0.9"
REGISTRY_OF_NODES = "docker.io"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "build", "annotations": {"dind.io/inject": "sidecar"}},
    "spec": {"containers": [{"name": "build", "image": "docker:29.8.2-cli"}]},
}


@dataclass(frozen=True)
class Installed:
    """A cluster, and two releases whose images and charts are in its registry: one, and the one before."""

    cluster: Cluster
    published: Published
    previous: Release

    @property
    def image(self) -> str:
        """Return the image by digest, as the nodes name it."""
        return _image(self.published.release)

    def helm(self, *arguments: str | Path) -> None:
        kubeconfig = f"--kubeconfig={self.cluster.kubeconfig}"
        subprocess.run([tool("helm4"), *arguments, kubeconfig, f"--namespace={NAMESPACE}"], check=True)

    def upgrade_to(self, version: str) -> None:
        """Install or upgrade to a version of the chart by its digest in the registry, and wait for its pods."""
        chart = f"{self.cluster.registry}/{OWNER}/charts/dind-webhook"
        digest = self.published.digest(f"{chart}:{version}")
        values = self.cluster.state.root / "release-values.json"
        values.write_text(json.dumps({"image": {"registry": REGISTRY_OF_NODES}, **local_node.selection()}))
        flags = ["--plain-http", f"--values={values}", "--wait", "--timeout=5m"]
        self.helm("upgrade", "--install", "--create-namespace", "dind-webhook", f"oci://{chart}@{digest}", *flags)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = [self.cluster.binaries.kubernetes / "kubectl", f"--kubeconfig={self.cluster.kubeconfig}", *arguments]
        return subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE, text=True).stdout

    def running_images(self) -> set[str]:
        """Return the images of the webhook's ready pods that stay, as the container runtime reports them."""
        selector = "app.kubernetes.io/name=dind-webhook"
        pods = json.loads(
            self.kubectl("get", "pods", f"--namespace={NAMESPACE}", f"--selector={selector}", "--output=json")
        )
        staying = [pod for pod in pods["items"] if "deletionTimestamp" not in pod["metadata"]]
        statuses = [one for pod in staying for one in pod["status"]["containerStatuses"]]
        return {one["imageID"] for one in statuses if one["ready"]}

    def injects(self) -> bool:
        """Return whether the API server adds the daemon to an annotated pod."""
        created = self.kubectl(
            "create", "--namespace=ci", "--dry-run=server", "--output=json", "--filename=-", stdin=json.dumps(POD)
        )
        return "dind" in {one["name"] for one in json.loads(created)["spec"].get("initContainers", [])}


def _image(release: Release) -> str:
    return f"{REGISTRY_OF_NODES}/{OWNER}/dind-webhook@{release.image.partition('@')[2]}"


def _start(state: State) -> None:
    """Start the cluster in another process: Python warns about processes that outlive the object of their start."""
    code = "from cluster.cluster import up; from cluster.paths import Cache, State; up(State({!r}), Cache.of_user())"
    subprocess.run([sys.executable, "-c", code.format(state.name)], check=True)


@pytest.fixture(scope="module")
def installed(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    state, cache = State("release"), Cache.of_user()
    try:
        _start(state)
        cluster = find(state, cache)
        assert cluster
        published = _publish(cluster.registry, release, tmp_path_factory.mktemp("publish"))
        previous = _publish_previous(cluster.registry, published, tmp_path_factory.mktemp("previous"))
        on_cluster = Installed(cluster, published, previous)
        namespace = {"name": "ci", "labels": {"dind.io/inject": "enabled"}}
        manifest = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
        on_cluster.kubectl("apply", "--filename=-", stdin=manifest)
        yield on_cluster
    finally:
        down(state)


def _publish(registry: str, release: Release, folder: Path) -> Published:
    """Publish a release to the cluster's registry."""
    dist = folder / "dist"
    shutil.copytree(release.dist, dist)
    _, slash, path = release.image.partition("/")
    (dist / "image.txt").write_text(f"{registry}{slash}{path}\n")
    write_checksums(dist)
    return publish(Release(dist, registry), folder)


def _publish_previous(registry: str, published: Published, folder: Path) -> Release:
    """Make and publish the release of a commit with a lower version: another chart, and another image."""
    checkout = clone(folder)
    commit_version(checkout, PREVIOUS_VERSION)
    previous = Release(folder / "dist", registry)
    # Without native modules it is another image anyway, and is there minutes earlier.
    make(previous.dist, registry, checkout, interpreted=True)
    assert previous.image.partition("@")[0].endswith(f":{PREVIOUS_VERSION}")
    done = published.publish(previous.dist)
    assert done.returncode == 0, done.stderr
    return previous


def test_install_from_the_registry_and_upgrade_from_an_older_version(installed: Installed) -> None:
    for image in installed.published.images:
        done = installed.published.verify(image, installed.published.key)
        assert done.returncode == 0, done.stderr
    installed.upgrade_to(PREVIOUS_VERSION)
    assert installed.injects()
    assert installed.running_images() == {_image(installed.previous)}
    installed.upgrade_to(__version__)
    assert installed.injects()
    assert installed.running_images() == {installed.image} != {_image(installed.previous)}
    installed.helm("test", "dind-webhook")
    installed.helm("uninstall", "dind-webhook", "--wait")
    installed.kubectl("delete", "namespace", NAMESPACE)


def test_install_with_kubectl(installed: Installed, release: Release) -> None:
    # The registry for which the release was made, which is not that of the cluster
    manifest = (release.dist / "install.yaml").read_text().replace(f"{release.registry}/", f"{REGISTRY_OF_NODES}/")
    objects: list[Any] = list(yaml.safe_load_all(manifest))
    # The webhook runs on the node that starts programs faster.
    for one in objects:
        if one["kind"] == "Deployment":
            one["spec"]["template"]["spec"] |= local_node.selection()
    installed.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(objects))
    installed.kubectl("rollout", "status", "deployment/dind-webhook", f"--namespace={NAMESPACE}", "--timeout=5m")
    assert installed.injects()
    assert installed.running_images() == {installed.image}
    installed.kubectl("delete", "--filename=-", stdin=yaml.safe_dump_all(objects))
