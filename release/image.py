"""Assemble the webhook's image for each architecture from locked packages (docs/decisions/0032)."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from release import debian, oci
from release.application import PROGRAMS, SITE, Builder
from release.archive import write_tar
from release.debian import Lock
from release.sandbox import INTERPRETER, Sandbox
from release.targets import PYTHON, TARGETS, Target

# The same as in the Dockerfile, which says why; a test compares them.
CONFIG: Mapping[str, Any] = {
    "User": "65532:65532",
    "ExposedPorts": {"10250/tcp": {}, "8080/tcp": {}},
    "Env": [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUNBUFFERED=1",
        "MALLOC_ARENA_MAX=2",
    ],
    "Entrypoint": ["/usr/local/bin/dind-webhook"],
    "Cmd": ["serve"],
}
TITLES = {
    "org.opencontainers.image.title": "dind-webhook",
    "org.opencontainers.image.description": (
        "Kubernetes mutating admission webhook that gives annotated CI pods a working Docker daemon"
    ),
    "org.opencontainers.image.licenses": "Apache-2.0",
}
_USERS = "root:x:0:0:root:/root:/usr/sbin/nologin\nnonroot:x:65532:65532:nonroot:/nonexistent:/usr/sbin/nologin\n"
_GROUPS = "root:x:0:\nnonroot:x:65532:\n"
# The licenses are kept, in /usr/share/doc/*/copyright and /usr/share/common-licenses.
_EXCLUDED_PATHS = (
    "usr/share/man",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/perl5",
    "usr/share/gcc",
    # Python converts character sets itself.
    "usr/lib/*-linux-gnu/gconv",
    f"usr/lib/{PYTHON}/test",
    # the texts of help() at the prompt
    f"usr/lib/{PYTHON}/pydoc_data",
)


@dataclass(frozen=True)
class Source:
    """An exported commit: its folder, its hash, its time in seconds since 1970, and the address of its repository."""

    folder: Path
    revision: str
    epoch: int
    version: str
    url: str

    @property
    def created(self) -> str:
        return datetime.fromtimestamp(self.epoch, UTC).isoformat().replace("+00:00", "Z")

    @property
    def labels(self) -> dict[str, str]:
        return {
            **TITLES,
            "org.opencontainers.image.version": self.version,
            "org.opencontainers.image.revision": self.revision,
            "org.opencontainers.image.created": self.created,
            "org.opencontainers.image.source": self.url,
        }


def builder(work: Path, cache: Path, source: Source, *, compiled: bool) -> Builder:
    """Return a builder on a root file system of locked packages below `work`, which also has `source`."""
    lock = Lock.load(source.folder)
    build, *others = TARGETS
    root, library = work / "root", f"usr/lib/{PYTHON}"
    names = [*debian.RUN, *debian.HEADERS]
    debian.unpack(_fetch(lock, [*names, *debian.PIP], build, cache), root)
    for target in others:
        # The headers that differ, and the answers of Python's sysconfig.
        other = work / "headers"
        debian.unpack(_fetch(lock, names, target, cache), other)
        shutil.copytree(other / "usr/include" / target.triplet, root / "usr/include" / target.triplet)
        shutil.copy(other / library / f"_sysconfigdata__{target.triplet}.py", root / library)
        shutil.rmtree(other)
    for mountpoint in ("work", "cache"):
        (root / mountpoint).mkdir()
    (pip,) = (root / "usr/share/python-wheels").glob("pip-*.whl")
    shutil.copy(pip, work / "pip.whl")
    return Builder(Sandbox(root, work, cache.parent / "pip"), source.epoch, compiled)


def write(tools: Builder, source: Source, cache: Path, layout: Path) -> str:
    """Write the image into the folder of an OCI layout, and return its digest."""
    for target in TARGETS:
        tools.install_dependencies(source.folder, target)
    for target in TARGETS:
        tools.install_application(source.folder, target)
    images = [_image(tools, target, source, cache) for target in TARGETS]
    return oci.Layout(layout, source.created).write(source.version, images, source.labels)


def _image(tools: Builder, target: Target, source: Source, cache: Path) -> oci.Image:
    root = tools.sandbox.work / f"root-{target.architecture}"
    _unpack_system(root, _fetch(Lock.load(source.folder), debian.RUN, target, cache))
    site = tools.sandbox.work / target.architecture
    shutil.copytree(site, root / SITE, ignore=shutil.ignore_patterns("bin"))
    (root / PROGRAMS).mkdir(parents=True, exist_ok=True)
    shutil.copy(site / "bin/dind-webhook", root / PROGRAMS)
    # The chart's test pod runs `python`, as does the image of the Dockerfile.
    (root / PROGRAMS / "python").symlink_to(INTERPRETER)
    tools.compile_bytecode(root)
    paths = set(root.rglob("*"))
    own = {path for path in paths if path.is_relative_to(root / "usr/local")}
    tars = [write_tar(root, part, source.epoch) for part in (paths - own, own)]
    layers = [oci.Layer(tar, tools.gzip(tar)) for tar in tars]
    return oci.Image(target.architecture, layers, {**CONFIG, "Labels": source.labels})


def _unpack_system(root: Path, files: list[Path]) -> None:
    debian.unpack(files, root)
    for folder in [path for pattern in _EXCLUDED_PATHS for path in root.glob(pattern)]:
        shutil.rmtree(folder)
    for path in (root / "usr/share/doc").rglob("*"):
        if path.name != "copyright" and not path.is_dir():
            path.unlink()
    # Scanners for vulnerabilities find the packages there, as in distroless images.
    listing = root / "var/lib/dpkg/status.d"
    listing.mkdir(parents=True)
    for file in files:
        fields = debian.control(file)
        name = fields.partition("Package: ")[2].partition("\n")[0]
        (listing / name).write_text(fields, "utf-8")
    (root / "etc/passwd").write_text(_USERS, "utf-8")
    (root / "etc/group").write_text(_GROUPS, "utf-8")


def _fetch(lock: Lock, names: list[str] | tuple[str, ...], target: Target, cache: Path) -> list[Path]:
    return debian.download(lock.select(names, target.architecture), lock.time, cache)
