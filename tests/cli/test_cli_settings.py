"""Operator settings on the command line: their origins, and the messages about mistakes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Write = Callable[..., Path]

MISTAKES = """\
injection:
  container_name: Dind!
  wait_seconds: 0
  modus: x
  defaults:
    mtu: 12
  allowed_options: [mtuu]
server:
  port: 99999
"""


def test_a_file_of_settings_is_used(run: Run, pod: Path, write: Write) -> None:
    config = write("injection:\n  container_name: docker\n", "settings.yaml")
    assert "- name: docker\n" in run("inject", "--config", config, "-f", pod).stdout


def test_the_file_may_be_named_by_a_variable(
    run: Run, pod: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write("injection:\n  container_name: docker\n", "settings.yaml")
    monkeypatch.setenv("DIND_WEBHOOK_CONFIG", str(config))
    assert "- name: docker\n" in run("inject", "-f", pod).stdout


def test_a_variable_wins_over_the_file(run: Run, pod: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write("injection:\n  container_name: docker\n", "settings.yaml")
    monkeypatch.setenv("DIND_WEBHOOK_INJECTION__CONTAINER_NAME", "daemon")
    assert "- name: daemon\n" in run("inject", "--config", config, "-f", pod).stdout


def test_an_empty_file_changes_nothing(run: Run, pod: Path, write: Write) -> None:
    config = write("# nothing yet\n", "settings.yaml")
    assert run("inject", "--config", config, "-f", pod) == run("inject", "-f", pod)


def test_a_group_of_which_all_is_commented_out_changes_nothing(run: Run, pod: Path, write: Write) -> None:
    config = write("injection:\n  # modes: [sidecar]\n", "settings.yaml")
    assert run("inject", "--config", config, "-f", pod) == run("inject", "-f", pod)


@pytest.mark.parametrize("command", [["inject", "-f"], ["explain", "-f"], ["serve", "--dev"]], ids=lambda c: c[0])
def test_all_mistakes_are_said_at_once_each_with_place_and_origin(
    run: Run, pod: Path, write: Write, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    config = write(MISTAKES, "settings.yaml")
    monkeypatch.setenv("DIND_WEBHOOK_LOG__LEVEL", "loud")
    command = [*command, pod] if command[-1] == "-f" else command
    ran = run(*command, "--config", config)
    assert (ran.exit_code, ran.stdout) == (2, "")
    lines = ran.stderr.splitlines()
    places = {line.split(": ")[1]: line.rpartition(" (")[2] for line in lines}
    assert {line.split(": ")[0] for line in lines} == {"error"}
    assert places == {
        "injection.allowed_options.0": f"file {config})",
        "injection.defaults": f"file {config})",
        "injection.container_name": f"file {config})",
        "injection.wait_seconds": f"file {config})",
        "injection.modus": f"file {config})",
        "server.port": f"file {config})",
        "log.level": "variable DIND_WEBHOOK_LOG__LEVEL)",
    }


def test_one_mistake_among_the_defaults_does_not_hide_another(run: Run, pod: Path, write: Write) -> None:
    config = write("injection:\n  defaults:\n    mtu: 12\n    imag: x\n", "settings.yaml")
    ran = run("inject", "--config", config, "-f", pod)
    assert "imag" in ran.stderr
    assert "mtu" in ran.stderr


def test_an_unknown_group_is_said_with_its_origin_even_when_empty(run: Run, pod: Path, write: Write) -> None:
    config = write("lgo: {}\n", "settings.yaml")
    assert run("inject", "--config", config, "-f", pod).stderr == f"error: lgo: is not a setting (file {config})\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [\n", "is not YAML"),
        ("- a\n", "must be a map of settings"),
        ("apiVersion: v1\nkind: Pod\n", "apiVersion: is not a setting"),
    ],
    ids=["not-yaml", "a-list", "a-manifest"],
)
def test_a_file_that_holds_no_settings_is_named(run: Run, pod: Path, write: Write, text: str, says: str) -> None:
    config = write(text, "settings.yaml")
    ran = run("inject", "--config", config, "-f", pod)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert says in ran.stderr
    assert str(config) in ran.stderr


def test_a_missing_file_is_named(run: Run, pod: Path, tmp_path: Path) -> None:
    ran = run("inject", "--config", tmp_path / "nowhere.yaml", "-f", pod)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == f"error: file {tmp_path / 'nowhere.yaml'}: cannot be read: No such file or directory\n"


def test_a_variable_that_is_not_json_is_named(run: Run, pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIND_WEBHOOK_INJECTION__ALLOWED_OPTIONS", "[x")
    ran = run("inject", "-f", pod)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: variable DIND_WEBHOOK_INJECTION__ALLOWED_OPTIONS: is not JSON")


def test_variables_that_kubelet_sets_for_a_service_of_this_name_are_no_settings(
    run: Run, pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIND_WEBHOOK_PORT", "tcp://10.96.0.7:443")
    monkeypatch.setenv("DIND_WEBHOOK_SERVICE_HOST", "10.96.0.7")
    assert run("inject", "-f", pod).exit_code == 0


def test_mistakes_in_settings_come_before_those_in_manifests(run: Run, write: Write, tmp_path: Path) -> None:
    config = write("modes: []\n", "settings.yaml")
    ran = run("inject", "--config", config, "-f", tmp_path / "nowhere.yaml")
    assert "modes: is not a setting" in ran.stderr
    assert "nowhere.yaml" not in ran.stderr


def test_settings_are_printed_with_value_and_origin(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write("server: {port: 8443}\n", "settings.yaml")
    monkeypatch.setenv("DIND_WEBHOOK_LOG__FORMAT", "text")
    ran = run("settings", "--config", config)
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in ran.stdout.splitlines()}
    assert rows["SETTING"] == ["VALUE", "ORIGIN"]
    assert rows["server.port"] == ["8443", f"file {config}"]
    assert rows["log.format"] == ['"text"', "variable DIND_WEBHOOK_LOG__FORMAT"]
    assert rows["log.level"] == ['"info"', "default"]
    tree = json.loads(run("settings", "--config", config, "-o", "json").stdout)
    assert tree["server.port"] == {"value": 8443, "origin": f"file {config}"}
    assert tree.keys() == rows.keys() - {"SETTING"}


def test_settings_in_another_format_are_refused(run: Run) -> None:
    ran = run("settings", "-o", "xml")
    assert ran.exit_code == 2
    assert "'xml' is none of table, json" in ran.stderr


TENANTS = """\
injection:
  namespaces:
    - {names: [ci-*], modes: [daemonset], defaults: {mtu: 1450}}
