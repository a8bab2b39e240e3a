"""The chart's cache and pre-pull, with two registries of the tests behind the cache. One of them wants a password.

The image of the cache has the program of Distribution, without storage in clouds, and nothing else. Its volumes are of
the CSI driver of the tests, which does not limit their size.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import workloads
from cluster import images, local_node, small_programs
from cluster.cluster import Cluster
from cluster.release import Helm
from copying_storage import CopyingStorage, copying_storage
from kube import Kube, Namespace, Pod, until
from kubernetes import client
from private_registry import PASSWORD, USER, PrivateRegistry, private_registry
from program_image import load_program
from releases import Release, install_release
from workloads import FOREVER, container

pytestmark = [pytest.mark.any_node, pytest.mark.node, pytest.mark.xdist_group("cache")]

# Tags that only the registry of the cluster has, not the nodes
_DAEMON, _JOB = "docker:prepull-dind", "busybox:prepull"
# The client's image has several megabytes, so that a pull takes a moment.
_LARGE = "team/client:1"
_PULL_SECONDS = 30


@dataclass(frozen=True)
class Upstreams:
    """The registries behind the caches. `closed` wants a password."""

    open: PrivateRegistry
    closed: PrivateRegistry

    def fetched_once(self) -> bool:
        """Return whether both have sent blobs, and each blob once."""
        return all(set(one.fetched_blobs().values()) == {1} for one in (self.open, self.closed))


@pytest.fixture(scope="module")
def upstreams(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreams]:
    folders = [tmp_path_factory.mktemp("registry") for _ in range(2)]
    with (
        private_registry(node, folders[0], 5447, with_password=False, with_tls=False) as open_,
        private_registry(node, folders[1], 5448, with_password=True, with_tls=False) as closed,
    ):
        open_.push(node, images.CLIENT, f"{open_.name}/{_LARGE}")
        yield Upstreams(open_, closed)


@pytest.fixture(scope="module")
def storage(kube: Kube, node: Cluster) -> Iterator[CopyingStorage]:
    with copying_storage(node, kube) as made:
        yield made


@pytest.fixture(scope="module")
def nearby(kube: Kube, helm: Helm, node: Cluster, upstreams: Upstreams, storage: CopyingStorage) -> Iterator[Release]:
    """Yield a release with caches and pre-pull, all on the second node."""
    image = f"docker.io/library/registry:{small_programs.REGISTRY.version.removeprefix('v')}"
    load_program(node, image, small_programs.REGISTRY.path(node.cache), "/bin/registry")
    for archived, name in ((images.DAEMON, _DAEMON), (images.BUSYBOX, _JOB)):
        source, target = f"oci-archive:{archived.archive(node.cache)}", f"docker://{node.registry}/library/{name}"
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
        node.sandbox.run(f"pushing {name}", *copy, source, target)
    with install_release(kube, helm, _values(upstreams, storage)) as release:
        yield release


@pytest.fixture
def jobs(nearby: Release) -> Iterator[Namespace]:
    with nearby.namespace_of() as namespace:
        yield namespace


def _values(upstreams: Upstreams, storage: CopyingStorage) -> dict[str, Any]:
    caches = [
        {"registry": upstreams.open.name, "url": upstreams.open.url, "anonymous": True},
        {"registry": upstreams.closed.name, "url": upstreams.closed.url},
    ]
    key = upstreams.closed.name.replace(":", "_")
    accounts = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "accounts"},
        "stringData": {f"{key}.username": USER, f"{key}.password": PASSWORD},
    }
    return {
        "extraObjects": [accounts],
        "dindImage": {"tag": _DAEMON.partition(":")[2]},
        "settings": {"injection": {"allowed_options": ["insecure-registries", "registry-mirrors"]}},
        "cache": {
            "enabled": True,
            "upstreams": caches,
            "credentialsSecret": "accounts",
            "persistence": {"size": "1Gi", "storageClass": storage.name},
            # The pods of all tests must fit on the node.
            "resources": {"requests": {"cpu": "10m"}},
            **local_node.selection(),
        },
        "prepull": {"enabled": True, "images": [_JOB], **local_node.selection()},
        # For pushes, which go to the registry itself
        "daemonset": {
            "enabled": True,
            "extraArgs": [f"--insecure-registry={upstreams.open.name}"],
            "hostAliases": upstreams.open.host_aliases,
        },
    }


def pull_and_build(upstreams: Upstreams) -> str:
    """Return a script that uses images of both registries with all commands that pull."""
    first, second = upstreams.open.image, upstreams.closed.image
    return f"""\
