"""Build the peers into the user's cache folder, each under the digest of its sources."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PEERS = Path(__file__).parent / "peers"
_CACHE = Path.home() / ".cache" / "dind-webhook" / "bench"


class Build(NamedTuple):
    """A way to build a peer: `run` builds the sources of the first folder into the second, `program` is its result."""

    run: Callable[[Path, Path], None]
    program: str
    tool: str
    remedy: str


def build(peer: str) -> Path:
    """Return the program of a peer, built unless it exists for the same sources."""
    program = _program(peer)
    recipe = BUILDS[peer]
    if program.exists():
        return program
    if shutil.which(recipe.tool) is None:
        sys.exit(f"{recipe.tool} is missing, which builds the peer {peer}: {recipe.remedy}")
    print(f"building the peer {peer}; this takes some minutes the first time", flush=True)
    folder = program.relative_to(_CACHE).parts[0]
    unfinished = _CACHE / f"{folder}.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    recipe.run(PEERS / peer, unfinished)
    unfinished.rename(_CACHE / folder)
    return program


def is_built(peer: str) -> bool:
    """Whether the program of a peer exists for these sources."""
    return _program(peer).exists()


def versions() -> dict[str, str]:
    """Return the versions of the peers' frameworks, from the locks."""
    patterns = {
        "axum": ("rust/Cargo.lock.in", r'name = "axum"\nversion = "(.+)"'),
        "controller-runtime": ("controller-runtime/go.mod", r"controller-runtime v(\S+)"),
        "kopf": ("kopf/requirements.txt", r"^kopf==(\S+)"),
    }
    found = {
        name: re.search(pattern, (PEERS / lock).read_text("utf-8"), re.MULTILINE)
        for name, (lock, pattern) in patterns.items()
    }
    return {name: match[1] for name, match in found.items() if match}


def _program(peer: str) -> Path:
    files = sorted(path for path in (PEERS / peer).rglob("*") if path.is_file() and path.suffix != ".pyc")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    return _CACHE / f"{peer}-{digest}" / BUILDS[peer].program


def _build_go(source: Path, folder: Path) -> None:
    subprocess.run(["go", "build", "-o", f"{folder}/", "."], cwd=source, check=True)


def _build_rust(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder, dirs_exist_ok=True)
    lock = folder / "Cargo.lock"
    # The generated lock has the address of cargo's registry on this machine; the committed lock omits the address.
    subprocess.run(["cargo", "generate-lockfile", "--quiet"], cwd=folder, check=True)
    address = next(line for line in lock.read_text("utf-8").splitlines() if line.startswith("source = "))
    text = (folder / "Cargo.lock.in").read_text("utf-8")
    lock.write_text(text.replace("\nchecksum = ", f"\n{address}\nchecksum = "), "utf-8")
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=folder, check=True)


def _create_venv(source: Path, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(source / "requirements.txt")], check=True)


BUILDS = {
    "controller-runtime": Build(_build_go, "controller-runtime-handler", "go", "install Go 1.26 or newer"),
    "rust": Build(
        _build_rust,
        "target/release/rust-handler",
        "cargo",
        "install Rust 1.85 or newer, with rustup or from Debian's package cargo-web, and a C compiler",
    ),
    "kopf": Build(_create_venv, "bin/python", "python3", "install Python with venv"),
}
