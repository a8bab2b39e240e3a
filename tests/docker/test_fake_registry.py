"""Options that injection accepts must not make the newest Docker trust a fake Docker Hub."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from newest_dockerd import HERE, NAMESPACES
from pods import a_pod, injected_pod, permissive_policy

from dind_webhook.injection import Outcome, inject

# This port refuses connections: the daemon asks Docker Hub if the mirror does not respond.
MIRROR = "192.0.2.2:5000"
MIRRORED = {"registry-mirrors": f"http://{MIRROR}"}
TRUSTED = {"insecure-registries": MIRROR}
POLICY = permissive_policy()


def registry_flags(options: dict[str, str]) -> list[str]:
    """Return the registry flags of the daemon in a pod with these options."""
    (daemon,) = injected_pod(a_pod(options=options), POLICY)["spec"]["initContainers"]
    return [flag for flag in daemon["args"] if "registry" in flag]


@pytest.fixture
def pull(dockerd: str, tmp_path: Path) -> Any:
    """Return a function that pulls an image with a daemon with these flags, and returns the output."""
    certificate = trustme.CA().issue_cert("registry-1.docker.io")
    files = [tmp_path / "certificate", tmp_path / "key"]
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])

    def run(flags: list[str]) -> str:
        folder = tmp_path / "daemon"
        folder.mkdir()
        command = [*NAMESPACES, sys.executable, HERE / "pull_from_fake_registry.py", *files, folder, dockerd, *flags]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout

    return run


@pytest.mark.parametrize(
    "options",
    [
        {},
        MIRRORED,
        TRUSTED,
        MIRRORED | {"insecure-registries": "other.test:5000"},
        MIRRORED | {"insecure-registries": "198.51.100.0/24"},
    ],
)
def test_the_daemon_refuses_an_impostor(options: dict[str, str], pull: Any) -> None:
    flags = registry_flags(options)
    # Each option here is one flag, and insecure registries bring the two networks of loopback.
    assert len(flags) == len(options) + 2 * ("insecure-registries" in options)
    output = pull(flags)
    assert "Downloaded" not in output
    # With a mirror, the daemon reports the error of the mirror only.
    assert "the certificate was refused" in output


def test_a_mirror_is_not_named_insecure_for_then_the_daemon_believes_an_impostor(pull: Any) -> None:
    decision = inject(a_pod(options=MIRRORED | TRUSTED), None, POLICY)
    assert decision.outcome is Outcome.DENIED
    assert "Docker Hub" in decision.message
    # If this fails, Docker has changed, and the rule can be removed.
    assert "Downloaded" in pull(registry_flags(MIRRORED) + registry_flags(TRUSTED))
