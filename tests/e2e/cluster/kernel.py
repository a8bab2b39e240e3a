"""Build the node's kernel: user-mode Linux, a program of this machine, from Debian's source of Linux."""

import os
import tempfile
from pathlib import Path

from cluster import debian
from cluster.build_inputs import BuildInputs
from cluster.commands import run
from cluster.errors import ClusterError
from cluster.paths import Cache
from cluster.steps import step

# Debian's next release has a kernel with several processors in user-mode Linux, and with ID-mapped mounts of tmpfs.
_SUITE = "forky"
_FILES = Path(__file__).with_name("files")
_CONFIG = _FILES / "kernel.config"
# The patch makes the node several times faster: see the text at its beginning.
_PATCH = _FILES / "kernel.patch"
# The version that the patch and the settings were made for
_VERSION = "7.2"


def build(cache: Cache, log: Path) -> Path:
    """Return the kernel. Build it if the cache does not have it, or has it with other build inputs."""
    kernel = cache.kernel / "linux"
    inputs = BuildInputs.of([Path(__file__), _CONFIG, _PATCH])
    if not inputs.is_current(kernel):
        # Not in /tmp: it may be a tmpfs, and the source tree takes 2 GB.
        with tempfile.TemporaryDirectory(dir=cache.kernel) as folder:
            with step("fetching the source of the node's kernel"):
                source = _fetch(Path(folder), log)
            with step("building the node's kernel"):
                make(source, log)
            (source / "linux").rename(kernel)
        inputs.record(kernel)
    return kernel


def _fetch(folder: Path, log: Path) -> Path:
    suite = debian.Suite(_SUITE, folder / "apt", log)
    suite.update()
    # The newest version of the release, for example linux-source-7.2: Debian's mirrors remove older versions.
    package = suite.dependency("linux-source")
    suite.unpack([package], folder)
    archive = folder / "usr" / "src" / f"{package}.tar.xz"
    run("unpacking the source of the kernel", ["tar", "-xf", archive, "-C", folder], log)
    archive.unlink()
    return folder / package


def make(source: Path, log: Path) -> None:
    """Patch, configure and build the kernel in the folder of its source."""
    try:
        run("patching the node's kernel", ["patch", "-p1", f"--input={_PATCH}"], log, folder=source)
    except ClusterError as error:
        raise ClusterError(
            f"{_PATCH.name} is for Linux {_VERSION} and does not fit {source.name}, the newest kernel of Debian's "
            f"{_SUITE}: adapt {_PATCH}",
            log,
        ) from error
    # alldefconfig uses the defaults for options that kernel.config does not set: options off by default are not built.
    settings = {"KCONFIG_ALLCONFIG": str(_CONFIG)}
    run("configuring the node's kernel", ["make", "ARCH=um", "alldefconfig"], log, settings, source)
    command = ["make", "ARCH=um", f"--jobs={os.cpu_count() or 1}", "linux"]
    run("building the node's kernel", command, log, folder=source)
    run("stripping the node's kernel", ["strip", "linux"], log, folder=source)
