"""A golden volume: the Job of `dind-webhook golden` fills it, and pods start on copies of it.

The volumes are directories of the node, and the test copies them. What this cannot show is a CSI driver that does.
"""

from collections.abc import Iterator
from secrets import token_hex

import pytest
import workloads
from cluster.release import NAME, NAMESPACE
from kube import Kube, Manifest, Namespace, Pod

from dind_webhook.golden_volume import Contents, render_volume
from dind_webhook.settings import make_policy, parse_settings

pytestmark = pytest.mark.any_node

SIZE = "1Gi"


def directory(name: str, claim_namespace: str, claim: str) -> Manifest:
    """Return a PersistentVolume in a directory of the node, for one claim. Its name is its storage class too."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{name}-{claim}"},
        "spec": {
            "storageClassName": name,
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim_namespace,
                "name": claim,
            },
            "hostPath": {"path": f"/var/lib/{name}/{claim}", "type": "DirectoryOrCreate"},
        },
    }


@pytest.fixture
def storage(ci: Namespace, kube: Kube) -> Iterator[str]:
    """Yield the storage class of volumes for the claims of this test."""
    name = f"e2e-{token_hex(4)}"
    claims = ("golden", "first-dind-storage", "second-dind-storage")
    for claim in claims:
        kube.make(directory(name, ci.name, claim))
    yield name
    for claim in claims:
        kube.delete("PersistentVolume", f"{name}-{claim}")


def fill(ci: Namespace, kube: Kube, storage_class: str) -> None:
    """Make a golden volume with the settings of the release, as `dind-webhook golden` does."""
    text = kube.get("ConfigMap", NAME, NAMESPACE)["data"]["settings.yaml"]
    injection = parse_settings(text, "settings.yaml", {}).settings.injection
    defaults = {**injection.defaults, "storage-size": SIZE}
    policy = make_policy(injection.model_copy(update={"defaults": defaults}))
    for manifest in render_volume(policy, Contents(("busybox",), ()), "golden", None, storage_class):
        ci.make(manifest)
    ci.until_complete("golden")


def copy(ci: Namespace, storage_class: str, claim: str) -> None:
    mount = {"name": "node", "mountPath": "/node"}
    copier = workloads.container(f"cp -a /node/golden/. /node/{claim}", volumeMounts=[mount])
    volume = {"name": "node", "hostPath": {"path": f"/var/lib/{storage_class}"}}
    ci.run(workloads.pod(copier, inject=None, name=f"copy-{claim}", volumes=[volume])).succeeds()


def start(ci: Namespace, storage_class: str, name: str) -> Pod:
    options = {"storage-data-source": "pvc/golden", "storage-class": storage_class, "storage-size": SIZE}
    return ci.run(workloads.pod(workloads.FOREVER, options=options, name=name))


def test_pods_start_with_the_images_and_write_to_their_own_copy(ci: Namespace, kube: Kube, storage: str) -> None:
    fill(ci, kube, storage)
    for name in ("first", "second"):
        copy(ci, storage, f"{name}-dind-storage")
    first, second = (start(ci, storage, name).ready() for name in ("first", "second"))
    claim = kube.get("PersistentVolumeClaim", "first-dind-storage", ci.name)["spec"]
    assert (claim["dataSource"]["kind"], claim["dataSource"]["name"]) == ("PersistentVolumeClaim", "golden")
    for pod in (first, second):
        assert pod.exec("docker run --rm --pull=never busybox echo there") == "there\n"
        assert pod.exec("docker ps -aq") == ""
    first.exec("docker tag busybox own")
    assert second.exec("docker images -q own") == ""
    ids = {pod.exec("docker info --format '{{.ID}}'") for pod in (first, second)}
    assert len(ids) == 2
