"""Build an image for each suite of Testcontainers: what the suite needs to run, and nothing of this project."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster import debian, oci
from cluster.build_inputs import BuildInputs
from cluster.cluster import Cluster
from cluster.commands import run
from cluster.go import Go, Program
from cluster.oci import Config
from cluster.paths import Cache
from cluster.steps import step

SUITES = Path(__file__).with_name("testcontainers")
_GO_MODULE, _GO_VERSION = "github.com/testcontainers/testcontainers-go", "v0.45.0"
_DEBIAN = "trixie"
# Of that release of Debian
_PYTHON = "3.13"


@dataclass(frozen=True)
class Suite:
    """A suite: the folder of its sources, the function that fills the root of its image, and its command."""

    language: str
    fill: Callable[[Path, Cache, Path], None]
    command: tuple[str, ...]

    @property
    def image(self) -> str:
        return f"localhost/testcontainers-{self.language}:1"

    def load(self, node: Cluster) -> None:
        """Give the second node the image, which is built again when the sources change."""
        archive = node.cache.images / f"testcontainers-{self.language}.tar"
        sources = sorted(path for path in (SUITES / self.language).rglob("*") if path.is_file())
        inputs = BuildInputs.of([Path(__file__), *sources])
        with node.cache.lock("build"):
            if not inputs.is_current(archive):
                self._build(node, archive)
                inputs.record(archive)
        node.local_node.load(archive)

    def _build(self, node: Cluster, archive: Path) -> None:
        # Not in /tmp: it may be a tmpfs, and Debian with Java takes 300 MB.
        with (
            step(f"building the suite of Testcontainers for {self.language}"),
            tempfile.TemporaryDirectory(dir=node.cache.images) as folder,
        ):
            root = Path(folder, "root")
            root.mkdir()
            self.fill(root, node.cache, node.logs / "testcontainers.log")
            oci.pack(self.image, [root], Config(self.command), archive)


def _go(root: Path, cache: Cache, log: Path) -> None:
    go = Go.of_machine(log)
    folder = cache.modules("testcontainers", _GO_VERSION)
    go.require(folder, _GO_MODULE, _GO_VERSION)
    shutil.copy(SUITES / "go/main.go", folder)
    go.build(folder, Program(".", cgo=False), root / "suite")


def _python(root: Path, _: Cache, log: Path) -> None:
    debian.bootstrap(root, _DEBIAN, ["python3"], log)
    shutil.copy(SUITES / "python/suite.py", root)
    install = ["install", "--target", root / "packages", "--require-hashes", "-r", SUITES / "python/requirements.txt"]
    platform = ["--python-version", _PYTHON, "--only-binary", ":all:"]
    run("installing Testcontainers for Python", [sys.executable, "-m", "pip", *install, *platform], log)


def _java(root: Path, _: Cache, log: Path) -> None:
    debian.bootstrap(root, _DEBIAN, ["default-jre-headless"], log)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "java")
        shutil.copytree(SUITES / "java", project)
        run("fetching Testcontainers for Java", ["mvn", "--batch-mode", "--quiet", "package"], log, folder=project)
        shutil.copytree(project / "target/lib", root / "suite")


ALL = (
    Suite("go", _go, ("/suite",)),
    Suite("java", _java, ("java", "-cp", "/suite/*", "Suite")),
    Suite("python", _python, ("env", "PYTHONPATH=/packages", "python3", "/suite.py")),
)
