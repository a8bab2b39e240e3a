"""The image of a release: an OCI image layout whose programs run on both architectures."""

import hashlib
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_release import ROOT, Release

from dind_webhook import __version__

ARCHITECTURES = ("amd64", "arm64")
# Debian's package qemu-user-static
EMULATOR = Path("/usr/bin/qemu-aarch64-static")


class Layout:
    """An unpacked OCI image layout."""

    def __init__(self, release: Release, folder: Path) -> None:
        self.folder = folder / "layout"
        self.folder.mkdir()
        (archive,) = release.dist.glob("*-image.tar")
        subprocess.run(["tar", "-x", "-C", self.folder, "-f", archive], check=True)
        (self.descriptor,) = json.loads((self.folder / "index.json").read_text())["manifests"]
        self.index = self.read(self.descriptor)

    def blob(self, descriptor: dict[str, Any]) -> Path:
        path = self.folder / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        assert path.stat().st_size == descriptor["size"]
        return path

    def read(self, descriptor: dict[str, Any]) -> Any:
        return json.loads(self.blob(descriptor).read_text())

    def manifest(self, architecture: str) -> Any:
        (found,) = [one for one in self.index["manifests"] if one["platform"]["architecture"] == architecture]
        return self.read(found)

    def config(self, architecture: str) -> Any:
        return self.read(self.manifest(architecture)["config"])


@pytest.fixture(scope="module")
def layout(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return Layout(release, tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def root(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that unpacks the layers for an architecture."""
    folder = tmp_path_factory.mktemp("roots")

    def unpack(architecture: str) -> Path:
        target = folder / architecture
        if not target.exists():
            target.mkdir()
            for layer in layout.manifest(architecture)["layers"]:
                subprocess.run(["tar", "-xz", "-C", target, "-f", layout.blob(layer)], check=True)
        return target

    return unpack


def _run(root: Path, architecture: str, *command: str) -> str:
    """Run a command in the image as its user, on a read-only root file system."""
    emulator = [root / "emulator"] if architecture == "arm64" else []
    if emulator:
        shutil.copy(EMULATOR, root / "emulator")
    system = [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/dev/shm",
        "--unshare-user",
        "--uid",
        "65532",
        "--gid",
        "65532",
        "--clearenv",
    ]
    words = ["bwrap", "--ro-bind", root, "/", *system, *(f"/{one.name}" for one in emulator), *command]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_program_runs(root: Callable[[str], Path], architecture: str) -> None:
    output = _run(root(architecture), architecture, "/usr/bin/python3.13", "/usr/local/bin/dind-webhook", "version")
    assert __version__ in output


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_that_serve_and_certs_import_is_there(root: Callable[[str], Path], architecture: str) -> None:
    modules = (
        "dind_webhook.processes.serve",
        "dind_webhook.processes.certs",
        "uvloop",
        "httptools",
        "cryptography.x509",
        "kubernetes.client",
    )
    _run(root(architecture), architecture, "/usr/bin/python3.13", "-c", f"import {', '.join(modules)}")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_pod_of_helm_test_finds_what_it_runs(
    layout: Layout, root: Callable[[str], Path], architecture: str
) -> None:
    pod = (ROOT / "charts/dind-webhook/templates/tests/pod.yaml").read_text()
    (program,) = re.findall(r"command: \[(\w+), /etc/dind-webhook/helm_test.py\]", pod)
    (path,) = [entry for entry in layout.config(architecture)["config"]["Env"] if entry.startswith("PATH=")]
    folders = path.removeprefix("PATH=").split(":")
    (found,) = [folder for folder in folders if (root(architecture) / folder.lstrip("/") / program).is_symlink()]
    _run(root(architecture), architecture, f"{found}/{program}", "-c", "import kubernetes.client, dind_webhook")


# Each request of `certs` and of `check`, to a port on which nothing listens
REQUESTS = """
import json, pathlib
from dind_webhook.errors import DindWebhookError
from dind_webhook.kube import KubeCertStore, KubeClient
kubeconfig = pathlib.Path("/dev/shm/kubeconfig")
cluster = {"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}
context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
user = {"name": "a", "user": {"token": "x"}}
kubeconfig.write_text(json.dumps(
    {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "a"}))
store, client = KubeCertStore("a", "b", "c", kubeconfig), KubeClient(kubeconfig, None)
for call in (
    store.read_secret, store.read_bundles, lambda: store.write_secret({}, None), lambda: store.write_bundles({}, "1"),
    lambda: list(store.watch_secret()), lambda: list(store.watch_bundles()), client.version,
    lambda: client.try_create("/a", {}), lambda: client.patch("/a", [], dry_run=True),
    lambda: client.probe_pod_tls("a", "b", 1, "c", b""),
):
    try:
        call()
    except DindWebhookError as error:
        print(error)
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_was_left_out_of_the_kubernetes_client_is_not_needed(
    root: Callable[[str], Path], architecture: str
) -> None:
    output = _run(root(architecture), architecture, "/usr/bin/python3.13", "-c", REQUESTS).splitlines()
    assert len(output) == 10
    assert all(line.endswith("Connection refused") for line in output), output


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_bytecode_is_compiled(root: Callable[[str], Path], architecture: str) -> None:
    sources = [path for path in root(architecture).rglob("*.py") if "dist-packages" in path.parts]
    assert len(sources) > 1000
    missing = [path for path in sources if not (path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").exists()]
    assert not missing


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_native_modules_are_for_the_architecture(root: Callable[[str], Path], architecture: str) -> None:
    machine = {"amd64": 62, "arm64": 183}[architecture]  # e_machine of ELF
    files = [path for path in root(architecture).rglob("*.so*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 50
    headers = {path: path.read_bytes()[:20] for path in files}
    assert {int.from_bytes(head[18:20], "little") for head in headers.values() if head.startswith(b"\x7fELF")} == {
        machine
    }


def test_the_configuration_is_that_of_the_dockerfile(layout: Layout) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2].replace("\\\n", " ")
    lines = dict(re.findall(r"^(USER|EXPOSE|ENTRYPOINT|CMD|ENV) (.*)$", dockerfile, re.MULTILINE))
    labels = re.findall(r'(org[\w.]+)="([^"$]+)"', dockerfile)
    for architecture in ARCHITECTURES:
        config = layout.config(architecture)["config"]
        assert config["User"] == lines["USER"]
        assert set(config["ExposedPorts"]) == {f"{port}/tcp" for port in lines["EXPOSE"].split()}
        assert [Path(word).name for word in config["Entrypoint"]] == [Path(json.loads(lines["ENTRYPOINT"])[0]).name]
        assert config["Cmd"] == json.loads(lines["CMD"])
        assert set(config["Env"][1:]) == set(shlex.split(lines["ENV"])[1:])
        assert config["Labels"].items() >= dict(labels).items()
        assert config["Labels"]["org.opencontainers.image.version"] == __version__


def test_there_is_no_shell_and_no_package_manager(root: Callable[[str], Path]) -> None:
    for architecture in ARCHITECTURES:
        programs = {path.name for path in (root(architecture) / "usr/bin").iterdir()}
        assert not programs & {"sh", "bash", "dash", "apt", "apt-get", "dpkg", "pip", "pip3"}


def test_the_digest_in_image_txt_is_that_of_the_index(release: Release, layout: Layout) -> None:
    assert release.image.partition("@")[2] == layout.descriptor["digest"]
