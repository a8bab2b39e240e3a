"""`dind-webhook policy`: the manifests, the settings that cannot become policies, and API servers that are too old."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api import api_server

Run = Callable[..., Any]
Write = Callable[..., Path]


def test_the_manifests_are_for_kubectl(run: Run, write: Write) -> None:
    config = write("injection:\n  defaults:\n    memory-limit: 8Gi\n", "settings.yaml")
    ran = run("policy", "-f", config, "--name", "docker")
    assert (ran.exit_code, ran.stderr) == (0, "")
    objects = list(yaml.safe_load_all(ran.stdout))
    assert {each["apiVersion"] for each in objects} == {"admissionregistration.k8s.io/v1"}
    assert {each["metadata"]["name"] for each in objects if each["kind"] == "MutatingAdmissionPolicy"} == {
        "docker-sidecar",
        "docker-daemonset",
    }
    assert json.loads(run("policy", "-f", config, "--name", "docker", "-o", "json").stdout)["items"] == objects


CONFIG_MAP: dict[str, Any] = {
    "kind": "ConfigMap",
    "metadata": {"name": "ci-docker", "annotations": {"checksum/settings": "abc"}},
    "data": {"settings.yaml": "injection:\n  defaults:\n    mtu: 1400\n"},
}


def test_the_charts_config_map_gives_the_names_and_the_checksum(run: Run) -> None:
    ran = run("policy", "-f", "-", "-o", "json", stdin=f"---\n# Source: chart\n{json.dumps(CONFIG_MAP)}".encode())
    assert (ran.exit_code, ran.stderr) == (0, "")
    objects = json.loads(ran.stdout)["items"]
    assert {each["metadata"]["annotations"]["checksum/settings"] for each in objects} == {"abc"}
    assert all(each["metadata"]["name"].startswith("ci-docker-policy") for each in objects)
    assert "--mtu=1400" in ran.stdout


def test_a_config_map_without_settings_or_with_bad_ones_is_refused_as_a_file_is(run: Run) -> None:
    bad = {**CONFIG_MAP, "data": {"settings.yaml": "injection: {mods: []}"}}
    ran = run("policy", "-f", "-", stdin=json.dumps(bad).encode())
    assert ran.exit_code == 2
    assert "injection.mods: is not a setting (standard input)" in ran.stderr
    ran = run("policy", "-f", "-", stdin=json.dumps({**CONFIG_MAP, "data": {"other": ""}}).encode())
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "error: standard input: ConfigMap ci-docker has no key settings.yaml\n"


def test_a_name_overrides_that_of_the_config_map(run: Run) -> None:
    ran = run("policy", "-f", "-", "--name", "own", stdin=json.dumps(CONFIG_MAP).encode())
    assert "name: own-sidecar" in ran.stdout


def test_each_setting_that_cannot_become_a_policy_is_named(run: Run, write: Write) -> None:
    text = "injection:\n  replace_docker_variables: true\n  defaults:\n    containers: build\n"
    ran = run("policy", "--config", write(text, "settings.yaml"))
    assert (ran.exit_code, ran.stdout) == (2, "")
    first, second = ran.stderr.splitlines()
    assert first.startswith("error: injection.defaults.containers: cannot become a policy of the API server: ")
    assert second.startswith("error: injection.replace_docker_variables: cannot become a policy of the API server: ")


def test_files_for_an_api_server_are_written_and_named(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "dind"
    ran = run("policy", "--static", folder, "--name", "docker")
    assert (ran.exit_code, ran.stderr) == (0, "")
    names = ("mutating/dind-webhook.yaml", "validating/dind-webhook.yaml", "admission.yaml")
    written = [folder / name for name in names]
    assert ran.stdout.splitlines() == list(map(str, written))
    mutating, _, configuration = (list(yaml.safe_load_all(path.read_text("utf-8"))) for path in written)
    assert configuration[0]["plugins"][0]["configuration"]["staticManifestsDir"] == str(folder / "mutating")
    assert {each["kind"] for each in mutating} == {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}


def test_files_of_another_name_replace_those_of_an_earlier_one(run: Run, tmp_path: Path) -> None:
    # An API server reads all files of the directory.
    for name in ("first", "second"):
        assert run("policy", "--static", tmp_path, "--name", name).exit_code == 0
    (file,) = (tmp_path / "mutating").iterdir()
    assert {each["metadata"]["name"].partition("-")[0] for each in yaml.safe_load_all(file.read_text())} == {"second"}
    assert file.stat().st_mode & 0o777 == 0o644


def test_files_are_yaml(run: Run, tmp_path: Path) -> None:
    ran = run("policy", "--static", tmp_path / "dind", "--output", "json")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "error: --static writes YAML\nhint: leave out --output\n"
    assert not (tmp_path / "dind").exists()


def test_a_directory_that_cannot_be_written_is_named(run: Run, write: Write) -> None:
    file = write("", "file")
    ran = run("policy", "--static", file)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: {file}/mutating/dind-webhook.yaml: cannot be written: ")


def test_an_api_server_that_reads_no_files_is_named(run: Run, tmp_path: Path) -> None:
    with api_server({"/version": {"major": "1", "minor": "36"}}, tmp_path) as kubeconfig:
        ran = run("policy", "--static", tmp_path / "dind", "--kubeconfig", kubeconfig)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "version 1.36, and files with policies are in Kubernetes 1.37 and newer" in ran.stderr
    assert "hint: leave out --static\n" in ran.stderr
    assert not (tmp_path / "dind").exists()


@pytest.mark.parametrize(("minor", "exit_code"), [("35", 2), ("36", 0), ("37+", 0)])
def test_an_api_server_that_is_too_old_is_named(run: Run, tmp_path: Path, minor: str, exit_code: int) -> None:
    with api_server({"/version": {"major": "1", "minor": minor}}, tmp_path) as kubeconfig:
        ran = run("policy", "--kubeconfig", kubeconfig)
    assert ran.exit_code == exit_code
    if exit_code:
        assert ran.stdout == ""
        assert ran.stderr == (
            "error: the API server has version 1.35, and MutatingAdmissionPolicy is in Kubernetes 1.36 and newer\n"
            "hint: install the webhook instead\n"
        )


def test_a_name_that_no_object_can_have_is_refused(run: Run) -> None:
    ran = run("policy", "--name", "Docker!")
    assert ran.exit_code == 2
    assert "'Docker!' is not a valid name" in ran.stderr
