"""Build the base images of the webhook's image: Debian with Python, and Debian with this machine's pip settings."""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster import debian
from cluster.build_inputs import BuildInputs
from cluster.commands import run
from cluster.paths import Cache
from cluster.steps import step

_RUNS = ("python3", "ca-certificates")
_BUILDS = (*_RUNS, "python3-venv", "python3-pip", "python3-dev", "gcc", "libc6-dev")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
_BUNDLE = Path("etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Base:
    """The archive of a base image, the Dockerfile's argument for the image, and a tag derived from the build inputs."""

    archive: Path
    argument: str
    name: str


def make(cache: Cache, log: Path) -> list[Base]:
    """Return the base images. Build those that the cache does not have."""
    settings, bundle = _pip_settings(), _bundle()
    inputs = BuildInputs.of([Path(module) for module in (__file__, debian.__file__)], settings.encode(), bundle)
    bases = []
    for argument, packages in (("BASE_IMAGE", _RUNS), ("BUILD_IMAGE", _BUILDS)):
        archive = cache.images / f"python-{argument.partition('_')[0].lower()}.tar"
        if not inputs.is_current(archive):
            with step(f"making {argument} of the webhook from Debian"):
                _pack(archive, packages, settings, bundle, log)
            inputs.record(archive)
        bases.append(Base(archive, argument, f"dind-webhook-{archive.stem}:{inputs.digest[:12]}"))
    return bases


def _pack(archive: Path, packages: tuple[str, ...], pip_settings: str, bundle: bytes, log: Path) -> None:
    # Not in /tmp: it may be a tmpfs, which takes memory.
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        root = Path(folder) / "root"
        debian.bootstrap(root, "bookworm", packages, log)
        if bundle:
            (root / _BUNDLE).write_bytes(bundle)
        (root / "etc/pip.conf").write_text(pip_settings)
        unfinished = archive.with_suffix(".unfinished")
        run("packing the base image", ["tar", "--numeric-owner", "-C", root, "-cf", unfinished, "."], log)
        unfinished.rename(archive)


def _bundle() -> bytes:
    """Return the CA certificates that this machine trusts."""
    path = Path("/") / _BUNDLE
    return path.read_bytes() if path.exists() else b""


def _pip_settings() -> str:
    """Return a pip.conf with the index and the proxy that pip uses on this machine."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Lines have the form global.index-url='https://…' or :env:.index-url='https://…'.
    stated = dict(re.findall(r"^[\w:-]+\.([\w-]+)='(.*)'$", listing, re.MULTILINE))
    settings = {"cert": f"/{_BUNDLE}", **{name: stated[name] for name in _PIP_SETTINGS if name in stated}}
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in settings.items()), ""])
