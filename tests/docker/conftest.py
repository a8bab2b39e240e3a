"""The newest dockerd that is published as a Go module, as in the images of tests/e2e."""

from pathlib import Path

import pytest
from cluster import docker, prerequisites, small_programs
from cluster.paths import Cache
from cluster.prerequisites import Tool


@pytest.fixture(scope="session")
def dockerd() -> str:
    """Return the path of dockerd. Build it if the cache does not have it."""
    prerequisites.check((Tool("runc", "runc"), Tool("unshare", "util-linux")), node=False)
    cache = Cache.of_user()
    with cache.lock("build"):
        docker.build(cache, cache.logs("docker") / "go.log", ["dockerd"])
    return str(docker.Programs(cache).path("dockerd"))


@pytest.fixture(scope="session")
def distribution() -> Path:
    """Return the path of Distribution's registry. Build it if the cache does not have it."""
    cache = Cache.of_user()
    with cache.lock("build"):
        small_programs.build(cache, cache.logs("docker") / "go.log", [small_programs.REGISTRY])
    return small_programs.REGISTRY.path(cache)
