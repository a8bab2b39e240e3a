"""A release on a real cluster, whose nodes pull image and chart from a registry: install, upgrade, and install.yaml.

The registry is the mirror of docker.io for the nodes, so the image has that name there, with the digest of the release.
"""

import json
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
from made_release import OWNER, Release, tool

from dind_webhook import __version__

NAMESPACE = "dind-webhook"
BEFORE = "0.0.9"
REGISTRY_OF_NODES = "docker.io"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "build", "annotations": {"dind.io/inject": "sidecar"}},
    "spec": {"containers": [{"name": "build", "image": "docker:29.8.2-cli"}]},
}


@dataclass(frozen=True)
class Installed:
    """A cluster, and a release whose image and charts are in its registry."""

    cluster: Cluster
    release: Release

    @property
    def image(self) -> str:
        """Return the image by digest, as the nodes name it."""
        return f"{REGISTRY_OF_NODES}/{OWNER}/dind-webhook@{self.release.image.partition('@')[2]}"

    def helm(self, *arguments: str | Path) -> None:
        kubeconfig = f"--kubeconfig={self.cluster.kubeconfig}"
        subprocess.run([tool("helm4"), *arguments, kubeconfig, f"--namespace={NAMESPACE}"], check=True)

    def upgrade_to(self, version: str) -> None:
        """Install or upgrade to a version of the chart from the registry, and wait until its pods are ready."""
        chart = f"oci://{self.cluster.registry}/{OWNER}/charts/dind-webhook"
        values = self.cluster.state.root / "release-values.json"
        values.write_text(json.dumps({"image": {"registry": REGISTRY_OF_NODES}, **local_node.selection()}))
        flags = ["--plain-http", f"--version={version}", f"--values={values}", "--wait", "--timeout=5m"]
        self.helm("upgrade", "--install", "--create-namespace", "dind-webhook", chart, *flags)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = [self.cluster.binaries.kubernetes / "kubectl", f"--kubeconfig={self.cluster.kubeconfig}", *arguments]
        return subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE, text=True).stdout

    def running_images(self) -> set[str]:
        """Return the images of the webhook's ready pods, as the container runtime reports them."""
        selector = "app.kubernetes.io/name=dind-webhook"
        pods = json.loads(
            self.kubectl("get", "pods", f"--namespace={NAMESPACE}", f"--selector={selector}", "--output=json")
        )
        statuses = [one for pod in pods["items"] for one in pod["status"]["containerStatuses"]]
        return {one["imageID"] for one in statuses if one["ready"]}

    def injects(self) -> bool:
        """Return whether the API server adds the daemon to an annotated pod."""
        created = self.kubectl(
            "create", "--namespace=ci", "--dry-run=server", "--output=json", "--filename=-", stdin=json.dumps(POD)
        )
        return "dind" in {one["name"] for one in json.loads(created)["spec"].get("initContainers", [])}


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
        _fill_registry(cluster.registry, release, tmp_path_factory.mktemp("push"))
        on_cluster = Installed(cluster, release)
        namespace = {"name": "ci", "labels": {"dind.io/inject": "enabled"}}
        manifest = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
        on_cluster.kubectl("apply", "--filename=-", stdin=manifest)
        yield on_cluster
    finally:
        down(state)


def _fill_registry(registry: str, release: Release, folder: Path) -> None:
    (archive,) = release.dist.glob("*-image.tar")
    (folder / "layout").mkdir()
    subprocess.run(["tar", "-x", "-C", folder / "layout", "-f", archive], check=True)
    image = f"{registry}/{OWNER}/dind-webhook:{__version__}"
    subprocess.run([tool("crane"), "push", "--insecure", folder / "layout", image], check=True)
    # The release before: the same chart with an older version.
    subprocess.run(["tar", "-xz", "-C", folder, "-f", release.chart], check=True)
    description = folder / "dind-webhook/Chart.yaml"
    description.write_text(yaml.safe_dump(yaml.safe_load(description.read_text()) | {"version": BEFORE}))
    subprocess.run([tool("helm4"), "package", folder / "dind-webhook", "--destination", folder], check=True)
    for chart in (folder / f"dind-webhook-{BEFORE}.tgz", release.chart):
        subprocess.run([tool("helm4"), "push", "--plain-http", chart, f"oci://{registry}/{OWNER}/charts"], check=True)


def test_install_from_the_registry_and_upgrade_from_the_release_before(installed: Installed) -> None:
    installed.upgrade_to(BEFORE)
    assert installed.injects()
    installed.upgrade_to(__version__)
    assert installed.injects()
    assert installed.running_images() == {installed.image}
    installed.helm("uninstall", "dind-webhook", "--wait")
    installed.kubectl("delete", "namespace", NAMESPACE)


def test_install_with_kubectl(installed: Installed) -> None:
    registry = installed.release.registry
    manifest = (installed.release.dist / "install.yaml").read_text().replace(f"{registry}/", f"{REGISTRY_OF_NODES}/")
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
