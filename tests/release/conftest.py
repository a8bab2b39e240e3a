"""A release that is made once for all tests, and a registry on this machine to which it is published."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from made_release import PREBUILT_DIST, Release, make


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of an empty registry without TLS. Debian's package docker-registry has the program."""
    if PREBUILT_DIST:
        address = (PREBUILT_DIST / "image.txt").read_text().partition("/")[0]
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("registry")
    storage = {"filesystem": {"rootdirectory": str(folder / "storage")}}
    config = folder / "config.json"
    config.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": address}}))
    program = shutil.which("docker-registry")
    assert program, "install Debian's package docker-registry"
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([program, "serve", config], stdout=log, stderr=log) as process,
    ):
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(address.partition(":")[2]))) == 0:
                    break
            time.sleep(0.1)
        try:
            yield address
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Release:
    dist = PREBUILT_DIST or tmp_path_factory.mktemp("release") / "dist"
    if not PREBUILT_DIST:
        make(dist, registry)
    return Release(dist, registry)
