"""An image for each suite of Testcontainers: what the suite needs to run, and nothing of this project."""

import shutil
import tempfile
from pathlib import Path

import python_image
import systems
from cluster import debian, images
from cluster.cluster import Cluster
from cluster.commands import run
from cluster.go import Go, Program
from cluster.images import Image, Sources
from cluster.oci import Config
from image_loading import load_image
from systems import TESTCONTAINERS_GO

SUITES = Path(__file__).with_name("testcontainers")
_GO_MODULE = "github.com/testcontainers/testcontainers-go"


def load(image: Image, node: Cluster) -> None:
    """Give the second node the image of a suite."""
    files = sorted(path for path in SUITES.rglob("*") if path.is_file())
    load_image(node, image, __file__, python_image.__file__, systems.__file__, *files)


def _go(root: Path, sources: Sources) -> None:
    go = Go.of_machine(sources.log)
    folder = sources.cache.modules("testcontainers", TESTCONTAINERS_GO)
    go.require(folder, _GO_MODULE, TESTCONTAINERS_GO)
    shutil.copy(SUITES / "go/main.go", folder)
    go.build(folder, Program(".", cgo=False), root / "suite")


def _python(root: Path, sources: Sources) -> None:
    python_image.write_layer(root, sources, SUITES / "python/requirements.txt")
    shutil.copy(SUITES / "python/suite.py", root)


def _java(root: Path, sources: Sources) -> None:
    debian.bootstrap(root, images.DEBIAN, ["default-jre-headless"], sources.log)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "java")
        shutil.copytree(SUITES / "java", project)
        build = ["mvn", "--batch-mode", "--quiet", "package"]
        run("fetching Testcontainers for Java", build, sources.log, folder=project)
        shutil.copytree(project / "target/lib", root / "suite")


def _image(language: str, write_layer: images.Layer, *command: str) -> Image:
    file = f"testcontainers-{language}"
    return Image(file, (f"localhost/{file}:1",), (write_layer,), Config(command))


ALL = (
    _image("go", _go, "/suite"),
    _image("java", _java, "java", "-cp", "/suite/*", "Suite"),
    _image("python", _python, "env", python_image.VARIABLE, "python3", "/suite.py"),
)
