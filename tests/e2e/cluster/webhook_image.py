"""Build the webhook's image from the Dockerfile, with a Docker daemon that is started only for the build."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster import base_image, temporary_daemon
from cluster.cgroups import Cgroup
from cluster.commands import output_of, run, succeeds
from cluster.paths import ROOT, Cache
from cluster.steps import step

REPOSITORY = "dind-webhook"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class _Docker:
    """A Docker daemon that only this build uses."""

    host: str
    log: Path

    def run(self, what: str, *arguments: str | Path) -> None:
        # Use the classic builder: Debian's Docker has no BuildKit.
        run(what, [*self._client, *arguments], self.log, {"DOCKER_BUILDKIT": "0"}, ROOT)

    def output_of(self, what: str, *arguments: str) -> str:
        return output_of(what, [*self._client, *arguments], self.log)

    def answers(self) -> bool:
        return succeeds([*self._client, "version"])

    @property
    def _client(self) -> list[str | Path]:
        return ["docker", f"--host={self.host}"]


def build(cache: Cache, logs: Path, archive: Path, cgroup: Cgroup, *, compiled: bool) -> str:
    """Build the image of the work tree, write it to an archive, and return its tag, which is derived from its content.

    The containers of the build are in `cgroup`, which is removed. `compiled` builds the native modules as in a release,
    which takes half a minute longer.
    """
    with cache.lock("build"):
        bases = base_image.make(cache, logs / "debian.log")
    # Two daemons cannot share a data directory.
    with step("building the webhook's image"), cache.lock("docker"), _daemon(cache, logs, cgroup) as docker:
        for base in bases:
            if not docker.output_of("looking for a base image", "image", "ls", "--quiet", base.name).strip():
                docker.run("loading a base image", "import", base.archive, base.name)
        build_arguments = [*((base.argument, base.name) for base in bases), *_proxies()]
        build_arguments += [] if compiled else [("COMPILE", "")]
        arguments = [f"--build-arg={name}={value}" for name, value in build_arguments]
        latest = f"{REPOSITORY}:latest"
        docker.run("building the webhook's image", "build", "--network=host", *arguments, f"--tag={latest}", ".")
        (inspected,) = json.loads(docker.output_of("looking at the image", "image", "inspect", latest))
        tag: str = inspected["Id"].removeprefix("sha256:")[:12]
        docker.run("naming the image", "tag", latest, f"{REPOSITORY}:{tag}")
        docker.run("writing the image", "save", "--output", archive, f"{REPOSITORY}:{tag}")
        docker.run("removing the tag", "rmi", f"{REPOSITORY}:{tag}")
        # Do not remove all untagged images: they include the build cache.
        docker.run("removing old images", "image", "prune", "--force", "--filter=until=168h")
    return tag


def _proxies() -> list[tuple[str, str]]:
    names = [*_PROXIES, *(name.upper() for name in _PROXIES)]
    return [(name, os.environ[name]) for name in names if name in os.environ]


# Mount an overlay on /etc: dockerd writes a key there.
_DOCKERD = """\
set -eu
mkdir upper work
mount -t overlay -o lowerdir=/etc,upperdir=$PWD/upper,workdir=$PWD/work etc /etc
exec dockerd "$@"
"""


@contextmanager
def _daemon(cache: Cache, logs: Path, cgroup: Cgroup) -> Iterator[_Docker]:
    """Start dockerd. Its containers are in a cgroup, which is removed."""
    with tempfile.TemporaryDirectory() as folder:
        host = f"unix://{folder}/docker.sock"
        paths = [f"--data-root={cache.docker}", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        network = ["--bridge=none", "--iptables=false", "--ip-forward=false"]
        flags = [f"--host={host}", *paths, *network, f"--cgroup-parent=/{cgroup.name}"]
        docker = _Docker(host, logs / "docker-build.log")
        command = ["sh", "-c", _DOCKERD, "dockerd", *flags]
        try:
            with temporary_daemon.running("dockerd", command, docker.answers, Path(folder), logs / "dockerd.log"):
                yield docker
        finally:
            cgroup.remove()
