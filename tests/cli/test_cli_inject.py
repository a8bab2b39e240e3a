"""`dind-webhook inject`: the streams it prints to, the forms of output, and exit codes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

Run = Callable[..., Any]
Write = Callable[..., Path]

JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: nightly
spec:
  template:
    metadata:
      annotations:
        dind.io/inject: daemonset
    spec:
      restartPolicy: Never
      containers:
        - name: build
          image: registry.example/ci/build:7
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n"
COLOUR = re.compile(r"\x1b\[\d+m")


def test_the_manifest_goes_to_standard_output_and_the_report_to_standard_error(run: Run, pod: Path) -> None:
    ran = run("inject", "-f", pod)
    assert ran.exit_code == 0
    assert [each["name"] for each in yaml.safe_load(ran.stdout)["spec"]["initContainers"]] == ["dind"]
    assert ran.stderr == "pod/ci: injected (sidecar)\n"


def test_a_dash_reads_standard_input(run: Run, pod: Path, text: str) -> None:
    assert run("inject", "-f", "-", stdin=text.encode()) == run("inject", "-f", pod)


def test_several_files_come_out_as_documents_in_their_order(run: Run, pod: Path, write: Write) -> None:
    job = write("---\n" + JOB, "job.yaml")
    ran = run("inject", "-f", pod, "-f", job, "-f", pod)
    documents = list(yaml.safe_load_all(ran.stdout))
    assert [document["kind"] for document in documents if document] == ["Pod", "Job", "Pod"]
    assert ran.stderr.splitlines() == [
        "pod/ci: injected (sidecar)",
        "job/nightly: injected (daemonset)",
        "pod/ci: injected (sidecar)",
    ]


def test_no_document_between_two_files_is_empty(run: Run, pod: Path, write: Write) -> None:
    job = write("---\n" + JOB, "job.yaml")
    assert None not in list(yaml.safe_load_all(run("inject", "-f", pod, "-f", job).stdout))


def test_the_patch_makes_of_the_manifest_what_is_printed_without_it(run: Run, pod: Path, text: str) -> None:
    operations = json.loads(run("inject", "-f", pod, "--patch").stdout)
    assert {operation["op"] for operation in operations} == {"add"}
    assert jsonpatch.apply_patch(yaml.safe_load(text), operations) == yaml.safe_load(run("inject", "-f", pod).stdout)


def test_the_patch_of_a_workload_is_for_the_workload(run: Run, write: Write) -> None:
    job = write(JOB)
    operations = json.loads(run("inject", "-f", job, "--patch").stdout)
    assert all(operation["path"].startswith("/spec/template/") for operation in operations)
    assert jsonpatch.apply_patch(yaml.safe_load(JOB), operations) == yaml.safe_load(run("inject", "-f", job).stdout)


def test_the_diff_of_an_injection_only_adds(run: Run, pod: Path) -> None:
    before, after, *lines = run("inject", "-f", pod, "--diff").stdout.splitlines()
    assert (before, after) == ("--- pod/ci as written", "+++ pod/ci injected")
    assert {line[:1] for line in lines} == {"@", " ", "+"}
    assert "+    - name: dind" in lines


@pytest.mark.parametrize("flag", ["--patch", "--diff"])
def test_there_is_no_patch_and_no_diff_of_a_pod_that_is_left_alone(
    run: Run, write: Write, text: str, flag: str
) -> None:
    ran = run("inject", "-f", write(text.replace("sidecar", "disabled")), flag)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "untouched (opted-out)" in ran.stderr


@pytest.mark.parametrize("flags", [[], ["--patch"]], ids=["manifest", "patch"])
def test_nothing_is_there_for_kubectl_when_one_pod_of_many_is_denied(
    run: Run, pod: Path, denied_pod: Path, flags: list[str]
) -> None:
    ran = run("inject", "-f", pod, "-f", denied_pod, *flags)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "pod/ci: denied (unknown-value): annotation dind.io/inject" in ran.stderr


def test_a_diff_is_shown_beside_a_denial_as_kubectl_cannot_apply_it(run: Run, pod: Path, denied_pod: Path) -> None:
    ran = run("inject", "-f", pod, "-f", denied_pod, "--diff")
    assert ran.exit_code == 1
    assert ran.stdout.startswith("--- pod/ci as written\n")


def test_a_namespace_label_is_the_default_of_the_pods(run: Run, write: Write, text: str) -> None:
    bare = write(text.replace("  annotations:\n    dind.io/inject: sidecar\n", ""))
    assert "untouched (not-requested)" in run("inject", "-f", bare).stderr
    assert "injected (sidecar)" in run("inject", "-f", bare, "--namespace-label", "sidecar").stderr
    assert "injected (daemonset)" in run("inject", "-f", bare, "--namespace-label=daemonset").stderr


@pytest.mark.parametrize("label", ["", "disabled", "true"])
def test_a_namespace_that_did_not_opt_in_keeps_its_pods_as_they_are(run: Run, pod: Path, text: str, label: str) -> None:
    ran = run("inject", "-f", pod, "--namespace-label", label)
    assert (ran.exit_code, ran.stdout) == (0, text)
    assert "untouched (namespace-not-opted-in)" in ran.stderr


def test_an_object_without_a_namespace_is_named_if_namespaces_have_settings(
    run: Run, pod: Path, tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("injection: {namespaces: [{names: [default], max: {cpu-limit: 2}}]}", "utf-8")
    warning = "no namespace in pod/ci: the settings of single namespaces do not count; set --namespace"
    assert warning in run("inject", "-f", pod, "--config", config).stderr
    assert "no namespace in" not in run("inject", "-f", pod, "--config", config, "-n", "default").stderr
    assert "no namespace in" not in run("inject", "-f", pod).stderr


def test_a_file_without_a_workload_is_printed_as_it_is(run: Run, write: Write) -> None:
    ran = run("inject", "-f", write(CONFIG_MAP))
    assert (ran.exit_code, ran.stdout) == (0, CONFIG_MAP)
    assert "no pod or workload" in ran.stderr


def test_a_file_without_a_workload_is_told_from_the_others(run: Run, pod: Path, write: Write) -> None:
    ran = run("inject", "-f", pod, "-f", write(CONFIG_MAP, "settings.yaml"))
    (line,) = [line for line in ran.stderr.splitlines() if "no pod or workload" in line]
    assert "settings.yaml" in line


@pytest.mark.parametrize("flags", [["--color=auto"], ["--color=never"], []], ids=["auto", "never", "unsaid"])
def test_a_pipe_gets_no_colours(run: Run, pod: Path, flags: list[str]) -> None:
    ran = run("inject", "-f", pod, "--diff", *flags)
    assert not COLOUR.search(ran.stdout + ran.stderr)


def test_colours_can_be_forced_and_change_nothing_else(run: Run, pod: Path, denied_pod: Path) -> None:
    plain = run("inject", "-f", pod, "-f", denied_pod, "--diff", "--color=never")
    ran = run("inject", "-f", pod, "-f", denied_pod, "--diff", "--color=always")
    assert "\x1b[32m+    - name: dind\x1b[0m\n" in ran.stdout
    assert "\x1b[36m@@" in ran.stdout
    assert ran.stderr.startswith("\x1b[32mpod/ci: injected (sidecar)\x1b[0m\n\x1b[31mpod/ci: denied")
    assert (COLOUR.sub("", ran.stdout), COLOUR.sub("", ran.stderr)) == plain[1:]


def test_a_manifest_is_never_coloured(run: Run, pod: Path) -> None:
    assert run("inject", "-f", pod, "--color=always").stdout == run("inject", "-f", pod).stdout


def test_warnings_stand_below_their_pod(run: Run, write: Write, text: str) -> None:
    ran = run(
        "inject", "-f", write(text + "      env:\n        - name: DOCKER_HOST\n          value: tcp://docker:2375\n")
    )
    assert ran.stderr == (
        "pod/ci: injected (sidecar)\n  warning: DOCKER_HOST has another value and is kept in: build\n"
    )


def test_json_comes_out_as_json(run: Run, pod: Path, text: str, write: Write) -> None:
    in_json = write(json.dumps(yaml.safe_load(text), indent=2) + "\n", "pod.json")
    assert json.loads(run("inject", "-f", in_json).stdout) == yaml.safe_load(run("inject", "-f", pod).stdout)
