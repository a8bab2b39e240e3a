"""A release in a registry on this machine: pushed and signed by release/publish.sh, as the workflow does."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from made_release import OWNER, ROOT, Release, tool

from dind_webhook import __version__


class Published(NamedTuple):
    """A release in the registry, and the public keys of its signatures."""

    release: Release
    key: Path
    keyring: Path
    environment: Mapping[str, str]

    @property
    def images(self) -> list[str]:
        """Return the references of the image and of the chart."""
        owner = f"{self.release.registry}/{OWNER}"
        return [f"{owner}/dind-webhook:{__version__}", f"{owner}/charts/dind-webhook:{__version__}"]

    def verify(self, image: str, key: Path) -> subprocess.CompletedProcess[str]:
        flags = ["--key", key, "--insecure-ignore-tlog", "--allow-http-registry"]
        command = [tool("cosign"), "verify", *flags, image]
        return subprocess.run(command, env=self.environment, check=False, capture_output=True, text=True)


def _make_key(folder: Path, environment: Mapping[str, str]) -> Path:
    folder.mkdir()
    subprocess.run([tool("cosign"), "generate-key-pair"], cwd=folder, env=environment, check=True, capture_output=True)
    return folder / "cosign.pub"


def _make_gpg_keys(folder: Path) -> tuple[Path, Path]:
    """Return the files with the secret and the public part of a new key, in the format that helm reads."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase", ""]
    subprocess.run(
        [*gpg, "--quick-generate-key", "dind-webhook <release@example.invalid>", "rsa2048", "sign"], check=True
    )
    files = folder / "secret.gpg", folder / "public.gpg"
    for file, export in zip(files, ("--export-secret-keys", "--export"), strict=True):
        file.write_bytes(subprocess.run([*gpg, export], check=True, capture_output=True).stdout)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)
    return files


@pytest.fixture(scope="module")
def published(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("publish")
    environment = {**os.environ, "COSIGN_PASSWORD": "x", "HOME": str(folder)}
    key = _make_key(folder / "key", environment)
    # The workflow signs without a key; here nobody can reach the transparency log.
    flags = f"--key {key.with_suffix('.key')} --tlog-upload=false --use-signing-config=false --allow-http-registry"
    secret, public = _make_gpg_keys(folder)
    tools = {
        "CRANE": tool("crane"),
        "COSIGN": tool("cosign"),
        "HELM": tool("helm4"),
        "HELM_KEY": "dind-webhook",
        "HELM_KEYRING": str(secret),
        "COSIGN_FLAGS": flags,
        "PLAIN_HTTP": "1",
    }
    subprocess.run([ROOT / "release/publish.sh", release.dist], env={**environment, **tools}, check=True)
    return Published(release, key, public, environment)


def test_image_and_chart_have_valid_signatures(published: Published) -> None:
    for image in published.images:
        done = published.verify(image, published.key)
        assert done.returncode == 0, done.stderr


def test_another_key_does_not_verify(published: Published, tmp_path: Path) -> None:
    other = _make_key(tmp_path / "other", published.environment)
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


def test_a_changed_file_is_not_published(published: Published, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", published.release.dist, tmp_path / "dist"], check=True)
    (tmp_path / "dist/install.yaml").write_text("")
    command = [ROOT / "release/publish.sh", tmp_path / "dist"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "install.yaml: FAILED" in done.stdout
