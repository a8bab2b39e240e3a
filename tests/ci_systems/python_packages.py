"""Locked packages from the registry of Python, which `make lock` writes: a folder or an environment with them."""

import sys
from hashlib import sha256
from pathlib import Path

from cluster.cluster import Cluster
from cluster.commands import run
from cluster.steps import step

_LOCKS = Path(__file__).with_name("packages")
# Arguments of `pip install` before a lock, which is complete. If pip resolved it again, it would miss the hash of a
# package that the lock has with an extra.
FROM_LOCK = ("--quiet", "--no-deps", "--require-hashes", "--requirement")


def lock(name: str) -> Path:
    return _LOCKS / name / "requirements.txt"


def install(node: Cluster, name: str) -> Path:
    """Install the packages of a lock here, again only when the lock changes. Return the folder of their programs."""
    folder = node.cache.bin(name, sha256(lock(name).read_bytes()).hexdigest()[:12])
    programs = folder / "venv/bin"
    log = node.logs / f"{name}.log"
    with node.cache.lock("build"):
        if not (folder / "installed").exists():
            with step(f"installing {name}"):
                run("making a virtual environment", [sys.executable, "-m", "venv", "--clear", folder / "venv"], log)
                run(f"installing {name}", [programs / "pip", "install", *FROM_LOCK, lock(name)], log)
                (folder / "installed").touch()
    return programs
