"""Registries behind a slow link, and what they have sent."""

import json
import os
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import images, oci, small_programs
from cluster.cluster import Cluster
from cluster.commands import output_of
from cluster.images import Sources
from cluster.oci import Config
from outside_service import outside_service
from private_registry import PrivateRegistry, private_registry
from program_image import load_program
from report import LINK_RATE

# An image of the daemon that the registry of the nodes has, and not the nodes
DAEMON = "docker:bench-dind"
_PORT = 5460
_REGISTRIES = 3
# Each image has two layers of this size, besides that of busybox.
LAYER_BYTES = 6_000_000


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

    @property
    def small_image(self) -> str:
        return f"{self.name}/team/busybox:1"


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
                (layer / layer.name).write_bytes(os.urandom(LAYER_BYTES))
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
    oci.pack(f"docker.io/library/{DAEMON}", [root], images.DAEMON.config, archive)
    target = f"docker://{started.registry}/library/{DAEMON}"
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


def small_image_by_digest(started: Cluster, upstream: Upstream) -> str:
    """Return the name of the small image with its digest instead of its tag."""
    where = f"docker://{upstream.registry.address}:{upstream.registry.port}/team/busybox:1"
    command = ["skopeo", "inspect", "--tls-verify=false", "--format={{.Digest}}", where]
    digest = output_of("reading a digest", started.sandbox.enter(*command), started.logs / "sandbox.log").strip()
    return f"{upstream.small_image.rpartition(':')[0]}@{digest}"


@dataclass(frozen=True)
class Sent:
    """What registries have sent until a moment: requests for blobs and manifests, and each blob with its bytes."""

    requests: int
    # By registry, repository and digest
    blobs: Counter[tuple[int, str]]
    bytes: int

    @classmethod
    def read(cls, found: Sequence[Upstream]) -> "Sent":
        """Read the logs of the registries."""
        logs = [upstream.registry.log.read_text() for upstream in found]
        requests = sum(len(re.findall(r'"(?:GET|HEAD) /v2/\S+/(?:blobs|manifests)/\S+ HTTP', log)) for log in logs)
        pattern = r'"GET /v2/(\S+/blobs/sha256:\w+) HTTP/1.1" 20[06] (\d+)'
        sent = [(number, *pair) for number, log in enumerate(logs) for pair in re.findall(pattern, log)]
        blobs = Counter((number, blob) for number, blob, _ in sent)
        return cls(requests, blobs, sum(int(size) for *_, size in sent))

    def since(self, before: "Sent") -> dict[str, float]:
        """Return the differences, and how often the blob that was fetched most was."""
        blobs = self.blobs - before.blobs
        return {
            "requests": self.requests - before.requests,
            "blobs": blobs.total(),
            "fetches": max(blobs.values(), default=0),
            "megabytes": (self.bytes - before.bytes) / 1e6,
        }
