"""Distribution, as the chart configures it, with the program before it, and another Distribution as the registry."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from chart_cache import ask, cache_commands, running
from pull_from_fake_registry import digest_of, make_image

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# Long enough to fetch a blob for two repositories before it expires
_TTL_SECONDS = 2
_EXPIRY_SECONDS = 20


@dataclass(frozen=True)
class Registries:
    """The ports of a registry, of the cache that pods ask, and of its metrics. `images` is the volume of the cache."""

    registry: int
    cache: int
    metrics: int
    images: Path
    log: Path
    process: subprocess.Popen[bytes]

    def push(self, repository: str, tag: str, content: bytes) -> tuple[str, str]:
        """Push an image with one layer to the registry, and return the digests of the layer and of the manifest."""
        image = make_image(content)
        manifest = image.pop("latest")[1]
        digests = [blob["digest"] for blob in (json.loads(manifest)["config"], *json.loads(manifest)["layers"])]
        for digest in digests:
            begun, _ = ask(self.registry, "POST", f"/v2/{repository}/blobs/uploads/")
            location = begun.headers["Location"].partition(str(self.registry))[2]
            ask(self.registry, "PUT", f"{location}&digest={digest}", image[digest][1])
        made, _ = ask(self.registry, "PUT", f"/v2/{repository}/manifests/{tag}", manifest, Content_Type=_MANIFEST)
        assert made.status == 201
        return digests[1], digest_of(manifest)

    def digest_of_tag(self, repository: str, tag: str) -> str | None:
        """Return what a daemon gets from the cache for a tag."""
        response, manifest = ask(self.cache, "GET", f"/v2/{repository}/manifests/{tag}", Accept=_MANIFEST)
        return digest_of(manifest) if response.status == 200 else None

    def blob(self, repository: str, digest: str) -> str:
        """Fetch a blob from the cache, and return the digest of what came."""
        response, content = ask(self.cache, "GET", f"/v2/{repository}/blobs/{digest}")
        assert response.status == 200
        return digest_of(content)

    def fetched(self, digest: str) -> list[str]:
        """Return the repositories from which the cache has fetched a blob, in this order."""
        return re.findall(rf'"GET /v2/(\S+)/blobs/{digest}', self.log.read_text())

    def has(self, digest: str) -> bool:
        """Return whether the volume has the content of a digest."""
        _, _, digits = digest.partition(":")
        return (self.images / "docker/registry/v2/blobs/sha256" / digits[:2] / digits / "data").exists()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


@pytest.fixture
def registries(distribution: Path, tmp_path: Path) -> Iterator[Registries]:
    port, *ports = _free_ports(4)
    config = tmp_path / "registry.json"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "registry")}}
    config.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}))
    commands = cache_commands(distribution, f"http://127.0.0.1:{port}", tmp_path, ports, f"{_TTL_SECONDS}s")
    log = tmp_path / "registry.log"
    upstream = ["env", "OTEL_TRACES_EXPORTER=none", distribution, "serve", config]
    with (
        running(upstream, port, log) as process,
        running(commands.registry, ports[1], tmp_path / "cache.log"),
        running(commands.coalesce, ports[0], tmp_path / "coalesce.log"),
    ):
        yield Registries(port, ports[0], ports[2], tmp_path / "images", log, process)


def test_a_blob_that_expired_is_fetched_again_for_each_repository(registries: Registries) -> None:
    """The content goes when it expires in the first repository. The other one still has its note of it."""
    content = os.urandom(100_000)
    digest, _ = registries.push("team/a", "1", content)
    assert registries.push("team/b", "1", content)[0] == digest
    assert registries.blob("team/a", digest) == digest
    time.sleep(_TTL_SECONDS / 2)
    assert registries.blob("team/b", digest) == registries.blob("team/a", digest) == digest
    assert registries.fetched(digest) == ["team/a", "team/b"]
    end = time.monotonic() + _EXPIRY_SECONDS
    while registries.has(digest):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert registries.blob("team/b", digest) == digest
    assert registries.blob("team/a", digest) == digest
    assert registries.fetched(digest)[2] == "team/b"


def test_a_tag_is_as_new_as_the_registry_has_it_or_the_last_that_the_cache_has(registries: Registries) -> None:
    _, first = registries.push("team/a", "1", b"first")
    assert registries.digest_of_tag("team/a", "1") == first
    _, second = registries.push("team/a", "1", b"second")
    assert registries.digest_of_tag("team/a", "1") == second
    registries.process.kill()
    registries.process.wait()
    assert registries.digest_of_tag("team/a", "1") == second


def test_the_metrics_that_the_pages_name_exist(registries: Registries) -> None:
    digest, _ = registries.push("team/a", "1", b"content")
    for _ in range(2):
        registries.blob("team/a", digest)
    _, metrics = ask(registries.metrics, "GET", "/metrics")
    assert b'registry_proxy_hits_total{type="blob"} 2' in metrics.splitlines()
