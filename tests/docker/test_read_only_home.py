"""The variables of a client with a read-only root file system let docker build work without a writable home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import docker
from cluster.paths import Cache
from newest_dockerd import HERE, NAMESPACES
from pods import a_container, a_pod, injected_pod, operator_policy


@pytest.fixture(scope="session")
def client() -> list[Path]:
    """Return the paths of the client and of buildx. Build them if the cache does not have them."""
    cache = Cache.of_user()
    names = ["docker", "docker-buildx"]
    with cache.lock("build"):
        docker.build(cache, cache.logs("docker") / "go.log", names)
    return [docker.Programs(cache).path(name) for name in names]


def _variables(folder: Path) -> dict[str, str]:
    """Return the variables that injection adds for buildx, with a directory in a folder."""
    pod = a_pod(containers=[a_container(securityContext={"readOnlyRootFilesystem": True})])
    env = injected_pod(pod, operator_policy())["spec"]["containers"][0]["env"]
    values = {each["name"]: each["value"] for each in env if each["name"] != "DOCKER_HOST"}
    return {name: value.replace("/.docker", str(folder)) for name, value in values.items()}


def _build(dockerd: str, client: list[Path], folder: Path, variables: dict[str, str]) -> str:
    command = [*NAMESPACES, sys.executable, HERE / "build_in_read_only_home.py", folder, *client, dockerd]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BUILD", "DOCKER"))}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=120, env={**environment, **variables}
    )
    return done.stdout


def test_an_image_is_built_from_a_registry_with_tokens(dockerd: str, client: list[Path], tmp_path: Path) -> None:
    output = _build(dockerd, client, tmp_path, _variables(tmp_path / "config"))
    assert output.endswith("status 0\n"), output


@pytest.mark.parametrize("missing", ["BUILDX_CONFIG", "BUILDKIT_NO_CLIENT_TOKEN"])
def test_no_variable_is_superfluous(missing: str, dockerd: str, client: list[Path], tmp_path: Path) -> None:
    variables = _variables(tmp_path / "config")
    del variables[missing]
    output = _build(dockerd, client, tmp_path, variables)
    assert f"mkdir {tmp_path}/home/.docker: read-only file system" in output
    assert output.endswith("status 1\n")
