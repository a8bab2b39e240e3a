"""The newest Docker uses the mirrors that the start script writes, and passes over mirrors that do not work."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from chart_cache import cache_commands
from newest_dockerd import HERE, NAMESPACES
from pods import a_pod, find_by_name, injected_pod, permissive_policy

# /etc of this machine has no directories for the mounts, and the script must see no cgroups. The namespaces end with
# the daemon.
_MOUNTS = """\
mount -t tmpfs overlay {overlay}
mkdir {overlay}/upper {overlay}/work
mount -t overlay -o lowerdir=/etc,upperdir={overlay}/upper,workdir={overlay}/work overlay /etc
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t tmpfs tmpfs /run
if [ -e {volume} ]; then mkdir -p /etc/docker; mount --bind -o ro {volume} /etc/docker; fi
exec env "$@"
"""
_ADDRESS = "192.0.2.2:5000"


@pytest.fixture
def pull(dockerd: str, tmp_path: Path) -> Any:
    """Return a function that pulls from two registries with a mirror of a kind, and returns what was seen."""
    authority = trustme.CA()
    certificate = authority.issue_cert("registry-1.docker.io", "ghcr.io")
    files = [tmp_path / "certificate", tmp_path / "key"]
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])
    ca = tmp_path / "ca"
    folders = [tmp_path / name for name in ("daemon", "overlay")]
    for folder in (ca, *folders):
        folder.mkdir()
    authority.cert_pem.write_to_path(ca / "ca.pem")

    def run(kind: str, mirrors: str, volume: dict[str, str] | None = None) -> Any:
        daemon, overlay = folders
        options = {"registry-mirrors": mirrors}
        spec = injected_pod(a_pod(options=options), permissive_policy())["spec"]
        container = find_by_name(spec["initContainers"], "dind")
        variables = [f"{each['name']}={each['value']}" for each in container["env"] if "value" in each]
        flags = [flag for flag in container["args"] if "registry" in flag]
        for path, text in (volume or {}).items():
            (tmp_path / "volume" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "volume" / path).write_text(text)
        mounts = _MOUNTS.format(overlay=overlay, volume=tmp_path / "volume")
        puller = [sys.executable, HERE / "pull_through_mirrors.py", *files, daemon, kind]
        command = [*NAMESPACES, "sh", "-euc", mounts, "sh", *variables, f"SSL_CERT_DIR={ca}", "DIND_NODE_IP=192.0.2.2"]
        started = [*command, *puller, *container["command"], dockerd, *flags]
        done = subprocess.run(started, capture_output=True, text=True, check=True, timeout=200)
        return {**json.loads(done.stdout), "log": done.stderr}

    return run


@pytest.mark.parametrize("mirrors", [f"http://{_ADDRESS},ghcr.io=node:5000", f"*=http://{_ADDRESS}"])
@pytest.mark.parametrize("volume", [None, {"certs.d/other.example/ca.crt": "", "daemon.json": "{}"}])
def test_every_image_comes_from_the_mirror(mirrors: str, volume: dict[str, str] | None, pull: Any) -> None:
    seen = pull("good", mirrors, volume)
    assert all("Downloaded" in output for output in seen["outputs"]), seen
    assert seen["upstream"] == {}
    assert seen["mirror"]["blobs"] > 0


def test_a_registry_without_a_mirror_is_asked_itself(pull: Any) -> None:
    seen = pull("good", f"*=http://{_ADDRESS},ghcr.io=none")
    assert all("Downloaded" in output for output in seen["outputs"]), seen
    assert seen["upstream"]["others"] > 0
    assert seen["mirror"]["others"] > 0


# What the log says of each kind of mirror. dockerd itself says what is wrong with a certificate.
_FAULTS = {
    "down": "does not answer: ",
    "silent": "does not answer: ",
    "page": "answers 200, but not as a registry: ",
    "404": "answers 404: ",
    "429": "answers 429: ",
    "500": "answers 500: ",
}


@pytest.mark.parametrize("kind", [*_FAULTS, "bad certificate"])
def test_without_a_working_mirror_images_come_from_their_registries_in_time(kind: str, pull: Any) -> None:
    scheme = "https" if kind == "bad certificate" else "http"
    url = f"{scheme}://{_ADDRESS}"
    seen = pull(kind, f"{url},ghcr.io={url}")
    assert all("Downloaded" in output for output in seen["outputs"]), seen
    assert seen["upstream"]["blobs"] > 0
    assert seen["seconds"] < 10
    lines = [line for line in seen["log"].splitlines() if line.startswith("the mirror of ")]
    if kind in _FAULTS:
        for registry in ("docker.io", "ghcr.io"):
            (line,) = [line for line in lines if line.startswith(f"the mirror of {registry}, {url}, ")]
            assert _FAULTS[kind] in line
    else:
        assert not lines
        assert re.search(rf"trying next host.*failed to verify certificate.*{_ADDRESS}", seen["log"])


_FULL_CACHE = """\
mount -t tmpfs -o size=3m tmpfs {images}
head -c {filled} /dev/zero > {images}/others || true
{registry} &
{coalesce} &
"""


@pytest.mark.parametrize("filled", [1, 1 << 21, 1 << 22], ids=["room", "too little room", "none"])
def test_a_cache_whose_volume_is_full_stops_no_pull(filled: int, pull: Any, distribution: Path, tmp_path: Path) -> None:
    """The layer has 2 MiB. With too little room for it, the cache fails in its middle."""
    folder = tmp_path / "cache"
    (folder / "images").mkdir(parents=True)
    commands = cache_commands(distribution, "https://registry-1.docker.io", folder, (5000, 5002, 5001))
    registry, coalesce = (shlex.join(map(str, command)) for command in commands)
    script = tmp_path / "cache.sh"
    script.write_text(_FULL_CACHE.format(images=folder / "images", filled=filled, registry=registry, coalesce=coalesce))
    seen = pull(str(script), f"http://{_ADDRESS},ghcr.io=none")
    assert all("Downloaded" in output for output in seen["outputs"]), seen
    assert seen["seconds"] < 10
    assert ("no space left on device" in seen["log"]) is (filled > 1)
