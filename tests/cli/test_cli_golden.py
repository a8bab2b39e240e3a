"""`dind-webhook golden`: the manifests, and flags and settings from which no golden volume can be made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., Any]
Write = Callable[..., Path]


def test_the_manifests_are_for_kubectl(run: Run) -> None:
    flags = ("golden", "--image", "alpine:3.22", "--storage-class", "fast", "--name", "warm", "-n", "ci")
    ran = run(*flags)
    assert (ran.exit_code, ran.stderr) == (0, "")
    claim, job = yaml.safe_load_all(ran.stdout)
    assert (claim["kind"], claim["spec"]["storageClassName"]) == ("PersistentVolumeClaim", "fast")
    assert job["kind"] == "Job"
    assert claim["metadata"] == job["metadata"] == {"name": "warm", "namespace": "ci"}
    assert json.loads(run(*flags, "-o", "json").stdout)["items"] == [claim, job]


def test_the_snapshot_is_printed_alone(run: Run) -> None:
    """With the Job, it would be taken before there is an image."""
    (snapshot,) = yaml.safe_load_all(run("golden", "--snapshot-class", "fast").stdout)
    assert (snapshot["kind"], snapshot["metadata"]) == ("VolumeSnapshot", {"name": "docker-golden"})


def test_the_settings_of_the_namespace_count(run: Run, write: Write) -> None:
    text = "injection: {namespaces: [{names: [ci], defaults: {storage-size: 70Gi}}]}\n"
    config = write(text, "settings.yaml")
    sizes = [
        next(yaml.safe_load_all(run("golden", "--image", "a", "--config", config, *namespace).stdout))["spec"]
        for namespace in ((), ("-n", "ci"))
    ]
    assert [size["resources"]["requests"]["storage"] for size in sizes] == ["20Gi", "70Gi"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "the volume would be empty"),
        (["--image", "Alpine"], "'Alpine' is not an image reference such as"),
        (["--image", "ab" * 32], "is the ID of an image, which cannot be pulled; write its name"),
        (["--image", "-q"], "'-q' is not an image reference such as"),
        (["--build", "/src"], "'/src' is not the URL of a Git repository or of an archive"),
        (["--build", "--help"], "'--help' is not the URL of a Git repository or of an archive"),
        (["--build", "https://ci:s3cret@git.example/a.git"], "the URL has a name or password, which everybody"),
        (["--image", "a", "--storage-class", "Fast"], "'Fast' is not a valid name"),
        (["--snapshot-class", "Fast"], "'Fast' is not a valid name"),
        (["--snapshot-class", "fast", "--image", "a"], "cannot be combined with --image and --build"),
        (["--image", "a", "--name", "A"], "'A' is not a valid name"),
    ],
)
def test_flags_that_cannot_be_used_are_named(run: Run, flags: list[str], says: str) -> None:
    ran = run("golden", *flags)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert says in " ".join(ran.stderr.replace("│", " ").split())
    assert "s3cret" not in ran.stderr


def test_settings_that_cannot_be_used_are_named(run: Run, write: Write) -> None:
    ran = run("golden", "--image", "a", "--config", write("injection: {storage: false}\n", "settings.yaml"))
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: injection.storage is false: no pod has a volume at /var/lib/docker")
