"""Build the container images of the tests, because no registry can be reached."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cluster import debian, docker, oci
from cluster.build_inputs import BuildInputs
from cluster.oci import Config
from cluster.paths import CHART, Cache
from cluster.steps import step

# Files of this machine that are in images
_BUSYBOX = Path("/bin/busybox")
_TINI = Path("/usr/bin/tini-static")
_CAS = Path("/etc/ssl/certs/ca-certificates.crt")
_FILES = Path(__file__).with_name("files")
# The Debian packages with the firewall programs of docker:*-dind: both kinds of iptables, and their libraries
_IPTABLES = (
    "iptables", "libxtables12", "libip4tc2", "libip6tc2", "libmnl0", "libnftnl11", "libnfnetlink0",
    "libnetfilter-conntrack3", "libc6",
)  # fmt: skip
_FIREWALL = ("iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore", "ip6tables-save")
DEBIAN = "trixie"


@dataclass(frozen=True)
class Sources:
    """The cache with the programs of Docker, and a log."""

    cache: Cache
    log: Path


# A function that writes the files of a layer into a folder
Layer = Callable[[Path, Sources], None]


@dataclass(frozen=True)
class Image:
    """An image: its names in containerd, the functions that write its layers, and its configuration."""

    file: str
    names: tuple[str, ...]
    layers: tuple[Layer, ...]
    config: Config = field(default_factory=Config)

    def archive(self, cache: Cache) -> Path:
        return cache.images / f"{self.file}.tar"


def _busybox(root: Path, _: Sources) -> None:
    """Write the files of the image busybox, with Debian's busybox."""
    for folder in ("bin", "etc", "root", "tmp", "usr/bin", "usr/sbin", "var"):
        (root / folder).mkdir(parents=True)
    (root / "sbin").symlink_to("bin")
    (root / "tmp").chmod(0o1777)
    shutil.copy(_BUSYBOX, root / "bin" / "busybox")
    listing = subprocess.run([_BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout
    for applet in set(listing.split()) - {"busybox"}:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\n")


def _postgres(root: Path, _: Sources) -> None:
    """Write the part of postgres that the tests use: the directory for its socket at /var/run."""
    (root / "run" / "postgresql").mkdir(parents=True)
    os.chown(root / "run" / "postgresql", 70, 70)
    (root / "var").mkdir()
    (root / "var" / "run").symlink_to("/run")


def _docker_client(root: Path, sources: Sources) -> None:
    """Write the files that docker:*-cli adds to its base image; ours is as small."""
    programs = docker.Programs(sources.cache)
    commands, plugins = root / "usr/local/bin", root / "usr/local/libexec/docker/cli-plugins"
    for folder in (commands, plugins, root / "run", root / "var"):
        folder.mkdir(parents=True)
    (root / "var" / "run").symlink_to("/run")
    shutil.copy(programs.path("docker"), commands)
    for plugin in ("docker-buildx", "docker-compose"):
        shutil.copy(programs.path(plugin), plugins)
    _copy_script("docker-entrypoint.sh", commands / "docker-entrypoint.sh")
    (root / "etc/ssl/certs").mkdir(parents=True)
    shutil.copy(_CAS, root / "etc/ssl/certs")
    (root / "etc" / "nsswitch.conf").write_text("hosts: files dns\n")


def _docker_daemon(root: Path, sources: Sources) -> None:
    """Write the files that docker:*-dind adds to docker:*-cli."""
    programs = docker.Programs(sources.cache)
    commands = root / "usr/local/bin"
    commands.mkdir(parents=True)
    for program in programs.paths(docker.DAEMON):
        shutil.copy(program, commands)
    # Docker's docker-init is tini.
    shutil.copy(_TINI, commands / "docker-init")
    _copy_script("dockerd-entrypoint.sh", commands / "dockerd-entrypoint.sh")
    _copy_script("dind.sh", commands / "dind")
    with tempfile.TemporaryDirectory(dir=sources.cache.images) as folder:
        suite = debian.Suite(DEBIAN, Path(folder), sources.log)
        suite.update()
        suite.unpack(_IPTABLES, root)
    for leftover in ("usr/share", "etc", "var", "usr/lib/x86_64-linux-gnu/gconv"):
        shutil.rmtree(root / leftover, ignore_errors=True)
    (root / "lib64").symlink_to("usr/lib64")
    (root / "lib").symlink_to("usr/lib")
    legacy = root / "usr/local/sbin/.iptables-legacy"
    legacy.mkdir(parents=True)
    for name in _FIREWALL:
        # The links replace those of Debian's update-alternatives, which no script has made here.
        (root / "usr/sbin" / name).unlink(missing_ok=True)
        (root / "usr/sbin" / name).symlink_to("xtables-nft-multi")
        (legacy / name).symlink_to("/usr/sbin/xtables-legacy-multi")
    (root / "certs" / "client").mkdir(parents=True)
    (root / "var" / "lib" / "docker").mkdir(parents=True)


def _docker_of_debian(root: Path, sources: Sources) -> None:
    # Not bookworm: its Docker is 20.10, which lacks flags that injection uses.
    packages = ("docker.io", "docker-cli", "docker-buildx", "iptables", "ca-certificates", "procps", "iproute2")
    debian.bootstrap(root, DEBIAN, packages, sources.log)


def _copy_script(name: str, target: Path) -> None:
    shutil.copy(_FILES / name, target)
    target.chmod(0o755)


def _docker_tags(kind: str) -> tuple[str, ...]:
    """Return the names of an image of Docker: with the version of the chart's default, and with the built version."""
    (default,) = re.findall(r"^  tag: (\S+)-dind$", (CHART / "values.yaml").read_text(), re.MULTILINE)
    return tuple(f"docker.io/library/docker:{version}-{kind}" for version in dict.fromkeys((default, docker.ENGINE)))


PAUSE = Image("pause", ("localhost/pause:1",), (_busybox,), Config(("/bin/busybox", "sleep", "2147483647")))
BUSYBOX = Image(
    "busybox",
    ("docker.io/library/busybox:latest", "docker.io/library/busybox:1.37"),
    (_busybox,),
    Config(("sh",)),
)
POSTGRES = Image("postgres", ("docker.io/library/postgres:17-alpine",), (_busybox, _postgres), Config(("sh",)))
CLIENT = Image(
    "docker-cli",
    (*_docker_tags("cli"), "docker.io/library/docker:cli"),
    (_busybox, _docker_client),
    Config(("sh",), ("docker-entrypoint.sh",), ("DOCKER_TLS_CERTDIR=/certs",)),
)
DAEMON = Image(
    "docker-dind",
    (*_docker_tags("dind"), "docker.io/library/docker:dind", "docker.io/library/docker:latest"),
    (_busybox, _docker_client, _docker_daemon),
    Config((), ("dockerd-entrypoint.sh",), ("DOCKER_TLS_CERTDIR=/certs",)),
)
# Debian's package is Docker 26.1 and has no entrypoint script. The real images with the frozen tags have Docker 19.03.
DEBIAN_DOCKER = Image(
    "docker-debian",
    tuple(f"docker.io/library/docker:{tag}" for tag in ("26.1-dind", "26.1-cli", "stable-dind", "stable")),
    (_docker_of_debian,),
)
ALL = (PAUSE, BUSYBOX, POSTGRES, CLIENT, DAEMON, DEBIAN_DOCKER)


def load_all(cache: Cache, ctr: Callable[..., None]) -> None:
    """Import all images into a containerd. `ctr` takes what it does, for errors, and arguments of the command ctr."""
    for image in ALL:
        archive = image.archive(cache)
        ctr(f"loading {archive.name}", "images", "import", archive)
        for name in image.names[1:]:
            ctr(f"naming {name}", "images", "tag", "--force", image.names[0], name)


def pack_all(cache: Cache, log: Path) -> None:
    """Build the archives that the cache does not have, or that have other build inputs."""
    modules = [Path(module) for module in (__file__, debian.__file__, docker.__file__, oci.__file__)]
    inputs = BuildInputs.of(
        [*modules, *sorted(_FILES.glob("*.sh"))],
        *(file.read_bytes() for file in (_BUSYBOX, _TINI, _CAS)),
        repr([image.names for image in ALL]).encode(),
    )
    for image in ALL:
        pack(image, inputs, Sources(cache, log))


def pack(image: Image, inputs: BuildInputs, sources: Sources) -> None:
    """Build the archive of an image, unless the cache has one that was built from these inputs."""
    archive = image.archive(sources.cache)
    if inputs.is_current(archive):
        return
    # Not in /tmp: it may be a tmpfs, and Debian with Docker takes 600 MB.
    with step(f"packing {image.names[0]}"), tempfile.TemporaryDirectory(dir=sources.cache.images) as folder:
        roots = []
        for index, write_layer in enumerate(image.layers):
            root = Path(folder) / str(index)
            root.mkdir()
            write_layer(root, sources)
            roots.append(root)
        oci.pack(image.names[0], roots, image.config, archive)
    inputs.record(archive)
