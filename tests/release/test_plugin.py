"""The kubectl plugin of a release: one file for each platform, and the manifest with which krew installs it."""

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from made_release import OWNER, ROOT, Release, tool

from dind_webhook import __version__

PLATFORMS = ("linux-amd64", "linux-arm64", "darwin-arm64")
PYTHONS = ("311", "312", "313", "314")
# How the tags of wheels name the platforms
TAGS = {"linux-amd64": "x86_64", "linux-arm64": "aarch64", "darwin-arm64": "macosx"}
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def _archive(release: Release, platform: str) -> Path:
    return release.dist / f"kubectl-dind-{__version__}-{platform}.tar.gz"


@pytest.fixture(scope="module")
def plugin(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the plugin for Linux on amd64, and return its folder."""
    folder = tmp_path_factory.mktemp("plugin")
    subprocess.run(["tar", "-xz", "-C", folder, "-f", _archive(release, "linux-amd64")], check=True)
    return folder


@pytest.fixture
def run(plugin: Path, tmp_path: Path) -> Run:
    """Return a function that runs a program of the plugin without network, with nothing but HOME and PATH set."""

    def run_(program: str, *arguments: str | Path, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(tmp_path), "PATH": f"{plugin}:{path}"}
        sandbox = shutil.which("bwrap")
        assert sandbox
        command = [sandbox, "--dev-bind", "/", "/", "--unshare-net", plugin / program, *arguments]
        return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    return run_


def test_it_runs_without_an_environment_and_without_network(run: Run) -> None:
    version = run("kubectl-dind", "version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.startswith(f"dind-webhook {__version__} ")
    usage = run("kubectl-dind", "--help")
    assert usage.returncode == 0
    assert "Usage: kubectl dind" in usage.stdout
    assert "migrate" in usage.stdout
    injected = run("kubectl-dind", "inject", "-f", ROOT / "deploy/examples/job.yaml")
    assert injected.returncode == 0, injected.stderr
    assert "name: dind" in injected.stdout


def test_it_queries_a_cluster(run: Run, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    user = {"name": "a", "user": {"token": "x"}}
    kubeconfig.write_text(
        yaml.safe_dump({"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "a"})
    )
    done = run("kubectl-dind", "check", "--kubeconfig", kubeconfig)
    assert "API server https://127.0.0.1:1 cannot be reached: Connection refused" in done.stderr


def test_it_completes_words(run: Run) -> None:
    done = run("kubectl_complete-dind", "mig")
    assert done.returncode == 0, done.stderr
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["migrate", ":4"]


@pytest.mark.parametrize("python", PYTHONS)
def test_it_runs_with_each_python(run: Run, tmp_path: Path, python: str) -> None:
    name = f"python{python[0]}.{python[1:]}"
    found = [
        path for path in (shutil.which(name), *Path.home().glob(f".pyenv/versions/{name[6:]}.*/bin/{name}")) if path
    ]
    if not found:
        pytest.skip(f"{name} is not on this machine")
    only = tmp_path / "only"
    only.mkdir()
    (only / name).symlink_to(found[-1])
    # /bin/sh is found by its path; the programs that the start script needs are built in.
    done = run("kubectl-dind", "version", path=str(only))
    assert f"(Python {name[6:]}." in done.stdout, done.stderr


def test_a_machine_without_a_fitting_python_is_told_which_it_needs(run: Run, tmp_path: Path) -> None:
    done = run("kubectl-dind", "version", path=str(tmp_path))
    assert done.returncode != 0
    assert "python3.11" in done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_native_modules_are_for_the_platform_and_for_each_python(release: Release, platform: str) -> None:
    with tarfile.open(_archive(release, platform)) as packed:
        program = packed.extractfile("kubectl-dind")
        assert program
        names = zipfile.ZipFile(io.BytesIO(program.read())).namelist()
    wheels = [
        re.sub(r"/$", "", name).rpartition("/")[2] for name in names if re.fullmatch(r"\.deps/[^/]+\.whl/?", name)
    ]
    native = [wheel for wheel in wheels if not wheel.endswith("-none-any.whl")]
    assert len(native) > 30
    assert all(TAGS[platform] in wheel or "universal2" in wheel for wheel in native), native
    for package in ("msgspec", "orjson", "pydantic_core", "uvloop"):
        tags = {wheel.split("-")[2] for wheel in native if wheel.startswith(f"{package}-")}
        assert tags == {f"cp{python}" for python in PYTHONS}


class TestKrewManifest:
    @pytest.fixture
    def manifest(self, release: Release) -> dict[str, object]:
        content: dict[str, object] = yaml.safe_load((release.dist / "krew.yaml").read_text())
        return content

    def test_has_the_hash_of_each_archive(self, release: Release, manifest: dict[str, object]) -> None:
        spec = manifest["spec"]
        assert isinstance(spec, dict)
        assert spec["version"] == f"v{__version__}"
        found = {}
        for platform in spec["platforms"]:
            labels = platform["selector"]["matchLabels"]
            archive = _archive(release, f"{labels['os']}-{labels['arch']}")
            base = f"https://github.com/{OWNER}/dind-webhook/releases/download/v{__version__}"
            assert platform["uri"] == f"{base}/{archive.name}"
            assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
            with tarfile.open(archive) as packed:
                program = packed.getmember(platform["bin"])
                # krew's index wants the license in the archive.
                assert packed.getmember("LICENSE").isfile()
            assert program.mode == 0o755
            found[archive.name] = platform
        assert len(found) == len(PLATFORMS)

    def test_krew_installs_the_archive(self, release: Release, tmp_path: Path) -> None:
        environment = {"HOME": str(tmp_path), "KREW_ROOT": str(tmp_path / "krew"), "PATH": "/usr/bin:/bin"}
        files = [f"--manifest={release.dist / 'krew.yaml'}", f"--archive={_archive(release, 'linux-amd64')}"]
        subprocess.run([tool("krew"), "install", *files], env=environment, check=True)
        program = [tmp_path / "krew/bin/kubectl-dind", "version"]
        done = subprocess.run(program, env=environment, check=True, capture_output=True, text=True)
        assert done.stdout.startswith(f"dind-webhook {__version__} ")

    def test_has_what_krews_index_requires(self, manifest: dict[str, object]) -> None:
        # https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
        assert manifest["apiVersion"] == "krew.googlecontainertools.github.com/v1alpha2"
        assert manifest["kind"] == "Plugin"
        assert manifest["metadata"] == {"name": "dind"}
        spec = manifest["spec"]
        assert isinstance(spec, dict)
        assert spec.keys() == {"version", "homepage", "shortDescription", "description", "caveats", "platforms"}
        assert len(spec["shortDescription"]) <= 50
