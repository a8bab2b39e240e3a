"""`dind-webhook inject`: what goes where, in which form, and with which exit code."""

import json
import re

import jsonpatch
import pytest
import yaml
from samples import POD, written

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
COLOUR = re.compile(r"\x1b\[\d+m")


def test_the_manifest_goes_to_standard_output_and_the_report_to_standard_error(run, pod):
    ran = run("inject", "-f", pod)
    assert ran.exit_code == 0
    assert [each["name"] for each in yaml.safe_load(ran.stdout)["spec"]["initContainers"]] == ["dind"]
    assert ran.stderr == "pod/ci: injected (sidecar)\n"


def test_a_dash_reads_standard_input(run, pod):
    assert run("inject", "-f", "-", stdin=POD.encode()) == run("inject", "-f", pod)


def test_several_files_come_out_as_documents_in_their_order(run, pod, tmp_path):
    job = written(tmp_path / "job.yaml", "---\n" + JOB)
    ran = run("inject", "-f", pod, "-f", job, "-f", pod)
    documents = list(yaml.safe_load_all(ran.stdout))
    assert [document["kind"] for document in documents if document] == ["Pod", "Job", "Pod"]
    assert ran.stderr.splitlines() == [
        "pod/ci: injected (sidecar)",
        "job/nightly: injected (daemonset)",
        "pod/ci: injected (sidecar)",
    ]


def test_no_document_between_two_files_is_empty(run, pod, tmp_path):
    second = written(tmp_path / "second.yaml", "---\n" + POD)
    assert None not in list(yaml.safe_load_all(run("inject", "-f", pod, "-f", second).stdout))


def test_the_patch_makes_of_the_manifest_what_is_printed_without_it(run, pod):
    operations = json.loads(run("inject", "-f", pod, "--patch").stdout)
    assert {operation["op"] for operation in operations} == {"add"}
    assert jsonpatch.apply_patch(yaml.safe_load(POD), operations) == yaml.safe_load(run("inject", "-f", pod).stdout)


def test_the_patch_of_a_workload_is_for_the_workload(run, tmp_path):
    job = written(tmp_path / "job.yaml", JOB)
    operations = json.loads(run("inject", "-f", job, "--patch").stdout)
    assert all(operation["path"].startswith("/spec/template/") for operation in operations)
    assert jsonpatch.apply_patch(yaml.safe_load(JOB), operations) == yaml.safe_load(run("inject", "-f", job).stdout)


def test_the_diff_of_an_injection_only_adds(run, pod):
    header, minus, *lines = run("inject", "-f", pod, "--diff").stdout.splitlines()
    assert (header, minus) == ("--- pod/ci as written", "+++ pod/ci injected")
    assert {line[:1] for line in lines} == {"@", " ", "+"}
    assert "+    - name: dind" in lines


@pytest.mark.parametrize("flag", ["--patch", "--diff"])
def test_there_is_no_patch_and_no_diff_of_a_pod_that_is_left_alone(run, tmp_path, flag):
    alone = written(tmp_path / "pod.yaml", POD.replace("sidecar", "disabled"))
    ran = run("inject", "-f", alone, flag)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "untouched (opted-out)" in ran.stderr


@pytest.mark.parametrize("flags", [[], ["--patch"]], ids=["manifest", "patch"])
def test_nothing_is_there_for_kubectl_when_one_pod_of_many_is_denied(run, pod, denied_pod, flags):
    ran = run("inject", "-f", pod, "-f", denied_pod, *flags)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "pod/ci: denied (unknown-value): annotation dind.io/inject" in ran.stderr


def test_a_diff_is_shown_beside_a_denial_as_kubectl_cannot_apply_it(run, pod, denied_pod):
    ran = run("inject", "-f", pod, "-f", denied_pod, "--diff")
    assert ran.exit_code == 1
    assert ran.stdout.startswith("--- pod/ci as written\n")


def test_a_namespace_label_is_the_default_of_the_pods(run, tmp_path):
    bare = written(tmp_path / "pod.yaml", POD.replace("  annotations:\n    dind.io/inject: sidecar\n", ""))
    assert "untouched (not-requested)" in run("inject", "-f", bare).stderr
    assert "injected (sidecar)" in run("inject", "-f", bare, "--namespace-label", "sidecar").stderr
    assert "injected (daemonset)" in run("inject", "-f", bare, "--namespace-label=daemonset").stderr


@pytest.mark.parametrize("label", ["", "disabled", "true"])
def test_a_namespace_that_did_not_opt_in_keeps_its_pods_as_they_are(run, pod, label):
    ran = run("inject", "-f", pod, "--namespace-label", label)
    assert (ran.exit_code, ran.stdout) == (0, POD)
    assert "untouched (namespace-not-opted-in)" in ran.stderr


def test_a_file_without_a_workload_is_printed_as_it_is(run, tmp_path):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n"
    ran = run("inject", "-f", written(tmp_path / "map.yaml", text))
    assert (ran.exit_code, ran.stdout) == (0, text)
    assert "no pod or workload" in ran.stderr


@pytest.mark.parametrize("flags", [["--color=auto"], ["--color=never"], []], ids=["auto", "never", "unsaid"])
def test_a_pipe_gets_no_colours(run, pod, flags):
    ran = run("inject", "-f", pod, "--diff", *flags)
    assert not COLOUR.search(ran.stdout + ran.stderr)


def test_colours_can_be_forced_and_change_nothing_else(run, pod, denied_pod):
    plain = run("inject", "-f", pod, "-f", denied_pod, "--diff", "--color=never")
    ran = run("inject", "-f", pod, "-f", denied_pod, "--diff", "--color=always")
    assert "\x1b[32m+    - name: dind\x1b[0m\n" in ran.stdout
    assert "\x1b[36m@@" in ran.stdout
    assert ran.stderr.startswith("\x1b[32mpod/ci: injected (sidecar)\x1b[0m\n\x1b[31mpod/ci: denied")
    assert (COLOUR.sub("", ran.stdout), COLOUR.sub("", ran.stderr)) == plain[1:]


def test_a_manifest_is_never_coloured(run, pod):
    assert run("inject", "-f", pod, "--color=always").stdout == run("inject", "-f", pod).stdout


def test_warnings_stand_below_their_pod(run, tmp_path):
    text = POD + "      env:\n        - name: DOCKER_HOST\n          value: tcp://docker:2375\n"
    ran = run("inject", "-f", written(tmp_path / "pod.yaml", text))
    assert ran.stderr == (
        "pod/ci: injected (sidecar)\n  warning: DOCKER_HOST is set to something else and was kept in: build\n"
    )


def test_json_comes_out_as_json(run, tmp_path):
    text = json.dumps(yaml.safe_load(POD), indent=2) + "\n"
    printed = json.loads(run("inject", "-f", written(tmp_path / "pod.json", text)).stdout)
    assert printed == yaml.safe_load(run("inject", "-f", "-", stdin=POD.encode()).stdout)
