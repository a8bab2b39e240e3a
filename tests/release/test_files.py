"""The files of a release: made twice with equal bytes, complete, and usable by the tools that users have."""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from made_release import OWNER, ROOT, Release, clone, make, tool

from dind_webhook import __version__
from release import unused

LOCKED = ROOT / "release/debian.lock.json"
ARCHITECTURES = ("amd64", "arm64")
CHARTS = ("helm3", "helm4")


def _sums(dist: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in dist.iterdir()}


def test_another_checkout_with_another_umask_time_zone_locale_and_environment_has_equal_bytes(
    release: Release, tmp_path: Path
) -> None:
    # Without the two variables of Python's, its locale C is UTF-8.
    environment = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment |= {"PYTHONHASHSEED": "7"}
    # Variables with which compilers, Python and pip do something else
    environment |= {"CFLAGS": "-O0", "MYPYC_OPT_LEVEL": "0", "PYTHONOPTIMIZE": "2", "PIP_PREFER_BINARY": "0"}
    make(tmp_path / "dist", release.registry, clone(tmp_path), environment)
    assert _sums(tmp_path / "dist") == _sums(release.dist)


def test_gzip_files_are_written_by_the_locked_python(release: Release, tmp_path: Path) -> None:
    subprocess.run(["tar", "-x", "-C", tmp_path, "-f", next(release.dist.glob("*-image.tar"))], check=True)
    blobs = [path.read_bytes()[:10] for path in (tmp_path / "blobs/sha256").iterdir()]
    packed = [path.read_bytes()[:10] for path in release.dist.glob("*.tar.gz")]
    headers = {head for head in (*blobs, *packed) if head.startswith(b"\x1f\x8b")}
    # Python 3.13 writes an unknown operating system; older ones write Unix (RFC 1952, section 2.3.1).
    assert headers == {b"\x1f\x8b\x08\0\0\0\0\0\0\xff"}


def test_there_is_each_kind_of_file(release: Release) -> None:
    names = {path.name for path in release.dist.iterdir()}
    described = [f"kubectl-dind-{__version__}", *(f"dind-webhook-{__version__}-{one}" for one in ARCHITECTURES)]
    boms = {f"{one}.{form}.json" for one in described for form in ("cdx", "spdx")}
    plugins = {f"kubectl-dind-{__version__}-{one}.tar.gz" for one in ("linux-amd64", "linux-arm64", "darwin-arm64")}
    assert names == boms | plugins | {
        "SHA256SUMS",
        f"dind-webhook-{__version__}-image.tar",
        f"dind-webhook-{__version__}.tgz",
        f"dind_webhook-{__version__}-py3-none-any.whl",
        f"dind_webhook-{__version__}.tar.gz",
        "image.txt",
        "install.yaml",
        "krew.yaml",
        "release-notes.md",
    }


def test_the_checksums_are_those_of_the_other_files(release: Release) -> None:
    lines = dict(reversed(line.split("  ")) for line in (release.dist / "SHA256SUMS").read_text().splitlines())
    assert lines == {name: digest for name, digest in _sums(release.dist).items() if name != "SHA256SUMS"}


