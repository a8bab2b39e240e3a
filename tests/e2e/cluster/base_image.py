"""The base of the webhook's image: a Debian with Python, in which pip works as it does on this machine."""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster import debian
from cluster.commands import run
from cluster.places import Cache
from cluster.recipe import Recipe
from cluster.steps import step

_PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
_BUNDLE = Path("etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Base:
    """An archive of files, and the name under which Docker has them, which tells of what they are made."""

    archive: Path
    name: str


def make(cache: Cache, log: Path) -> Base:
    """Make it, unless the cache has it."""
    archive, settings, bundle = cache.images / "python.tar", _pip_settings(), _bundle()
    recipe = Recipe.of([Path(module) for module in (__file__, debian.__file__)], settings.encode(), bundle)
    if not recipe.made(archive):
        with step("making the base of the webhook's image from Debian"):
            _pack(archive, settings, bundle, log)
        recipe.sign(archive)
    return Base(archive, f"dind-webhook-base:{recipe.digest[:12]}")


def _pack(archive: Path, pip_settings: str, bundle: bytes, log: Path) -> None:
    # Not in /tmp, which may be in memory.
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        root = Path(folder) / "root"
        debian.bootstrap(root, "bookworm", _PACKAGES, log)
        if bundle:
            (root / _BUNDLE).write_bytes(bundle)
        (root / "etc/pip.conf").write_text(pip_settings)
        unfinished = archive.with_suffix(".unfinished")
        run("packing the base image", ["tar", "--numeric-owner", "-C", root, "-cf", unfinished, "."], log)
        unfinished.rename(archive)


def _bundle() -> bytes:
    """Return the certificates that this machine trusts."""
    path = Path("/") / _BUNDLE
    return path.read_bytes() if path.exists() else b""


def _pip_settings() -> str:
    """Return a pip.conf with the index or proxy that this machine's pip uses."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # As in global.index-url='https://…' and :env:.index-url='https://…'
    stated = dict(re.findall(r"^[\w:-]+\.([\w-]+)='(.*)'$", listing, re.MULTILINE))
    settings = {"cert": f"/{_BUNDLE}", **{name: stated[name] for name in _PIP_SETTINGS if name in stated}}
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in settings.items()), ""])
