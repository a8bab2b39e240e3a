"""No options that injection accepts have the daemon believe an impostor of Docker Hub: seen on the newest Docker."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from app.injection import Outcome, inject
from app.settings import InjectionSettings, make_policy

HERE = Path(__file__).parent
# Nobody listens there: Docker Hub is asked when a mirror does not answer.
MIRROR = "192.0.2.2:5000"
MIRRORED = {"dind.io/registry-mirrors": f"http://{MIRROR}"}
TRUSTED = {"dind.io/insecure-registries": MIRROR}
POLICY = make_policy(InjectionSettings.model_validate({"allowed_options": ["registry-mirrors", "insecure-registries"]}))


def pod(annotations: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"annotations": {"dind.io/inject": "sidecar", **annotations}},
        "spec": {"containers": [{"name": "build", "image": "docker:cli"}]},
    }


def registry_flags(annotations: dict[str, str]) -> list[str]:
    """Return what the daemon of a pod is told of registries."""
    decision = inject(pod(annotations), None, POLICY)
    assert decision.outcome is Outcome.INJECTED, decision.message
    values = [operation["value"] for operation in decision.operations if operation["path"].startswith("/spec/initCont")]
    (daemon,) = [value[0] if isinstance(value, list) else value for value in values]
    return [flag for flag in daemon["args"] if "registry" in flag]


@pytest.fixture(scope="session")
def dockerd() -> str:
    built = subprocess.run([HERE / "build-dockerd.sh"], stdout=subprocess.PIPE, text=True, check=True)
    return built.stdout.strip()


@pytest.fixture
def pull(dockerd: str, tmp_path: Path) -> Any:
    """Pull an image with a daemon that has these flags; return what it says."""
    certificate = trustme.CA().issue_cert("registry-1.docker.io")
    files = [tmp_path / "certificate", tmp_path / "key"]
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]

    def run(flags: list[str]) -> str:
        folder = tmp_path / "daemon"
        folder.mkdir()
        command = [*namespaces, sys.executable, HERE / "pull_from_impostor.py", *files, folder, dockerd, *flags]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout

    return run


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        MIRRORED,
        TRUSTED,
        MIRRORED | {"dind.io/insecure-registries": "other.test:5000"},
        MIRRORED | {"dind.io/insecure-registries": "198.51.100.0/24"},
    ],
)
def test_the_daemon_refuses_an_impostor(annotations: dict[str, str], pull: Any) -> None:
    flags = registry_flags(annotations)
    assert len(flags) == len(annotations)
    said = pull(flags)
    assert "Downloaded" not in said
    assert "certificate" in said or MIRROR in said


def test_a_mirror_is_not_named_insecure_for_then_the_daemon_believes_an_impostor(pull: Any) -> None:
    decision = inject(pod(MIRRORED | TRUSTED), None, POLICY)
    assert decision.outcome is Outcome.DENIED
    assert "Docker Hub" in decision.message
    # Where this fails, Docker has changed, and the rule may go.
    assert "Downloaded" in pull(registry_flags(MIRRORED) + registry_flags(TRUSTED))
