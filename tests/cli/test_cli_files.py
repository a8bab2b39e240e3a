"""`--filename` works as in kubectl: files, directories and standard input; and remarks about objects."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., Any]
Write = Callable[..., Path]

ROLLOUT = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: release\n  namespace: prod\n"
UNKNOWN = "argoproj.io/v1alpha1 Rollout release: unknown kind, not changed"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
    dind.io/inject: sidecar
    dind.io/containers: build
spec:
  template:
    metadata:
      annotations:
        dind.io/containers: build
    spec:
      containers:
        - name: build
"""

each_command = pytest.mark.parametrize("command", ["inject", "explain"])


@pytest.fixture
def directory(tmp_path: Path, text: str) -> Path:
    """Return a directory with three manifests, a file that is none, and a manifest in a subdirectory."""
    folder = tmp_path / "manifests"
    (folder / "more").mkdir(parents=True)
    for name in ("b.yaml", "a.yml", "c.json", "notes.txt", "more/d.yaml"):
        written = text.replace("name: ci", f"name: {Path(name).stem}")
        (folder / name).write_text(json.dumps(yaml.safe_load(written)) if name.endswith("json") else written, "utf-8")
    return folder


def names(stderr: str) -> list[str]:
    return [line.partition(":")[0] for line in stderr.splitlines()]


def test_a_directory_stands_for_its_manifests_in_the_order_of_their_names(run: Run, directory: Path) -> None:
    assert names(run("inject", "-f", directory).stderr) == ["pod/a", "pod/b", "pod/c"]


@pytest.mark.parametrize("flag", ["-R", "--recursive"])
def test_subdirectories_are_read_when_asked_for(run: Run, directory: Path, flag: str) -> None:
    assert names(run("inject", flag, "-f", directory).stderr) == ["pod/a", "pod/b", "pod/c", "pod/d"]


def test_explain_takes_directories_too(run: Run, directory: Path) -> None:
    ran = run("explain", "-R", "-f", directory)
    assert [line for line in ran.stdout.splitlines() if line.startswith("pod/")] == ["pod/a", "pod/b", "pod/c", "pod/d"]


@each_command
def test_a_directory_without_manifests_is_wrong_usage(run: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "notes.txt").touch()
    ran = run(command, "-f", tmp_path)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"error: {tmp_path}: no file in this directory ends in .json, .yaml, .yml\n"
        "hint: to read its subdirectories too, add --recursive\n"
    )


@each_command
def test_a_url_is_refused_with_the_command_that_reads_it(run: Run, command: str) -> None:
    ran = run(command, "-f", "https://example.com/pod.yaml")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == (
        "error: https://example.com/pod.yaml: URLs are not read\n"
        f"hint: pipe it in: curl -fsSL https://example.com/pod.yaml | dind-webhook {command} -f -\n"
    )


def test_a_namespace_is_that_of_objects_that_name_none_and_shown_in_names(run: Run, pod: Path, write: Write) -> None:
    own = write(pod.read_text("utf-8").replace("  name: ci\n", "  name: ci\n  namespace: own\n"), "own.yaml")
    ran = run("inject", "-n", "team", "-f", pod, "-f", own, "--diff")
    assert names(ran.stderr) == ["pod/ci in namespace team", "pod/ci in namespace own"]
    assert "--- pod/ci in namespace team as written\n" in ran.stdout
    assert run("inject", "-n", "team", "-f", pod).stdout == run("inject", "-f", pod).stdout


def test_explain_names_the_namespace_in_its_remedy(run: Run, pod: Path) -> None:
    ran = run("explain", "--namespace", "team", "-f", pod, "--namespace-label=")
    assert ran.stdout.startswith("pod/ci in namespace team\n")
    assert ran.stdout.endswith("to change that: kubectl label namespace team dind.io/inject=enabled --overwrite\n")


@each_command
def test_an_object_of_an_unknown_kind_is_named(run: Run, pod: Path, write: Write, command: str) -> None:
    ran = run(
        command,
        "-f",
        pod,
        "-f",
        write(f"kind: List\napiVersion: v1\nitems: [{{apiVersion: v1, kind: Service}}]\n---\n{ROLLOUT}", "r.yaml"),
    )
    assert ran.exit_code == 0
    assert UNKNOWN in ran.stderr.splitlines()
    assert ran.stderr.count("unknown kind") == 1


