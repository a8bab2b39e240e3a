"""Debian packages with locked versions and hashes: lock, download and unpack them, without running their scripts."""

import hashlib
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

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

_LOCK = Path(__file__).with_name("debian.lock.json")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Packages of updates for security have another archive.
_SECURITY_PREFIX = "pool/updates/"
_ARCHIVES = {"debian": "https://deb.debian.org/debian", "debian-security": "https://deb.debian.org/debian-security"}
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
    def load(cls) -> "Lock":
        content = json.loads(_LOCK.read_text())
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
    """Unpack the files of packages into a root filesystem whose /bin, /sbin and /lib are links into /usr."""
    for merged in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / merged).mkdir(parents=True, exist_ok=True)
        if not (root / merged).is_symlink():
            (root / merged).symlink_to(f"usr/{merged}")
    for file in files:
        # tar, not dpkg-deb --extract, which would replace the links by directories.
        deb = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", file], stdout=subprocess.PIPE)
        flags = ["--no-same-owner", "--preserve-permissions", "--keep-directory-symlink"]
        subprocess.run(["tar", "-x", *flags, "-C", root], stdin=deb.stdout, check=True)
        if deb.wait():
            raise ReleaseError(f"dpkg-deb cannot read {file}")


def control(file: Path) -> str:
    """Return the control file of a package: its name, version and dependencies."""
    return subprocess.run(["dpkg-deb", "--field", file], check=True, capture_output=True, text=True).stdout


def lock() -> None:
    """Write the lock file with the newest versions, from apt's package lists, whose signatures apt verifies."""
    found: dict[tuple[str, str], Package] = {}
    with tempfile.TemporaryDirectory() as folder:
        for target in TARGETS:
            names = [*RUN, *HEADERS, *(PIP if target == TARGETS[0] else ())]
            for package in _newest(names, target.architecture, Path(folder) / target.architecture):
                found[package.name, package.architecture] = package
    packages = [asdict(found[key]) for key in sorted(found)]
    content = {"time": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}", "packages": packages}
    _LOCK.write_text(json.dumps(content, indent=1) + "\n")


def _newest(names: Sequence[str], architecture: str, folder: Path) -> Iterable[Package]:
    for part in ("lists/partial", "archives/partial", "state"):
        (folder / part).mkdir(parents=True)
    suites = {"debian": SUITE, "debian-security": f"{SUITE}-security"}
    (folder / "debian.sources").write_text(
        "\n".join(
            f"Types: deb\nURIs: {_mirrors()[archive]}\nSuites: {suite}\nComponents: main\nSigned-By: {_KEYRING}\n"
            for archive, suite in suites.items()
        )
    )
    settings = {
        "Dir::State": f"{folder}/state", "Dir::State::lists": f"{folder}/lists", "Dir::State::status": "/dev/null",
        "Dir::Cache": f"{folder}", "Dir::Etc::sourcelist": f"{folder}/debian.sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }  # fmt: skip
    (folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    environment = {"APT_CONFIG": str(folder / "apt.conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    show = ["apt-cache", "show", "--no-all-versions", *names]
    text = subprocess.run(show, env=environment, check=True, capture_output=True, text=True).stdout
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
    sources = (_mirrors()[package.archive], _SNAPSHOT.format(archive=package.archive, time=time))
    errors = []
    for source in sources:
        try:
            with urllib.request.urlopen(  # noqa: S310  # the hash is verified, wherever the file comes from
                f"{source}/{package.path}", timeout=60
            ) as answer:
                content = answer.read()
        except OSError as error:
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
def _mirrors() -> dict[str, str]:
    """Return the address of each archive: the mirror of this machine's apt, or Debian's own."""
    mirrors = dict(_ARCHIVES)
    if shutil.which("apt-get"):
        command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            uri = line.split(" ", 1)[1].rstrip("/")
            name = uri.rpartition("/")[2]
            # Ubuntu's archives have other names.
            if name in mirrors:
                mirrors[name] = uri
    return mirrors
