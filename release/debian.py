"""Debian packages with locked versions and hashes: lock, download and unpack them, without running their scripts."""

import hashlib
import http.client
import json
import shutil
import tempfile
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from release import programs
from release.errors import ReleaseError
from release.targets import PYTHON, TARGETS

SUITE = "trixie"
# Python, the libraries that it and the wheels load, and the files that the standard library reads
RUN = (
    "base-files", "libbz2-1.0", "libc6", "libdb5.3t64", "libexpat1", "libffi8", "libgcc-s1", "liblzma5", "libncursesw6",
    f"lib{PYTHON}-minimal", f"lib{PYTHON}-stdlib", "libreadline8t64", "libsqlite3-0", "libssl3t64", "libstdc++6",
    "libtinfo6", "libuuid1", "libzstd1", "media-types", "netbase", f"{PYTHON}-minimal", "tzdata", "zlib1g",
)  # fmt: skip
# pip, for the machine that builds, whose architecture is the first
PIP = ("python3-pip-whl",)
# Python's headers, for each architecture
HEADERS = (f"lib{PYTHON}-dev",)

_LOCK = Path("release/debian.lock.json")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Packages of updates for security have another archive.
_SECURITY_PREFIX = "pool/updates/"
_ARCHIVES = {"debian": "https://deb.debian.org/debian", "debian-security": "https://deb.debian.org/debian-security"}
_SUITES = {"debian": SUITE, "debian-security": f"{SUITE}-security"}
# Who publishes a package list, for which suite and component, and where apt finds it
_INDEX = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"
# Keeps every version; the archives only keep the newest.
_SNAPSHOT = "https://snapshot.debian.org/archive/{archive}/{time}"


@dataclass(frozen=True)
class Package:
    """A version of a Debian package, and the path and the SHA-256 of its file in the archive."""

    name: str
    version: str
    architecture: str
    path: str
    sha256: str

    @property
    def archive(self) -> str:
        return "debian-security" if self.path.startswith(_SECURITY_PREFIX) else "debian"


@dataclass(frozen=True)
class Lock:
    """The locked packages, and the time at which they were the newest, as snapshot.debian.org writes it."""

    time: str
    packages: tuple[Package, ...]

    @classmethod
    def load(cls, source: Path) -> "Lock":
        """Return the lock of a folder with the files of this repository."""
        content = json.loads((source / _LOCK).read_text("utf-8"))
        return cls(content["time"], tuple(Package(**package) for package in content["packages"]))

    def select(self, names: Sequence[str], architecture: str) -> list[Package]:
        """Return the packages with these names for an architecture. Raise ReleaseError if the lock lacks one."""
        fitting = {package.name: package for package in self.packages if package.architecture in (architecture, "all")}
        if missing := set(names) - set(fitting):
            raise ReleaseError(
                f"{_LOCK.name} lacks {', '.join(sorted(missing))} for {architecture}: run make lock-debian"
            )
        return [fitting[name] for name in names]


