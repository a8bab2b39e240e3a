"""The newest dockerd, built from Go modules."""

import subprocess

import pytest
from newest_dockerd import HERE


@pytest.fixture(scope="session")
def dockerd() -> str:
    """Return the path of dockerd."""
    built = subprocess.run([HERE / "build-dockerd.sh"], stdout=subprocess.PIPE, text=True, check=True)
    return built.stdout.strip()
