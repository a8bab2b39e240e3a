"""Publish a release with release/publish.sh to a registry on this machine, and verify its signatures."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

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

    def publish(self, dist: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [ROOT / "release/publish.sh", dist]
        variables = {**self.environment, **environment}
        return subprocess.run(command, env=variables, check=False, capture_output=True, text=True)

    def digest(self, image: str, *flags: str) -> str | None:
        """Return the digest that the registry has for a tag, or None. `flags` are those of `crane digest`."""
        command = [tool("crane"), "digest", "--insecure", *flags, image]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    def verify(self, image: str, key: Path, *subcommand: str) -> subprocess.CompletedProcess[str]:
        """Run `cosign verify`, or another subcommand with its flags."""
        flags = ["--key", key, "--insecure-ignore-tlog", "--allow-http-registry"]
        command = [tool("cosign"), *(subcommand or ["verify"]), *flags, image]
        return subprocess.run(command, env=self.environment, check=False, capture_output=True, text=True)


def write_checksums(dist: Path) -> None:
    """Write the checksums of files that were changed. The provenance of the chart is written by publish.sh."""
    files = sorted(path.name for path in dist.iterdir() if path.name != "SHA256SUMS" and path.suffix != ".prov")
    sums = subprocess.run(["sha256sum", *files], cwd=dist, check=True, capture_output=True).stdout
    (dist / "SHA256SUMS").write_bytes(sums)


def make_key(folder: Path, environment: Mapping[str, str]) -> Path:
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


def publish(release: Release, folder: Path) -> Published:
    """Publish a release, signed with new keys in an empty folder."""
    environment = {**os.environ, "COSIGN_PASSWORD": "x", "HOME": str(folder)}
    key = make_key(folder / "key", environment)
    # The workflow signs without a key; here nobody can reach the transparency log. The flags are those of the page.
    (documented,) = re.findall('COSIGN_FLAGS="--key cosign.key (.+)"', (ROOT / "docs/install.md").read_text("utf-8"))
    flags = f"--key {key.with_suffix('.key')} {documented} --allow-http-registry"
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
    published = Published(release, key, public, {**environment, **tools})
    done = published.publish(release.dist)
    assert done.returncode == 0, done.stderr
    return published