@each_command
def test_an_object_of_an_unknown_kind_makes_the_exit_code_1_with_strict(
    run: Run, pod: Path, write: Write, command: str
) -> None:
    assert run(command, "--strict", "-f", pod).exit_code == 0
    ran = run(command, "--strict", "-f", pod, "-f", write(ROLLOUT, "r.yaml"))
    assert ran.exit_code == 1
    assert UNKNOWN in ran.stderr
    # As after a denial, there is nothing for kubectl to apply.
    assert command == "explain" or ran.stdout == ""


def test_an_empty_file_in_a_directory_is_skipped(run: Run, directory: Path) -> None:
    (directory / "a0.yaml").write_text("# nothing yet\n")
    assert names(run("inject", "-f", directory).stderr) == ["pod/a", "pod/b", "pod/c"]


def test_a_directory_of_empty_files_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("---\n# nothing\n")
    ran = run("inject", "-f", tmp_path)
    assert (ran.exit_code, ran.stderr) == (2, f"error: {tmp_path}: all manifests in this directory are empty\n")


@pytest.mark.parametrize(
    "version", ["v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1", "policy/v1"]
)
def test_kinds_of_kubernetes_without_pods_are_known(run: Run, write: Write, version: str) -> None:
    assert "unknown kind" not in run("inject", "-f", write(f"apiVersion: {version}\nkind: Thing\n")).stderr


def test_a_kind_of_others_with_a_pod_template_that_is_found_is_known(run: Run, write: Write) -> None:
    other = write(DEPLOYMENT.replace("apps/v1", "apps.example.com/v1"))
    assert "unknown kind" not in run("inject", "-f", other).stderr


@each_command
def test_an_annotation_one_level_too_high_is_named_with_the_place_where_it_belongs(
    run: Run, write: Write, command: str
) -> None:
    ran = run(command, "-f", write(DEPLOYMENT))
    note = (
        "annotation dind.io/inject is on the deployment, not on its pod template, and has no effect; "
        "move it to spec.template.metadata.annotations\n"
    )
    assert (f"  note: {note}" in ran.stderr) if command == "inject" else (f"     {note}" in ran.stdout)
    # dind.io/containers is on the pod template too, so there is no note about it.
    assert "annotation dind.io/containers is on" not in ran.stdout + ran.stderr
    assert ran.exit_code == 0


@pytest.mark.parametrize(
    ("manifest", "named"),
    [
        ("apiVersion: apps/v1\nkind: Deploymnet\nmetadata: {name: web}\n", "apps/v1 Deploymnet web"),
        ("kind: Service\nmetadata: {name: web}\n", "(no apiVersion) Service web"),
        ("apiVersion: v1\nmetadata: {name: web}\n", "v1 (no kind) web"),
    ],
)
@each_command
def test_an_object_that_may_be_a_misspelled_workload_is_named(
    run: Run, write: Write, manifest: str, named: str, command: str
) -> None:
    ran = run(command, "--strict", "-f", write(manifest))
    assert f"{named}: unknown kind, not changed" in ran.stderr.splitlines()
    assert ran.exit_code == 1


CRON_JOB = """\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
spec:
  schedule: "@daily"
  jobTemplate:
    metadata:
      annotations:
        dind.io/inject: sidecar
    spec:
      template:
        spec:
          containers:
            - name: build
              image: docker:cli
"""


@each_command
def test_an_annotation_between_a_cron_job_and_its_pods_is_named(run: Run, write: Write, command: str) -> None:
    ran = run(command, "-f", write(CRON_JOB))
    target = "spec.jobTemplate.spec.template.metadata.annotations"
    assert f"move it to {target}\n" in ran.stdout + ran.stderr
    # The note above is the only remedy.
    assert "to change that" not in ran.stdout


def test_a_label_one_level_too_high_is_named(run: Run, write: Write) -> None:
    labelled = CRON_JOB.replace("annotations:", "labels:")
    note = "label dind.io/inject is on the cronjob, not on its pod template, and has no effect; move it to "
    assert f"{note}spec.jobTemplate.spec.template.metadata.labels\n" in run("explain", "-f", write(labelled)).stdout