mkdir -p /tmp/project && cd /tmp/project
cat >compose.yaml <<'END'
services:
  first: {{image: "{first}"}}
  second: {{image: "{second}"}}
END
printf 'FROM {first} AS first\\nRUN echo first >/made\\nFROM {second}\\nCOPY --from=first /made /\\nRUN cat /made\\n' >Dockerfile
forget() {{ docker image rm --force {first} {second} built && docker builder prune --all --force; }}
docker compose pull
docker build --tag built .
forget
docker buildx build --tag built .
forget
"""  # noqa: E501


def test_pulls_composes_and_builds_of_all_pods_cost_each_registry_each_blob_once(
    jobs: Namespace, upstreams: Upstreams
) -> None:
    """The daemons do not know that the registries have no TLS, nor the password: all comes from the caches."""
    at_once = [jobs.run(workloads.pod(pull_and_build(upstreams), name=name)) for name in ("first", "second")]
    for pod in at_once:
        pod.succeeds()
    assert upstreams.fetched_once()
    jobs.run(workloads.pod(pull_and_build(upstreams), name="later")).succeeds()
    assert upstreams.fetched_once()


def test_the_daemon_of_the_node_uses_the_caches_too(jobs: Namespace, nearby: Release, upstreams: Upstreams) -> None:
    _wait_until_the_daemon_of_the_node_asks_the_caches(nearby)
    jobs.run(workloads.pod(pull_and_build(upstreams), inject="daemonset")).succeeds()
    assert upstreams.fetched_once()


def test_only_the_cache_has_the_password(jobs: Namespace, nearby: Release, upstreams: Upstreams) -> None:
    closed = upstreams.closed
    options = {"registry-mirrors": f"{closed.name}=none", "insecure-registries": closed.name}
    pod = jobs.run(workloads.pod(FOREVER, options=options, hostAliases=closed.host_aliases)).ready()
    assert "no basic auth credentials" in pod.exec(f"docker pull {closed.image} 2>&1 || true")
    assert not any(PASSWORD in pod.exec("env", name) for name in ("build", "dind"))
    for namespace in (jobs.name, nearby.helm.namespace):
        pods = nearby.kube.core.list_namespaced_pod(namespace)
        config_maps = nearby.kube.core.list_namespaced_config_map(namespace)
        for found in (pods, config_maps):
            assert PASSWORD not in json.dumps(nearby.kube.api.sanitize_for_serialization(found))


def test_pulls_go_on_while_the_cache_is_killed_and_without_it(
    jobs: Namespace, nearby: Release, node: Cluster, upstreams: Upstreams
) -> None:
    registry = upstreams.open
    options = {"insecure-registries": registry.name}
    pod = jobs.run(workloads.pod(FOREVER, options=options, hostAliases=registry.host_aliases)).ready()
    image = f"{registry.name}/{_LARGE}"
    pull = f"timeout {_PULL_SECONDS} docker pull --quiet {image} && docker image rm --force {image}"
    pulls = f"while [ ! -e /tmp/stop ]; do {pull} || exit; echo pulled >>/tmp/pulls; done; touch /tmp/ended"
    pod.exec(f"({pulls}) >/tmp/log 2>&1 &")

    def has_pulled(times: int) -> bool:
        return pod.exec("cat /tmp/pulls 2>/dev/null || true").count("pulled") >= times

    until("the first pulls", lambda: has_pulled(1), lambda: pod.exec("cat /tmp/log"))
    killed = _cache(nearby, registry)
    identifier = killed.container_id("registry")
    node.local_node.ctr("killing the cache", "tasks", "kill", "--signal=SIGKILL", identifier)
    killed.until(lambda: killed.status("registry")["restartCount"] == 1, "restart")
    nearby.kube.core.delete_namespaced_pod(killed.name, killed.namespace, grace_period_seconds=0)
    until("more pulls", lambda: has_pulled(8), lambda: pod.exec("cat /tmp/log"), seconds=8 * _PULL_SECONDS)
    pod.exec("touch /tmp/stop")
    until("the pulls to end", lambda: "ended" in pod.exec("ls /tmp; cat /tmp/log"), seconds=_PULL_SECONDS)

    with_replicas(nearby, registry, 0)
    start = time.monotonic()
    pod.exec(pull)
    assert time.monotonic() - start < _PULL_SECONDS
    with_replicas(nearby, registry, 1)
    _cache(nearby, registry).ready()


def test_images_stay_on_the_volume_when_the_cache_has_another_pod(
    jobs: Namespace, nearby: Release, upstreams: Upstreams, storage: CopyingStorage
) -> None:
    registry = upstreams.open

    def pull(name: str) -> None:
        pulls = f"docker pull {registry.image}"
        jobs.run(workloads.pod(pulls, name=name, options={"insecure-registries": registry.name})).succeeds()

    pull("first")
    fetched = registry.fetched_blobs()
    for replicas in (0, 1):
        with_replicas(nearby, registry, replicas)
    cache = _cache(nearby, registry).ready()
    claim = f"images-{cache.name}"
    assert nearby.kube.get("PersistentVolumeClaim", claim, cache.namespace)["spec"]["storageClassName"] == storage.name
    assert (storage.volume(cache.namespace, claim) / "docker" / "registry").is_dir()
    pull("later")
    assert registry.fetched_blobs() == fetched


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_a_layer_that_one_pod_builds_comes_to_others_from_near_by(
    mode: str, jobs: Namespace, nearby: Release, upstreams: Upstreams
) -> None:
    _wait_until_the_daemon_of_the_node_asks_the_caches(nearby)
    registry = upstreams.open
    options = {"insecure-registries": registry.name} if mode == "sidecar" else {}
    layers = f"{registry.name}/team/layers:{mode}"
    script = f"""\
