"""Mirrors of registries: a pull-through cache beside the nodes, in front of a registry with TLS."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import workloads
from cluster.cluster import Cluster
from kube import Namespace, Pod
from outside_service import outside_service
from private_registry import PrivateRegistry, private_registry
from test_private_network import build, config_map, pull
from workloads import FOREVER

pytestmark = [pytest.mark.any_node, pytest.mark.node, pytest.mark.xdist_group("private-network")]

_PORT = 5445


@pytest.fixture(scope="module")
def registry(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    with private_registry(node, tmp_path_factory.mktemp("registry"), 5446, with_password=False) as found:
        yield found


@contextmanager
def cache_of(registry: PrivateRegistry, node: Cluster, folder: Path) -> Iterator[str]:
    """Start Distribution as a cache of a registry, and yield its URL."""
    (folder / "ca.pem").write_text(registry.ca)
    config = folder / "cache.json"
    config.write_text(
        json.dumps(
            {
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
                "http": {"addr": f":{_PORT}"},
                "proxy": {"remoteurl": f"https://{registry.address}:{registry.port}"},
            }
        )
    )
    command = ["env", f"SSL_CERT_FILE={folder / 'ca.pem'}", "docker-registry", "serve", config]
    with outside_service(node, "cache", command, _PORT) as address:
        yield f"http://{address}:{_PORT}"


def run(namespace: Namespace, registry: PrivateRegistry, mirrors: str, name: str = "ci", **options: str) -> Pod:
    """Run a pod with mirrors that resolves the name of the registry. Names of options have _ instead of -."""
    spelt = {option.replace("_", "-"): text for option, text in options.items()}
    annotations = {**spelt, "registry-mirrors": mirrors}
    pod = workloads.pod(FOREVER, name=name, options=annotations, hostAliases=registry.host_aliases)
    return namespace.run(pod).ready()


def test_pulls_and_builds_of_all_pods_cost_the_registry_each_blob_once(
    ci: Namespace, registry: PrivateRegistry, node: Cluster, tmp_path: Path
) -> None:
    """The daemons do not trust the certificate of the registry, so nothing can come from there.

    The cache is a process of the pods' own node, so it is the mirror `node:PORT` too.
    """
    with cache_of(registry, node, tmp_path) as url:
        first = run(ci, registry, f"{registry.name}={url}")
        first.exec(pull(registry))
        first.exec(build(registry))
        before = registry.fetched_blobs()
        assert before
        second = run(ci, registry, f"*=node:{_PORT}", "second")
        second.exec(build(registry))
        second.exec(pull(registry))
        assert registry.fetched_blobs() == before


def test_without_its_mirror_the_registry_is_asked(ci: Namespace, registry: PrivateRegistry) -> None:
    ci.make(config_map("company-ca", **{"ca.crt": registry.ca}))
    pod = run(ci, registry, f"*=http://{registry.address}:1", ca="company-ca")
    pod.exec(pull(registry))
    pod.exec(build(registry))
    said = f"the mirror of *, http://{registry.address}:1, does not answer: until it does, images"
    assert said in pod.log("dind")


def test_a_mirror_and_files_of_the_daemon_go_together(ci: Namespace, registry: PrivateRegistry) -> None:
    ci.make(config_map("registry", ca=registry.ca))
    path = f"certs.d/{registry.name}/ca.crt"
    mirrors = f"{registry.name}=node:1"
    pod = run(ci, registry, mirrors, daemon_files=f"{path}=configmap/registry/ca")
    pod.exec(pull(registry))
    pod.exec(build(registry))
    assert "ca.crt" in pod.exec(f"cat '/etc/docker/certs.d/{registry.name}/hosts.toml'", "dind")
