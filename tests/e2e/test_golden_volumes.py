"""A golden volume: the Job of `dind-webhook golden` fills it, and pods start on copies of it.

A CSI driver of the tests makes the copies when Kubernetes' own provisioner tells it to. It copies all files, and does
not limit the size of a volume.
"""

from collections.abc import Iterator
from secrets import token_hex

import pytest
import workloads
from cluster.cluster import Cluster
from cluster.release import NAME, NAMESPACE
from copying_storage import SNAPSHOTS, CopyingStorage, copying_storage
from kube import Kube, Namespace, Pod, until
from kubernetes.client.exceptions import NotFoundException

from dind_webhook.golden_volume import Contents, render_snapshot, render_volume
from dind_webhook.settings import make_policy, parse_settings

pytestmark = [pytest.mark.any_node, pytest.mark.node, pytest.mark.xdist_group("golden")]

SIZE = "1Gi"
CLAIM, SNAPSHOT = "pvc/golden", "volumesnapshot/golden"


@pytest.fixture(scope="module")
def storage(kube: Kube, node: Cluster) -> Iterator[CopyingStorage]:
    with copying_storage(node, kube, with_snapshots=True) as made:
        yield made


@pytest.fixture(scope="module")
def jobs(kube: Kube, storage: CopyingStorage) -> Iterator[Namespace]:
    """Yield a namespace with a golden volume, made with the settings of the release, and its snapshot."""
    with kube.namespace() as namespace:
        text = kube.get("ConfigMap", NAME, NAMESPACE)["data"]["settings.yaml"]
        injection = parse_settings(text, "settings.yaml", {}).settings.injection
        defaults = {**injection.defaults, "storage-size": SIZE}
        policy = make_policy(injection.model_copy(update={"defaults": defaults}))
        for manifest in render_volume(policy, Contents(("busybox",), ()), "golden", None, storage.name):
            namespace.make(manifest)
        namespace.until_complete("golden")
        namespace.make(render_snapshot("golden", None, storage.name))

        def is_ready() -> bool:
            status = kube.get("VolumeSnapshot", "golden", namespace.name, SNAPSHOTS).get("status")
            return bool(status and status.get("readyToUse"))

        until("the snapshot", is_ready, lambda: "\n".join(namespace.events("golden")))
        yield namespace
        # The driver's programs end after its snapshots.
        kube.delete("VolumeSnapshot", "golden", namespace.name, SNAPSHOTS)
        until("the snapshot to go", lambda: not list(storage.directory.glob("snapshot-*")))


def start(jobs: Namespace, storage: CopyingStorage, name: str, source: str, size: str = SIZE) -> Pod:
    options = {"storage-data-source": source, "storage-class": storage.name, "storage-size": size}
    return jobs.run(workloads.pod(workloads.FOREVER, options=options, name=name))


@pytest.mark.parametrize(("source", "kind"), [(CLAIM, "PersistentVolumeClaim"), (SNAPSHOT, "VolumeSnapshot")])
def test_pods_start_with_the_images_and_write_to_their_own_copy(
    source: str, kind: str, jobs: Namespace, storage: CopyingStorage
) -> None:
    names = [f"{number}-{kind.lower()}" for number in ("first", "second")]
    pods = [start(jobs, storage, name, source) for name in names]
    first, second = (pod.ready() for pod in pods)
    claim = jobs.kube.get("PersistentVolumeClaim", f"{names[0]}-dind-storage", jobs.name)["spec"]
    assert (claim["dataSource"]["kind"], claim["dataSource"]["name"]) == (kind, "golden")
    for pod in (first, second):
        assert pod.exec("docker run --rm --pull=never busybox echo there") == "there\n"
        assert pod.exec("docker ps -aq") == ""
    first.exec("docker tag busybox own")
    assert second.exec("docker images -q own") == ""
    ids = {pod.exec("docker info --format '{{.ID}}'") for pod in (first, second)}
    assert len(ids) == 2


def test_a_copy_goes_with_its_pod(jobs: Namespace, storage: CopyingStorage) -> None:
    pod = start(jobs, storage, "short", CLAIM).ready()
    claim = f"{pod.name}-dind-storage"
    copy, golden = (storage.volume(jobs.name, name) for name in (claim, "golden"))
    assert (copy / "engine-id").exists()
    jobs.kube.delete("Pod", pod.name, jobs.name)
    until("the copy to go", lambda: not copy.exists(), lambda: "\n".join(jobs.events(claim)))
    with pytest.raises(NotFoundException):
        jobs.kube.core.read_namespaced_persistent_volume_claim(claim, jobs.name)
    assert (golden / "golden").read_text() == "none\n"


@pytest.mark.parametrize(
    ("source", "size", "reason"),
    [
        (CLAIM, "500Mi", "new PVC request must be greater than or equal in size to the specified PVC data source"),
        ("pvc/absent", SIZE, "error getting PVC absent"),
        ("volumesnapshot/absent", SIZE, "error getting snapshot absent from api server"),
    ],
    ids=["small", "no-claim", "no-snapshot"],
)
def test_a_pod_without_a_copy_waits_and_the_events_of_its_claim_say_why(
    source: str, size: str, reason: str, jobs: Namespace, storage: CopyingStorage
) -> None:
    pod = start(jobs, storage, f"waits-{token_hex(4)}", source, size)

    def events() -> str:
        return "\n".join(jobs.events(f"{pod.name}-dind-storage"))

    until("the event", lambda: reason in events(), lambda: events() + pod.describe())
    assert "ProvisioningFailed" in events()
    assert pod.phase == "Pending"
