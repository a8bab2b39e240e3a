"""The newest Docker trusts the CAs that injection mounts, in the layout in which kubelet mounts them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from newest_dockerd import HERE, NAMESPACES
from pods import a_pod, find_by_name, injected_pod, permissive_policy

from dind_webhook.model import JsonObject

_REGISTRY = "registry-1.docker.io"
# /etc of this machine has no directories for the mounts. The namespaces end with the daemon.
_MOUNTS = """\
mount -t tmpfs overlay {overlay}
mkdir {overlay}/upper {overlay}/work
mount -t overlay -o lowerdir=/etc,upperdir={overlay}/upper,workdir={overlay}/work overlay /etc
mkdir -p {path}
mount --bind -o ro {source} {path}
exec env "$@"
"""


def _daemon(options: dict[str, str]) -> JsonObject:
    return find_by_name(injected_pod(a_pod(options=options), permissive_policy())["spec"]["initContainers"], "dind")


def _write_volume(folder: Path, files: dict[str, str]) -> None:
    """Write files as kubelet does: in a folder for this version, with links from their first directories."""
    version = folder / "..2026_11_28"
    version.mkdir()
    for path, text in files.items():
        (version / path).parent.mkdir(parents=True, exist_ok=True)
        (version / path).write_text(text)
        first = path.split("/", maxsplit=1)[0]
        if not (folder / first).is_symlink():
            (folder / first).symlink_to(f"..data/{first}")
    (folder / "..data").symlink_to(version.name)


@pytest.fixture
def pull(dockerd: str, tmp_path: Path) -> Any:
    """Return a function that pulls from a registry with a private CA, and returns the daemon's output.

    The daemon gets the variables of a container, and the files of its volumes. CA in a file stands for the certificate.
    """
    authority = trustme.CA()
    certificate = authority.issue_cert(_REGISTRY)
    files = [tmp_path / "certificate", tmp_path / "key"]
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])
    folders = [tmp_path / name for name in ("daemon", "volume", "overlay")]
    for folder in folders:
        folder.mkdir()

    def run(container: JsonObject, volume: str, contents: dict[str, str]) -> str:
        daemon, source, overlay = folders
        ca = authority.cert_pem.bytes().decode()
        _write_volume(source, {path: text.replace("CA", ca) for path, text in contents.items()})
        (mount,) = (each for each in container["volumeMounts"] if each["name"] == volume)
        mounts = _MOUNTS.format(overlay=overlay, source=source, path=mount["mountPath"])
        variables = [f"{each['name']}={each['value']}" for each in container.get("env", [])]
        puller = [sys.executable, HERE / "pull_from_fake_registry.py", *files, daemon, dockerd]
        command = [*NAMESPACES, "sh", "-euc", mounts, "sh", *variables, *puller]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout

    return run


def test_it_trusts_all_keys_of_the_config_map(pull: Any) -> None:
    container = _daemon({"ca": "company-ca"})
    assert "Downloaded" in pull(container, "dind-ca", {"notes": "no certificate", "other.pem": "CA"})


def test_it_trusts_the_certificates_of_one_registry(pull: Any) -> None:
    # Docker Hub has the name that images have.
    path = "certs.d/docker.io/ca.crt"
    container = _daemon({"daemon-files": f"{path}=configmap/a/b"})
    assert "Downloaded" in pull(container, "dind-files", {path: "CA"})


@pytest.mark.parametrize(
    ("options", "volume", "contents"),
    [
        ({"ca": "company-ca"}, "dind-ca", {}),
        ({"daemon-files": "daemon.json=configmap/a/b"}, "dind-files", {"certs.d/other.example/ca.crt": "CA"}),
    ],
)
def test_without_the_certificate_it_refuses(
    options: dict[str, str], volume: str, contents: dict[str, str], pull: Any
) -> None:
    output = pull(_daemon(options), volume, contents)
    assert "the certificate was refused" in output
    assert "Downloaded" not in output
