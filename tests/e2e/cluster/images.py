"""Build the container images of the tests from Debian packages, because no registry can be reached."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster import debian, oci
from cluster.build_inputs import BuildInputs
from cluster.paths import Cache
from cluster.steps import step

_BUSYBOX = Path("/bin/busybox")
_APPLETS = (
    "cat", "chmod", "cp", "date", "echo", "env", "false", "grep", "head", "id", "ip", "kill", "ls", "mkdir", "nc", "ps",
    "rm", "sh", "sleep", "stat", "tail", "test", "touch", "true", "wc", "wget",
)  # fmt: skip

Fill = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Image:
    """An image: its names in containerd, and the function `fill`, which writes its files into a folder."""

    file: str
    names: tuple[str, ...]
    command: tuple[str, ...]
    fill: Fill

    def archive(self, cache: Cache) -> Path:
        return cache.images / f"{self.file}.tar"


def _busybox(root: Path, _log: Path) -> None:
    (root / "bin").mkdir()
    shutil.copy(_BUSYBOX, root / "bin" / "busybox")
    for applet in _APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "tmp").mkdir(mode=0o1777)
    (root / "tmp").chmod(0o1777)
    (root / "root").mkdir()
    (root / "etc").mkdir()
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")


def _postgres(root: Path, log: Path) -> None:
    """Write the part of postgres that the tests use: the directory for its socket at /var/run."""
    _busybox(root, log)
    (root / "run" / "postgresql").mkdir(parents=True)
    os.chown(root / "run" / "postgresql", 70, 70)
    (root / "var").mkdir()
    (root / "var" / "run").symlink_to("/run")


def _docker(root: Path, log: Path) -> None:
    # Not bookworm: its Docker is 20.10, which lacks flags that injection uses.
    packages = ("docker.io", "docker-cli", "docker-buildx", "iptables", "ca-certificates", "procps", "iproute2")
    debian.bootstrap(root, "trixie", packages, log)


PAUSE = Image("pause", ("localhost/pause:1",), ("/bin/busybox", "sleep", "2147483647"), _busybox)
BUSYBOX = Image("busybox", ("docker.io/library/busybox:latest", "docker.io/library/busybox:1.37"), ("sh",), _busybox)
POSTGRES = Image("postgres", ("docker.io/library/postgres:17-alpine",), ("sh",), _postgres)
# Debian's package is Docker 26.1 and has no entrypoint script.
DOCKER = Image(
    "docker-trixie",
    tuple(
        f"docker.io/library/docker:{tag}"
        for tag in ("29.7.2-dind", "29.7.2-cli", "dind", "cli", "latest", "stable-dind", "stable")
    ),
    (),
    _docker,
)
ALL = (PAUSE, BUSYBOX, POSTGRES, DOCKER)


def pack_all(cache: Cache, log: Path) -> None:
    """Build the archives that the cache does not have, or that have other build inputs."""
    inputs = BuildInputs.of(
        [Path(module) for module in (__file__, debian.__file__, oci.__file__)], _BUSYBOX.read_bytes()
    )
    for image in ALL:
        archive = image.archive(cache)
        if not inputs.is_current(archive):
            with step(f"packing the stand-in for {image.names[0]}"):
                _pack(image, cache, log)
            inputs.record(archive)


def _pack(image: Image, cache: Cache, log: Path) -> None:
    # Not in /tmp: it may be a tmpfs, and Debian with Docker takes 600 MB.
    with tempfile.TemporaryDirectory(dir=cache.images) as folder:
        root = Path(folder) / "root"
        root.mkdir()
        image.fill(root, log)
        oci.pack(image.names[0], root, image.command, image.archive(cache))