def test_the_wheel_works_in_an_empty_environment(release: Release, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path], check=True)
    (wheel,) = release.dist.glob("*.whl")
    # Without hashes: the wheel is not in the lock file.
    constraints = tmp_path / "constraints.txt"
    names = re.findall(r"^([\w.-]+==[^ ;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    constraints.write_text("\n".join(names))
    subprocess.run([tmp_path / "bin/pip", "install", "-q", "-c", constraints, wheel], check=True)
    for program in ("dind-webhook", "kubectl-dind"):
        done = subprocess.run([tmp_path / "bin" / program, "version"], check=True, capture_output=True, text=True)
        assert __version__ in done.stdout
        done = subprocess.run([tmp_path / "bin" / program, "--help"], check=True, capture_output=True, text=True)
        assert "Usage: " in done.stdout
        assert {"inject", "migrate", "explain"} <= set(done.stdout.split())
    manifest = ROOT / "deploy/examples/job.yaml"
    done = subprocess.run([tmp_path / "bin/dind-webhook", "inject", "-f", manifest], check=True, capture_output=True)
    assert b"name: dind" in done.stdout


def test_the_sdist_has_what_its_build_reads(release: Release) -> None:
    (sdist,) = release.dist.glob("dind_webhook-*.tar.gz")
    with tarfile.open(sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {
        "pyproject.toml",
        "setup.py",
        "README.md",
        "LICENSE",
        "dind_webhook/cli/main.py",
        "dind_webhook/playground/static/index.html",
    } <= names


def test_release_notes_are_the_section_of_the_changelog(release: Release) -> None:
    notes = (release.dist / "release-notes.md").read_text()
    section = (ROOT / "CHANGELOG.md").read_text().partition(f"\n## {__version__} - ")[2]
    first = next(line for line in section.split("### Added\n\n")[1].splitlines() if line)
    assert first in notes
    assert "## Unreleased" not in notes
    assert f"](https://github.com/{OWNER}/dind-webhook/blob/v{__version__}/docs/releases.md)" in notes


class TestBillsOfMaterials:
    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    def test_of_the_image_have_each_locked_package(self, release: Release, architecture: str) -> None:
        debian = {
            f"{package['name']}=={package['version']}"
            for package in json.loads(LOCKED.read_text())["packages"]
            if package["architecture"] in (architecture, "all") and not re.search(r"-dev|-whl", package["name"])
        }
        assert len(debian) > 20
        for packages in self._packages(release, f"dind-webhook-{__version__}-{architecture}"):
            assert packages == _locked() | debian | {f"dind-webhook=={__version__}"}

    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    def test_of_the_image_have_what_scanners_look_up(self, release: Release, architecture: str) -> None:
        """Advisories of Debian name source packages, and PyPI's packages have licenses."""
        stem = f"dind-webhook-{__version__}-{architecture}"
        components = json.loads((release.dist / f"{stem}.cdx.json").read_text())["components"]
        found = {one["name"]: one for one in components}
        assert re.search(r"&upstream=openssl(%40|$)", found["libssl3t64"]["purl"])
        assert found["libstdc++6"]["purl"].startswith("pkg:deb/debian/libstdc%2B%2B6@")
        without = {one["name"] for one in components if one["purl"].startswith("pkg:pypi/") and "licenses" not in one}
        assert len(without) <= 3, without

    def test_of_the_plugin_have_each_locked_package(self, release: Release) -> None:
        for packages in self._packages(release, f"kubectl-dind-{__version__}"):
            assert packages == _locked() | {f"dind-webhook=={__version__}"}

    def _packages(self, release: Release, stem: str) -> tuple[set[str], set[str]]:
        """Return the packages in each of the two formats."""
        cyclonedx, spdx = [
            json.loads((release.dist / f"{stem}.{form}.json").read_text()) for form in ("cdx", "spdx")
        ]  # fmt: skip
        contained = {
            one["relatedSpdxElement"] for one in spdx["relationships"] if one["relationshipType"] == "CONTAINS"
        }
        packages = [one for one in spdx["packages"] if one["SPDXID"] in contained]
        assert len({one["SPDXID"] for one in packages}) == len(packages)
        return (
            {f"{one['name']}=={one['version']}" for one in cyclonedx["components"]},
            {f"{one['name']}=={one['versionInfo']}" for one in packages},
        )


def _locked() -> set[str]:
    """Return the locked Python packages but those that nothing in the image and in the plugin imports."""
    lock = (ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"^([\w.-]+==[^ ;]+)", lock, re.MULTILINE))
    assert {package.partition("==")[0] for package in locked} >= set(unused.PACKAGES)
    # colorama is for Windows.
    packages = {package for package in locked if package.partition("==")[0] not in {*unused.PACKAGES, "colorama"}}
    assert len(packages) > 35
    return packages


class TestChart:
    def test_helm_has_no_hint(self, release: Release) -> None:
        done = subprocess.run(
            [tool("helm4"), "lint", "--strict", release.chart], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
        assert not re.search(r"\[(INFO|WARNING|ERROR)\]", done.stdout + done.stderr), done.stdout

    @pytest.mark.parametrize("helm", CHARTS)
    def test_its_default_image_is_the_published_one(self, release: Release, helm: str) -> None:
        command = [tool(helm), "template", "x", release.chart]
        rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        images = _images(rendered)
        name, digest = release.image.split("@")
        assert f"{name.rpartition(':')[0]}@{digest}" in images

    def test_install_yaml_has_the_objects_of_the_chart_and_their_namespace(self, release: Release) -> None:
        command = [
            tool("helm4"),
            "template",
            "dind-webhook",
            release.chart,
            "--namespace",
            "dind-webhook",
            "--no-hooks",
        ]
        rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        objects = list(yaml.safe_load_all((release.dist / "install.yaml").read_text()))
        assert objects[0] == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dind-webhook"}}
        assert objects[1:] == list(yaml.safe_load_all(rendered))
        name, digest = release.image.split("@")
        webhooks = {image for image in _images(rendered) if "dind-webhook" in image}
        assert webhooks == {f"{name.rpartition(':')[0]}@{digest}"}

    def test_artifact_hub_can_show_it(self, release: Release) -> None:
        command = [tool("helm4"), "show", "chart", release.chart]
        chart = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        url = f"https://github.com/{OWNER}/dind-webhook"
        assert (chart["home"], chart["sources"]) == (url, [url])
        assert {one["url"] for one in chart["maintainers"]} == {url}
        assert (ROOT / chart["icon"].partition(f"/v{__version__}/")[2]).exists()
        notes = {name.partition("/")[2]: value for name, value in chart["annotations"].items()}
        assert {one["image"] for one in yaml.safe_load(notes["images"])} >= {release.image}
        changes = yaml.safe_load(notes["changes"])
        assert {one["kind"] for one in changes} <= {"added", "changed", "deprecated", "removed", "fixed", "security"}
        for change in changes:
            assert all(target.startswith("https://") for target in re.findall(r"\]\(([^)]*)", change["description"]))
        for link in yaml.safe_load(notes["links"]):
            path = link["url"].partition(f"/blob/v{__version__}/")[2]
            assert not path or (ROOT / path).exists()


def _images(manifests: str) -> set[str]:
    return set(re.findall(r"^ *(?:- )?image: \"?([^\"\n]+)", manifests, re.MULTILINE))