mkdir /tmp/project && cd /tmp/project
printf 'FROM {registry.image}\nRUN cat /proc/sys/kernel/random/uuid >/made\n' >Dockerfile
docker buildx build --tag {mode} --cache-from type=registry,ref={layers} \
  --cache-to type=registry,ref={layers},mode=max .
docker run --rm {mode} cat /made
docker image rm --force {mode} && docker builder prune --all --force
"""

    def build(name: str) -> str:
        """Build in a pod of its own, and return what the layer has."""
        made = workloads.pod(script, name=name, inject=mode, options=options, hostAliases=registry.host_aliases)
        (found,) = re.findall(r"^[0-9a-f]{8}-[0-9a-f-]{27}$", jobs.run(made).succeeds().log("build"), re.MULTILINE)
        return str(found)

    first = build("first")
    assert build("second") == first
    before = registry.fetched_blobs()
    assert build("third") == first
    assert registry.fetched_blobs() == before


def _wait_until_the_daemon_of_the_node_asks_the_caches(release: Release) -> None:
    """Wait for the next look of the start script: the daemon may be older than the caches, or than their restart."""
    daemon = release.daemon().ready()
    hosts = "cat /etc/docker/certs.d/*/hosts.toml"
    until("the mirrors", lambda: daemon.exec(hosts, "dind").count(".svc:5000") == 2, daemon.describe)


def _cache(release: Release, registry: PrivateRegistry) -> Pod:
    """Return the pod of the cache of a registry."""
    return Pod(release.kube, release.helm.namespace, f"{_name_of_cache(release, registry)}-0")


def _name_of_cache(release: Release, registry: PrivateRegistry) -> str:
    """Return the name of the objects of the cache of a registry, which is in the URL of the mirror."""
    settings = release.kube.get("ConfigMap", release.fullname, release.helm.namespace)["data"]["settings.yaml"]
    (found,) = re.findall(rf"{registry.name}=http://([^.]+)", settings)
    return str(found)


def with_replicas(release: Release, registry: PrivateRegistry, replicas: int) -> None:
    """Give the cache of a registry another number of replicas, and wait until it has as many pods."""
    apps, namespace = client.AppsV1Api(release.kube.api), release.helm.namespace
    name = _name_of_cache(release, registry)
    apps.patch_namespaced_stateful_set(name, namespace, {"spec": {"replicas": replicas}})
    pods = Namespace(release.kube, namespace).pods
    until(f"{replicas} pods", lambda: [pod.name for pod in pods()].count(f"{name}-0") == replicas)


def test_the_images_of_sidecars_and_jobs_are_on_the_node_before_them(jobs: Namespace) -> None:
    job = container("docker info && echo done", image=workloads.DOCKER)
    listed = container("true", "job", _JOB, imagePullPolicy="Never")
    pod = jobs.run(workloads.pod(job, listed)).succeeds()
    (daemon,) = [one for one in pod.read()["spec"]["initContainers"] if one["name"] == "dind"]
    assert daemon["image"] == _DAEMON
    events = jobs.events(pod.name)
    assert not any(event.startswith("Pulling") for event in events)
    assert any(event.startswith(f'Pulled: Container image "{_DAEMON}" already present') for event in events)
