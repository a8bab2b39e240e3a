"""The manifests of a golden volume, and the script that fills it, with a stand-in for the Docker client."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dind_webhook.errors import SettingsError
from dind_webhook.golden_volume import Contents, render_snapshot, render_volume
from dind_webhook.injection import DATA_ROOT, Outcome, Policy, decide_for_namespace, inject
from dind_webhook.model import JsonObject
from dind_webhook.settings import InjectionSettings, make_policy

_CONTENTS = Contents(("alpine:3.22", "ghcr.io/a/b:1"), ("https://git.example/a.git#main",))


def policy_of(**settings: Any) -> Policy:
    return make_policy(InjectionSettings.model_validate(settings))


def render(storage_class: str = "", **settings: Any) -> tuple[JsonObject, JsonObject]:
    claim, job = render_volume(policy_of(**settings), _CONTENTS, "golden", "ci", storage_class)
    return claim, job


def template_of(**settings: Any) -> JsonObject:
    template: JsonObject = render(**settings)[1]["spec"]["template"]
    return template


def test_the_claim_is_as_large_as_its_copies() -> None:
    claim, _ = render(defaults={"storage-size": "70Gi"})
    assert claim["metadata"] == {"name": "golden", "namespace": "ci"}
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "70Gi"}}}


@pytest.mark.parametrize(("own", "expected"), [("", "fast"), ("other", "other")])
def test_the_class_is_that_of_the_settings_unless_another_is_named(own: str, expected: str) -> None:
    assert render(own, defaults={"storage-class": "fast"})[0]["spec"]["storageClassName"] == expected


@pytest.mark.parametrize(
    "defaults",
    [
        {},
        {"storage-medium": "Memory"},
        {"storage-class": "fast"},
        {"storage-data-source": "pvc/old"},
        {"placement": "container"},
        {"isolation": "userns", "image": "docker:28-dind", "registry-mirrors": "ghcr.io=http://node:5000"},
    ],
)
def test_the_daemon_is_the_injected_one_with_its_storage_on_the_claim(defaults: dict[str, str]) -> None:
    spec = template_of(defaults=defaults)["spec"]
    pod = {"metadata": {"annotations": {"dind.io/inject": "sidecar"}}, "spec": {"containers": [{"name": "a"}]}}
    native = {**defaults, "placement": "native", "storage-medium": "Volume"}
    for name in ("storage-class", "storage-data-source"):
        native.pop(name, None)
    operations = inject(pod, None, policy_of(defaults=native)).operations
    (expected,) = (each["value"][0] for each in operations if each["path"] == "/spec/initContainers")
    assert spec["initContainers"] == [expected]
    (storage,) = (volume for volume in spec["volumes"] if volume["name"] == "dind-storage")
    assert storage == {"name": "dind-storage", "persistentVolumeClaim": {"claimName": "golden"}}


@pytest.mark.parametrize("label", ["enabled", "sidecar"])
def test_the_webhook_leaves_the_pod_as_it_is(label: str) -> None:
    decision = decide_for_namespace(template_of(), label, policy_of())
    assert (decision.outcome, decision.reason.slug) == (Outcome.UNTOUCHED, "opted-out")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"modes": ["daemonset"]}, "injection.modes has no sidecar: "),
        ({"storage": False}, "injection.storage is false: "),
        ({"defaults": {"storage-size": ""}}, "injection.defaults.storage-size is empty: "),
    ],
)
def test_settings_without_a_storage_to_copy_are_refused(settings: Any, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        render(**settings)


def test_the_snapshot_is_of_the_claim_of_that_name() -> None:
    snapshot = render_snapshot("golden", None, "fast")
    assert snapshot["metadata"] == {"name": "golden"}
    assert snapshot["spec"] == {
        "volumeSnapshotClassName": "fast",
        "source": {"persistentVolumeClaimName": "golden"},
    }


def fill(folder: Path, client: str, node_user: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the script of the Job with a stand-in for the Docker client, and with folders of the test."""
    (folder / "bin").mkdir()
    (folder / "bin/docker").write_text(f"#!/bin/sh\n{client}\n")
    (folder / "bin/docker").chmod(0o755)
    (folder / "uid_map").write_text(f"  0  {node_user}  65536\n")
    (folder / "storage/231072.231072").mkdir(parents=True)
    for name in ("engine-id", "231072.231072/engine-id", "image"):
        (folder / "storage" / name).touch()
    (container,) = template_of()["spec"]["containers"]
    shell, flag, script, *rest = container["command"]
    for original, ours in ((DATA_ROOT, "storage"), ("/proc/self/uid_map", "uid_map")):
        script = script.replace(original, str(folder / ours))
    return subprocess.run(
        [shell, flag, script, *rest, *container["args"]],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": f"{folder}/bin:{Path(shutil.which('sh') or '').parent}"},
    )


@pytest.mark.parametrize(("node_user", "made"), [(0, "none"), (131072, "userns")])
def test_the_script_pulls_builds_and_leaves_no_identity(tmp_path: Path, node_user: int, made: str) -> None:
    done = fill(tmp_path, 'echo "$@"', node_user)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "pull --quiet alpine:3.22",
        "pull --quiet ghcr.io/a/b:1",
        "build --quiet https://git.example/a.git#main",
    ]
    files = {str(path.relative_to(tmp_path / "storage")) for path in (tmp_path / "storage").rglob("*")}
    assert files == {"231072.231072", "golden", "image"}
    assert (tmp_path / "storage/golden").read_text() == f"{made}\n"


@pytest.mark.parametrize("failing", ["pull", "build"])
def test_a_failed_pull_or_build_fails_the_job(tmp_path: Path, failing: str) -> None:
    assert fill(tmp_path, f'[ "$1" != {failing} ]').returncode != 0
    assert not (tmp_path / "storage/golden").exists()
