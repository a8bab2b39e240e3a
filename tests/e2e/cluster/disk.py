"""Make the node's disk: Debian with the node's programs, and with all images, so that nodes do not import images."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cluster import binaries, debian, docker, images, temporary_daemon
from cluster.binaries import Binaries
from cluster.build_inputs import BuildInputs
from cluster.commands import run, succeeds
from cluster.paths import Cache
from cluster.steps import step

_SUITE = "trixie"
_PACKAGES = (
    "iproute2", "iptables", "nftables", "conntrack", "containernetworking-plugins", "dropbear-bin", "mount", "procps",
    "util-linux", "ca-certificates", "crun",
)  # fmt: skip
_INIT = Path(__file__).with_name("files") / "node-init.sh"
# The maximum size: the file is sparse, so unused blocks take no space on this machine.
_SIZE = "24G"


def make(cache: Cache, built: Binaries, log: Path) -> Path:
    """Return the disk. Make it if the cache does not have it, or has it with other programs or images."""
    disk = cache.images / "node.ext4"
    debian_archive = _make_debian(cache, log)
    programs = _programs(cache, built)
    archives = [debian_archive, *(image.archive(cache) for image in images.ALL)]
    inputs = BuildInputs.of(
        [Path(__file__), _INIT],
        *(BuildInputs.of_archive(archive).digest.encode() for archive in archives),
        repr([str(program) for program in programs]).encode(),
    )
    if not inputs.is_current(disk):
        with step("making the node's disk"), tempfile.TemporaryDirectory(dir=cache.images) as folder:
            root = Path(folder) / "root"
            root.mkdir(mode=0o755)
            run("unpacking the node's Debian", ["tar", "--numeric-owner", "-C", root, "-xpf", debian_archive], log)
            _install(root, programs, log)
            with _containerd(built, root / "var/lib/containerd", log) as ctr:
                images.load_all(cache, lambda what, *arguments: run(what, [*ctr, *arguments], log))
            _write(root, disk, log)
        inputs.record(disk)
    return disk


def _programs(cache: Cache, built: Binaries) -> list[Path]:
    runtime = [built.containerd / name for name in binaries.RUNTIME]
    kubernetes = [built.kubernetes / name for name in binaries.ON_THE_NODE]
    return [*runtime, *kubernetes, docker.Programs(cache).path("runc")]


def _make_debian(cache: Cache, log: Path) -> Path:
    """Return an archive of the disk's Debian. Make it if it is missing, or has other build inputs."""
    archive = cache.images / "node-debian.tar"
    inputs = BuildInputs.of([Path(debian.__file__)], repr((_SUITE, _PACKAGES)).encode())
    if not inputs.is_current(archive):
        with step("making the node's Debian"), tempfile.TemporaryDirectory(dir=cache.images) as folder:
            root = Path(folder) / "root"
            debian.bootstrap(root, _SUITE, _PACKAGES, log)
            unfinished = archive.with_suffix(".unfinished")
            run("packing the node's Debian", ["tar", "--numeric-owner", "-C", root, "-cf", unfinished, "."], log)
            unfinished.rename(archive)
        inputs.record(archive)
    return archive


def _install(root: Path, programs: list[Path], log: Path) -> None:
    run("copying the node's programs", ["install", "-m", "755", *programs, root / "usr/local/bin"], log)
    run("copying the node's init", ["install", "-m", "755", _INIT, root / "usr/sbin/node-init"], log)
    (root / "etc/dropbear").mkdir(exist_ok=True)


@contextmanager
def _containerd(built: Binaries, root: Path, log: Path) -> Iterator[list[str | Path]]:
    """Run containerd on this machine with the data directory of the node's containerd, and yield the command of ctr.

    This containerd runs no containers: it only unpacks images, which is faster on this machine than on the node.
    """
    root.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        socket = Path(folder) / "containerd.sock"
        config.write_text(
            f"version = 3\nroot = '{root}'\nstate = '{folder}/state'\n"
            "disabled_plugins = ['io.containerd.cri.v1.runtime', 'io.containerd.cri.v1.images', "
            "'io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt']\n"
            f"[grpc]\n  address = '{socket}'\n"
        )
        ctr: list[str | Path] = [built.containerd / "ctr", f"--address={socket}", "--namespace=k8s.io"]
        command: list[str | Path] = [built.containerd / "containerd", "--config", config]
        answers = partial(succeeds, [*ctr, "version"])
        with temporary_daemon.running("containerd", command, answers, Path(folder), log):
            yield ctr


def _write(root: Path, disk: Path, log: Path) -> None:
    unfinished = disk.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    run("creating the file of the node's disk", ["truncate", f"--size={_SIZE}", unfinished], log)
    # With a journal, although a disk is used only once: without a journal, ext4 does not reuse an inode for some
    # minutes after it was freed, and skips all of these inodes in each search.
    flags = ["-q", "-t", "ext4", "-J", "size=64", "-E", "lazy_itable_init=1"]
    run("writing the node's disk", ["mke2fs", *flags, "-d", root, unfinished], log)
    unfinished.rename(disk)