"""


def test_the_settings_of_a_namespace_are_printed(run: Run, write: Write) -> None:
    config = write(TENANTS, "settings.yaml")
    ran = run("settings", "--config", config, "--namespace", "ci-a")
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in ran.stdout.splitlines()}
    assert rows["injection.modes"] == ['["daemonset"]', f"file {config}, entry ci-*"]
    assert rows["injection.defaults.mtu"] == ['"1450"', f"file {config}, entry ci-*"]
    assert rows["injection.defaults.group"] == ['"2375"', "default"]
    assert "server.port" not in rows
    tree = json.loads(run("settings", "--config", config, "-n", "other", "-o", "json").stdout)
    assert tree["injection.modes"] == {"value": ["daemonset", "sidecar"], "origin": "default"}


def test_a_name_that_no_namespace_can_have_is_refused(run: Run) -> None:
    ran = run("settings", "--namespace", "ci-*")
    assert ran.exit_code == 2
    assert "not a valid name of a namespace" in ran.stderr


POD_IN_NAMESPACE = """\
apiVersion: v1
kind: Pod
metadata: {name: ci, namespace: NAMESPACE, annotations: {dind.io/inject: sidecar}}
spec: {containers: [{name: build, image: build}]}
"""


@pytest.mark.parametrize("command", ["inject", "explain"])
@pytest.mark.parametrize(("namespace", "outcome"), [("ci-a", "mode-off"), ("other", "injected (")])
def test_the_namespace_of_an_object_chooses_its_settings(
    run: Run, write: Write, command: str, namespace: str, outcome: str
) -> None:
    config = write(TENANTS, "settings.yaml")
    manifest = write(POD_IN_NAMESPACE.replace("NAMESPACE", namespace), "pod.yaml")
    ran = run(command, "--config", config, "-f", manifest)
    assert outcome in ran.stdout + ran.stderr


@pytest.mark.parametrize("command", ["inject", "explain"])
def test_the_flag_chooses_the_settings_of_objects_without_a_namespace(
    run: Run, write: Write, pod: Path, command: str
) -> None:
    config = write(TENANTS, "settings.yaml")
    ran = run(command, "--config", config, "-f", pod, "-n", "ci-a")
    assert "switched off in this namespace (modes that are on: daemonset)" in ran.stdout + ran.stderr
    assert ran.exit_code == 1


def test_an_explanation_says_that_a_namespace_has_settings_of_its_own(run: Run, write: Write, pod: Path) -> None:
    config = write(TENANTS, "settings.yaml")
    line = f"  {'settings':<30} those of this namespace\n"
    assert line in run("explain", "--config", config, "-f", pod, "-n", "ci-a").stdout
    assert line not in run("explain", "--config", config, "-f", pod, "-n", "other").stdout
