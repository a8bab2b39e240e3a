"""A release in a registry on this machine: pushed and signed by release/publish.sh, as the workflow does."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from made_release import OWNER, ROOT, Release, tool
from publishing import Published, make_key, publish, write_checksums

from dind_webhook import __version__


@pytest.fixture(scope="module")
def published(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(release, tmp_path_factory.mktemp("publish"))


def test_image_and_chart_have_valid_signatures(published: Published) -> None:
    for image in published.images:
        done = published.verify(image, published.key)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_image_has_a_list_of_its_packages(published: Published, architecture: str) -> None:
    image = published.images[0]
    by_digest = f"{image.rpartition(':')[0]}@{published.digest(image, f'--platform=linux/{architecture}')}"
    done = published.verify(by_digest, published.key, "verify-attestation", "--type=cyclonedx")
    assert done.returncode == 0, done.stderr
    statement = json.loads(base64.b64decode(json.loads(done.stdout)["payload"]))
    listed = (published.release.dist / f"dind-webhook-{__version__}-{architecture}.cdx.json").read_text()
    assert statement["predicate"]["components"] == json.loads(listed)["components"]


def test_another_key_does_not_verify(published: Published, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other", published.environment)
    for image in published.images:
        assert published.verify(image, other).returncode != 0


def test_the_registry_has_the_image_with_its_digest_for_both_architectures(published: Published) -> None:
    digest = published.release.image.partition("@")[2]
    by_digest = f"{published.images[0].rpartition(':')[0]}@{digest}"
    for architecture in ("amd64", "arm64"):
        command = [tool("crane"), "config", "--insecure", f"--platform=linux/{architecture}", by_digest]
        config = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert f'"architecture": "{architecture}"' in config


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_helm_verifies_the_provenance_of_the_chart(published: Published, helm: str, tmp_path: Path) -> None:
    chart = f"oci://{published.release.registry}/{OWNER}/charts/dind-webhook"
    pull = [tool(helm), "pull", chart, "--plain-http", "--verify", "--keyring", published.keyring, "-d", tmp_path]
    subprocess.run(pull, env=published.environment, check=True)
    (pulled,) = tmp_path.glob("*.tgz")
    assert pulled.read_bytes() == published.release.chart.read_bytes()
    with pulled.open("ab") as file:
        file.write(b"x")
    verify = [tool(helm), "verify", "--keyring", published.keyring, pulled]
    done = subprocess.run(verify, env=published.environment, check=False, capture_output=True, text=True)
    assert done.returncode != 0


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_helm_renders_the_chart_from_the_registry(published: Published, helm: str) -> None:
    chart = f"oci://{published.release.registry}/{OWNER}/charts/dind-webhook"
    command = [
        tool(helm),
        "template",
        "dind-webhook",
        chart,
        "--plain-http",
        "--namespace",
        "dind-webhook",
        "--no-hooks",
    ]
    rendered = subprocess.run(command, env=published.environment, check=True, capture_output=True, text=True).stdout
    namespace, *objects = yaml.safe_load_all((published.release.dist / "install.yaml").read_text())
    assert namespace["kind"] == "Namespace"
    assert list(yaml.safe_load_all(rendered)) == objects


def test_it_can_be_published_again(published: Published) -> None:
    done = published.publish(published.release.dist)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("part", ["image", "chart"])
def test_a_version_is_never_replaced(published: Published, part: str, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(published.release.dist, dist)
    if part == "image":
        name, _, digest = published.release.image.partition("@")
        (dist / "image.txt").write_text(f"{name}@sha256:{digest[:6:-1]}\n")
    else:
        with published.release.chart.open("rb") as chart:
            (dist / published.release.chart.name).write_bytes(chart.read() + b"x")
    write_checksums(dist)
    done = published.publish(dist)
    assert done.returncode == 1
    assert "a version is never changed" in done.stderr
    assert published.digest(published.images[0]) == published.release.image.partition("@")[2]


def test_without_a_signature_no_image_has_the_version(published: Published, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(published.release.dist, dist)
    other = f"{published.release.registry}/other/dind-webhook:{__version__}"
    (dist / "image.txt").write_text(f"{other}@{published.release.image.partition('@')[2]}\n")
    write_checksums(dist)
    done = published.publish(dist, COSIGN="/bin/false")
    assert done.returncode == 1
    assert published.digest(other) is None
    assert published.digest(f"{published.release.registry}/other/charts/dind-webhook:{__version__}") is None
    done = published.publish(dist)
    assert done.returncode == 0, done.stderr
    assert published.digest(other) == published.release.image.partition("@")[2]


def test_outside_a_workflow_somebody_chooses_how_to_sign(published: Published) -> None:
    environment = {name: value for name, value in published.environment.items() if name != "COSIGN_FLAGS"}
    command = [ROOT / "release/publish.sh", published.release.dist]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "set COSIGN_FLAGS" in done.stderr


def test_a_changed_file_is_not_published(published: Published, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", published.release.dist, tmp_path / "dist"], check=True)
    (tmp_path / "dist/install.yaml").write_text("")
    done = published.publish(tmp_path / "dist")
    assert done.returncode != 0
    assert "install.yaml: FAILED" in done.stdout