def download(packages: Iterable[Package], time: str, folder: Path) -> list[Path]:
    """Return the verified files of packages. Download those that the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_download(package, time, folder) for package in packages]


def unpack(files: Iterable[Path], root: Path) -> None:
    """Unpack the files of packages into a root file system whose /bin, /sbin and /lib are links into /usr."""
    for merged in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / merged).mkdir(parents=True, exist_ok=True)
        if not (root / merged).is_symlink():
            (root / merged).symlink_to(f"usr/{merged}")
    for file in files:
        # tar, not dpkg-deb --extract, which would replace the links by directories.
        content = programs.run(["dpkg-deb", "--fsys-tarfile", file])
        flags = ["--no-same-owner", "--preserve-permissions", "--keep-directory-symlink"]
        programs.run(["tar", "-x", *flags, "-C", root], stdin=content)


def control(file: Path) -> str:
    """Return the control file of a package: its name, version and dependencies."""
    return programs.run(["dpkg-deb", "--field", file]).decode()


def lock(source: Path) -> None:
    """Write the lock file with the newest versions, from apt's package lists, whose signatures apt verifies.

    `source` is a folder with the files of this repository.
    """
    found: dict[tuple[str, str], Package] = {}
    with tempfile.TemporaryDirectory() as folder:
        for target in TARGETS:
            names = [*RUN, *HEADERS, *(PIP if target == TARGETS[0] else ())]
            for package in _newest(names, target.architecture, Path(folder) / target.architecture):
                found[package.name, package.architecture] = package
    packages = [asdict(found[key]) for key in sorted(found)]
    content = {"time": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}", "packages": packages}
    (source / _LOCK).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _newest(names: Sequence[str], architecture: str, folder: Path) -> Iterable[Package]:
    for part in ("lists/partial", "archives/partial", "state"):
        (folder / part).mkdir(parents=True)
    (folder / "debian.sources").write_text(
        "\n".join(
            f"Types: deb\nURIs: {_addresses()[archive][0]}\nSuites: {suite}\nComponents: main\nSigned-By: {_KEYRING}\n"
            for archive, suite in _SUITES.items()
        ),
        "utf-8",
    )
    settings = {
        "Dir::State": f"{folder}/state", "Dir::State::lists": f"{folder}/lists", "Dir::State::status": "/dev/null",
        "Dir::Cache": f"{folder}", "Dir::Etc::sourcelist": f"{folder}/debian.sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }  # fmt: skip
    configuration = "".join(f'{name} "{value}";\n' for name, value in settings.items())
    (folder / "apt.conf").write_text(configuration, "utf-8")
    environment = {"APT_CONFIG": str(folder / "apt.conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    programs.run(["apt-get", "update", "-qq"], environment=environment)
    show = ["apt-cache", "show", "--no-all-versions", *names]
    text = programs.run(show, environment=environment).decode()
    for paragraph in filter(None, text.split("\n\n")):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if not line.startswith(" ") and ": " in line
        )
        yield Package(
            fields["Package"], fields["Version"], fields["Architecture"], fields["Filename"], fields["SHA256"]
        )


def _download(package: Package, time: str, folder: Path) -> Path:
    target = folder / f"{package.sha256}.deb"
    if target.exists():
        return target
    sources = (*_addresses()[package.archive], _SNAPSHOT.format(archive=package.archive, time=time))
    errors = []
    for source in sources:
        try:
            with urllib.request.urlopen(  # noqa: S310  # the hash is verified, wherever the file comes from
                f"{source}/{package.path}", timeout=60
            ) as answer:
                content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            errors.append(f"{source}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() != package.sha256:
            errors.append(f"{source}: another SHA-256 than in {_LOCK.name}")
            continue
        unfinished = target.with_suffix(".unfinished")
        unfinished.write_bytes(content)
        unfinished.rename(target)
        return target
    raise ReleaseError(f"{package.name} {package.version} cannot be downloaded. {'; '.join(errors)}")


@cache
def _addresses() -> dict[str, list[str]]:
    """Return the addresses of each archive, the first to be asked first: the mirrors of this machine, Debian's own."""
    listing = ""
    if shutil.which("apt-get"):
        command = ["apt-get", "indextargets", "--format", _INDEX, "Created-By: Packages"]
        listing = programs.run(command).decode()
    mirrors = find_mirrors(listing)
    return {archive: [*mirrors[archive], own] for archive, own in _ARCHIVES.items()}


def find_mirrors(listing: str) -> dict[str, list[str]]:
    """Return the mirrors of each archive in a listing of apt's package lists, one a line, as `_INDEX` has them."""
    found: dict[str, list[str]] = {archive: [] for archive in _ARCHIVES}
    for line in listing.splitlines():
        origin, suite, component, uri = line.split("|", 3)
        for archive, wanted in _SUITES.items():
            if (origin, suite, component) == ("Debian", wanted, "main"):
                found[archive].append(uri.rstrip("/"))
    return found