def test_inject_prints_json_of_one_object_as_that_object(run: Run, pod: Path) -> None:
    printed = run("inject", "-f", pod, "-o", "json").stdout
    assert json.loads(printed) == yaml.safe_load(run("inject", "-f", pod).stdout)
    assert printed.startswith('{\n    "apiVersion": "v1",\n')


def test_inject_prints_json_of_several_objects_as_a_list(run: Run, pod: Path, write: Write) -> None:
    nested = write(f"apiVersion: v1\nkind: List\nitems: [{{apiVersion: v1, kind: Service}}]\n---\n{ROLLOUT}", "r.yaml")
    tree = json.loads(run("inject", "-f", pod, "-f", nested, "--output", "json").stdout)
    assert (tree["apiVersion"], tree["kind"]) == ("v1", "List")
    assert [each["kind"] for each in tree["items"]] == ["Pod", "Service", "Rollout"]


def test_inject_prints_json_as_yaml(run: Run, pod: Path, text: str, write: Write) -> None:
    in_json = write(json.dumps({**yaml.safe_load(text), "data": {"on": "yes"}}), "pod.json")
    printed = run("inject", "-f", in_json, "-f", pod, "-o", "yaml").stdout
    assert printed.startswith("apiVersion: v1\nkind: Pod\nmetadata:\n  name: ci\n")
    assert "\n  'on': 'yes'\n" in printed
    assert [each["kind"] for each in yaml.safe_load_all(printed)] == ["Pod", "Pod"]


def test_inject_prints_yaml_as_it_is(run: Run, write: Write, text: str) -> None:
    commented = write(f"# mine\n{text}")
    assert run("inject", "-f", commented, "-o", "yaml") == run("inject", "-f", commented)


@pytest.mark.parametrize("other", ["--patch", "--diff"])
def test_forms_of_output_exclude_each_other(run: Run, pod: Path, other: str) -> None:
    ran = run("inject", "-f", pod, "-o", "json", other)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "exclude each other" in ran.stderr


@pytest.mark.parametrize("arguments", [("inject", "-o", "xml"), ("inject", "-o", "diff"), ("explain", "-o", "table")])
def test_an_output_format_that_does_not_exist_is_wrong_usage(run: Run, pod: Path, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments, "-f", pod)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "is none of" in ran.stderr


def test_explain_prints_a_tree_of_documented_members(run: Run, pod: Path, denied_pod: Path, write: Write) -> None:
    rollout = write(ROLLOUT, "r.yaml")
    ran = run("explain", "-f", pod, "-f", denied_pod, "-f", rollout, "-n", "team", "-o", "json")
    assert ran.exit_code == 1
    tree = json.loads(ran.stdout)
    injected, denied = tree["pods"]
    assert list(injected) == [
        "name", "namespace", "outcome", "mode", "isolation", "reason", "message", "rules", "warnings", "notes", "remedy"
    ]  # fmt: skip
    assert (injected["name"], injected["namespace"], injected["outcome"]) == ("pod/ci", "team", "injected")
    assert (injected["mode"], injected["reason"], injected["remedy"]) == ("sidecar", "injected", None)
    assert {rule["state"] for rule in injected["rules"]} == {"passed", "not checked here"}
    assert (denied["outcome"], denied["reason"]) == ("denied", "unknown-value")
    assert "sidcar" in denied["message"]
    assert [rule["state"] for rule in denied["rules"]].count("stopped") == 1
    assert tree["unknown"] == [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "release", "namespace": "prod"}
    ]


def test_the_page_documents_every_member_of_the_tree(run: Run, pod: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
    tree = json.loads(run("explain", "-f", pod, "-o", "json").stdout)
    members = [*tree, *tree["pods"][0], *tree["pods"][0]["rules"][0]]
    assert [member for member in members if f"`{member}`" not in page] == []


def test_explain_prints_the_same_tree_as_yaml(run: Run, pod: Path) -> None:
    in_yaml, in_json = (run("explain", "-f", pod, "-o", form).stdout for form in ("yaml", "json"))
    assert yaml.safe_load(in_yaml) == json.loads(in_json)


@pytest.mark.parametrize("flag", ["--recursive", "--strict"])
def test_flags_for_files_are_refused_for_an_object_in_a_cluster(run: Run, flag: str) -> None:
    ran = run("explain", "pod/x", flag)
    assert ran.exit_code == 2
    assert "are for --filename" in ran.stderr
