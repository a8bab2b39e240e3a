"""`dind-webhook migrate` on files and on a cluster: forms of output, files that are rewritten, flags, exit codes."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml
from fake_api import Answer, Answers, Refusal, api_server, forbidden

from dind_webhook.cli import migrate_live

Run = Callable[..., Any]
Write = Callable[..., Path]

APPS, BATCH, CORE = "/apis/apps/v1", "/apis/batch/v1", "/api/v1"
RUNNER = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: runner
spec:
  template:
    spec:
      containers:
        - name: build # kept
          image: registry.example/build:1
          volumeMounts:
            # of the node
            - name: docker
              mountPath: /var/run/docker.sock
            - name: work
              mountPath: /work
      volumes:
        - name: docker
          hostPath:
            path: /var/run/docker.sock
        - name: work
          emptyDir: {}
"""
REWRITTEN = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: runner
spec:
  template:
    spec:
      containers:
        - name: build # kept
          image: registry.example/build:1
          volumeMounts:
            - name: work
              mountPath: /work
      volumes:
        - name: work
          emptyDir: {}
    metadata:
      annotations:
        dind.io/inject: sidecar
"""
ROLLOUT = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: release\n"
PERSON = RUNNER.replace("            path: /var/run/docker.sock", "            path: /var/run").replace(
    "runner", "other"
)


def findings(ran: Any) -> dict[str, Any]:
    return {f"{each['kind']}/{each['name']}": each for each in json.loads(ran.stdout)["findings"]}


def test_the_settings_of_the_namespace_decide_what_converts(run: Run, write: Write) -> None:
    config = write("injection: {namespaces: [{names: [team-*], modes: [daemonset]}]}\n", "settings.yaml")
    path = write(RUNNER)
    ran = run("migrate", "-f", path, "--config", config, "-n", "team-a", "-o", "json")
    assert "switched off in this namespace" in findings(ran)["Deployment/runner"]["reason"]
    ran = run("migrate", "-f", path, "--config", config, "-n", "other", "-o", "json")
    assert findings(ran)["Deployment/runner"]["verdict"] == "converts"


def test_a_file_is_searched_and_left_as_it_is(run: Run, write: Write) -> None:
    path = write(RUNNER)
    ran = run("migrate", "-f", path)
    assert (ran.exit_code, ran.stderr) == (1, "")
    assert ran.stdout == (
        "converts\n"
        "  ! deployment/runner\n"
        f"      containers build; /var/run/docker.sock of the node (Docker); {path}\n"
        '      → removes volume "docker"; adds dind.io/inject: sidecar\n'
        "\n"
        "1 converts\n"
    )
    assert path.read_text("utf-8") == RUNNER


def test_standard_input_is_searched(run: Run) -> None:
    ran = run("migrate", "-f", "-", stdin=RUNNER.encode())
    assert ran.exit_code == 1
    assert "; standard input\n" in ran.stdout


def test_json_has_each_member(run: Run, write: Write) -> None:
    path = write(RUNNER + "---\n" + ROLLOUT)
    ran = run("migrate", "-f", path, "-o", "json", "-n", "ci")
    assert json.loads(ran.stdout) == {
        "findings": [
            {
                "kind": "Deployment",
                "namespace": "ci",
                "name": "runner",
                "owner": None,
                "containers": ["build"],
                "paths": ["/var/run/docker.sock"],
                "runtimes": ["Docker"],
                "daemon": None,
                "state": str(path),
                "verdict": "converts",
                "reason": 'removes volume "docker"; adds dind.io/inject: sidecar',
                "changed": False,
            }
        ],
        "unknown": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "release", "namespace": None}],
        "unreadable": [],
        "left": 1,
    }
    assert ran.stderr == "argoproj.io/v1alpha1 Rollout release: unknown kind, not changed\n"


@pytest.mark.parametrize(
    "line", ["  name: {{ .Values.name }}", "{{- if .Values.on }}", '{{ include "chart.labels" . }}', "a: {{ $name }}"]
)
def test_an_unrendered_helm_template_is_named_as_one(run: Run, tmp_path: Path, line: str) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(f"apiVersion: v1\nmetadata:\n{line}\nkind: Pod\n", "utf-8")
    advice = "; this looks like a Helm template: use `helm template ... | dind-webhook migrate -f -`"
    ran = run("migrate", "-f", path)
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"error: {path}: line ")
    assert ran.stderr.endswith(f"{advice}\n")
    ran = run("migrate", "-f", tmp_path)
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"not read: {path}: line ")
    assert ran.stderr.endswith(f"{advice}\n")


@pytest.mark.parametrize("line", ["a: {{ ansible_variable }}", "a: [", "a: {1: {2: 3}: 4}"])
def test_another_mistake_is_no_helm_template(run: Run, write: Write, line: str) -> None:
    ran = run("migrate", "-f", write(f"{line}\n"))
    assert ran.exit_code == 2
    assert "Helm" not in ran.stderr


def test_a_mistake_on_standard_input_keeps_its_message(run: Run) -> None:
    ran = run("migrate", "-f", "-", stdin=b"a: {{ .Values.a }}\n")
    assert ran.stderr == "error: standard input: line 1, column 5: a key must be text\n"


def test_the_diff_shows_the_change_alone(run: Run, write: Write) -> None:
    ran = run("migrate", "-f", write(RUNNER), "--diff")
    before, after, *lines = ran.stdout.splitlines()
    assert (before, after) == ("--- deployment/runner as written", "+++ deployment/runner migrated")
    assert [line for line in lines if line.startswith("+")] == [
        "+    metadata:",
        "+      annotations:",
        "+        dind.io/inject: sidecar",
    ]
    assert "-            # of the node" in lines
    assert ran.exit_code == 1


def test_write_rewrites_the_file_with_its_comments_once(run: Run, write: Write, tmp_path: Path) -> None:
    path = write(RUNNER)
    path.chmod(0o640)
    ran = run("migrate", "-f", path, "--write")
    assert ran.exit_code == 0
    assert "converted\n  ✓ deployment/runner\n" in ran.stdout
    assert path.read_text("utf-8") == REWRITTEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    again = run("migrate", "-f", path, "--write")
    assert (again.exit_code, again.stdout) == (0, "nothing to migrate\n")
    assert path.read_text("utf-8") == REWRITTEN
    assert list(tmp_path.iterdir()) == [path]


def test_write_leaves_what_needs_a_person_and_the_file_of_it(run: Run, write: Write) -> None:
    mixed, other = write(f"{RUNNER}---\n{PERSON}", "mixed.yaml"), write(PERSON, "other.yaml")
    ran = run("migrate", "-f", mixed, "-f", other, "--write", "-o", "json")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["left"] == 2
    assert mixed.read_text("utf-8") == f"{REWRITTEN}---\n{PERSON}"
    assert other.read_text("utf-8") == PERSON


def test_write_follows_a_link_and_keeps_it(run: Run, write: Write, tmp_path: Path) -> None:
    path, link = write(RUNNER), tmp_path / "link.yaml"
    link.symlink_to(path)
    assert run("migrate", "-f", link, "--write").exit_code == 0
    assert link.is_symlink()
    assert path.read_text("utf-8") == REWRITTEN


def test_a_file_that_cannot_be_written_stays_as_it_is(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write(RUNNER)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.copymode", refuse)
    ran = run("migrate", "-f", path, "--write")
    assert (ran.exit_code, ran.stderr) == (2, f"error: {path}: cannot be written: Permission denied\n")
    assert path.read_text("utf-8") == RUNNER
    assert list(tmp_path.iterdir()) == [path]


def test_comments_that_a_rewrite_loses_are_named(run: Run, write: Write) -> None:
    lost = RUNNER.replace("          image:", "          args: [ # lost\n            x]\n          image:")
    assert "deployment/runner: comments are lost: # lost\n" in run("migrate", "-f", write(lost)).stderr


def test_a_directory_is_searched_although_some_files_are_no_manifests(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    (folder / "more").mkdir(parents=True)
    for name, text in {
        "a.yaml": RUNNER,
        "list.yaml": "- op: add\n",
        "empty.yaml": "# nothing\n",
        "more/b.yml": PERSON,
    }.items():
        (folder / name).write_text(text, "utf-8")
    ran = run("migrate", "-R", "-f", folder)
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (1, "1 needs a person, 1 converts")
    assert ran.stderr == f"not read: {folder}/list.yaml: contains no Kubernetes object\n"
    assert run("migrate", "-f", folder).stdout.splitlines()[-1] == "1 converts"


def test_a_file_of_a_directory_that_cannot_be_read_ends_with_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{{ if .Values.x }}\na: 1\n{{ end }}\n", "utf-8")
    (tmp_path / "b.yaml").write_text(RUNNER, "utf-8")
    ran = run("migrate", "-f", tmp_path, "-o", "json")
    assert ran.exit_code == 2
    assert list(findings(ran)) == ["Deployment/runner"]
    (line,) = json.loads(ran.stdout)["unreadable"]
    assert ran.stderr == f"not read: {line}\n"
    assert "not YAML" in line


def test_a_file_by_itself_that_cannot_be_read_is_an_error(run: Run, write: Write) -> None:
    ran = run("migrate", "-f", write("a: [1\n"))
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: ")


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--strict"], 1)])
def test_an_unknown_kind_is_left_only_if_asked_for(run: Run, write: Write, flags: list[str], code: int) -> None:
    ran = run("migrate", "-f", write(ROLLOUT), *flags)
    assert (ran.exit_code, ran.stdout) == (code, "nothing to migrate\n")
    assert "unknown kind" in ran.stderr


def test_the_mode_is_what_pods_ask_for(run: Run, write: Write) -> None:
    settings = write("injection: {modes: [daemonset]}\n", "settings.yaml")
    path = write(RUNNER)
    assert run("migrate", "-f", path, "--mode", "daemonset", "--config", settings, "--write").exit_code == 0
    assert yaml.safe_load(path.read_text("utf-8"))["spec"]["template"]["metadata"] == {
        "annotations": {"dind.io/inject": "daemonset"}
    }


def test_what_strangers_wrote_is_printed_escaped(run: Run, write: Write) -> None:
    ran = run("migrate", "-f", write(RUNNER.replace("name: runner", 'name: "a\\e[2Jb"')))
    assert "\x1b" not in ran.stdout
    assert "deployment/a\\x1b[2Jb" in ran.stdout


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--diff", "--write", "-f", "x"], "--diff, --write and --apply exclude each other"),
        (["--diff", "-o", "json", "-f", "x"], "--diff excludes"),
        (["-o", "yaml", "-f", "x"], "'yaml' is none of table, json"),
        (["--mode", "both", "-f", "x"], "'both' is none of sidecar, daemonset"),
        (["--write"], "--recursive, --strict and --write are for --filename"),
        (["--strict"], "--recursive, --strict and --write are for --filename"),
        (["-A", "-n", "ci"], "--all-namespaces excludes --namespace"),
        (["-A", "-f", "x"], "are for a cluster"),
        (["--apply", "-f", "x"], "are for a cluster"),
        (["--context", "c", "-f", "x"], "are for a cluster"),
        (["--write", "-f", "-"], "--write cannot rewrite standard input"),
        (["-n", "CI", "-f", "x"], "is not a valid name of a namespace"),
    ],
)
def test_contradictory_flags_are_refused_with_a_sentence(run: Run, flags: list[str], sentence: str) -> None:
    ran = run("migrate", *flags)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert sentence in " ".join(ran.stderr.replace("│", " ").split())


# On a cluster

TEMPLATE = yaml.safe_load(RUNNER)["spec"]["template"]
RUNNERS = f"{APPS}/namespaces/ci/deployments/runner"


def meta(name: str, owner: tuple[str, str, str] | None = None, **more: Any) -> dict[str, Any]:
    references = [{"apiVersion": owner[0], "kind": owner[1], "name": owner[2], "controller": True}] if owner else []
    return {"metadata": {"name": name, "namespace": "ci", "ownerReferences": references, **more}}


def deployment(name: str = "runner", owner: tuple[str, str, str] | None = None) -> dict[str, Any]:
    spec = {"replicas": 2, "template": TEMPLATE}
    return {**meta(name, owner, generation=3), "spec": spec, "status": {"readyReplicas": 1}}


def pod(name: str, owner: tuple[str, str, str] | None = None, phase: str = "Running", waiting: str = "") -> Any:
    statuses = [{"name": "build", "state": {"waiting": {"reason": waiting}} if waiting else {"running": {}}}]
    status = {"phase": phase, "containerStatuses": statuses}
    return {**meta(name, owner), "spec": TEMPLATE["spec"], "status": status}


def cluster(scope: str = "namespaces/ci/", label: str = "enabled", **lists: list[Any]) -> Answers:
    """Return a cluster with these lists of objects, in a namespace with this label."""
    groups = {
        CORE: ("pods", "replicationcontrollers"),
        APPS: ("deployments", "statefulsets", "daemonsets", "replicasets"),
        BATCH: ("jobs", "cronjobs"),
    }
    kinds = [(group, kind) for group, members in groups.items() for kind in members]
    return {
        "/version": {"major": "1", "minor": "37"},
        f"{CORE}/namespaces/ci": {"metadata": {"name": "ci", "labels": {"dind.io/inject": label} if label else {}}},
        **{f"{group}/{scope}{kind}": lists.get(kind, []) for group, kind in kinds},
    }


@pytest.fixture
def live(run: Run, tmp_path: Path) -> Callable[..., Any]:
    """Return the function that runs the command on a cluster with these answers."""

    def live_(answers: Answers, *arguments: str, patch: Any = None) -> Any:
        with api_server(answers, tmp_path, patch=patch) as path:
            return run("migrate", *arguments, "--kubeconfig", path)

    return live_


Live = Callable[..., Any]
REPLICAS = ("apps/v1", "ReplicaSet", "runner-1")


def test_a_workload_is_reported_once_and_not_what_it_controls(live: Live) -> None:
    replicas = {**meta("runner-1", ("apps/v1", "Deployment", "runner")), "spec": {"template": TEMPLATE}}
    pods = [pod("runner-1-a", REPLICAS), pod("runner-1-b", REPLICAS, "Pending", "ContainerCreating")]
    ran = live(cluster(deployments=[deployment()], replicasets=[replicas], pods=pods), "-o", "json")
    assert (ran.exit_code, ran.stderr) == (1, "")
    (finding,) = findings(ran).values()
    assert (finding["kind"], finding["namespace"], finding["name"]) == ("Deployment", "ci", "runner")
    assert (finding["state"], finding["verdict"]) == ("ready 1/2, ContainerCreating", "converts")


def test_each_kind_of_workload_is_found_with_its_state(live: Live) -> None:
    spec = {"template": TEMPLATE}
    ran = live(
        cluster(
            statefulsets=[{**meta("a"), "spec": spec}],
            daemonsets=[{**meta("b"), "spec": spec, "status": {"numberReady": 1, "desiredNumberScheduled": 3}}],
            replicationcontrollers=[{**meta("c"), "spec": spec, "status": {"readyReplicas": 1}}],
            cronjobs=[{**meta("d"), "spec": {"suspend": True, "jobTemplate": {"spec": spec}}}],
            jobs=[
                {**meta("e"), "spec": spec, "status": {"active": 1}},
                {**meta("f"), "spec": spec, "status": {"conditions": [{"type": "Complete", "status": "True"}]}},
                {**meta("g", ("batch/v1", "CronJob", "d")), "spec": spec},
            ],
            pods=[pod("h"), pod("i", phase="Succeeded")],
        ),
        "-o",
        "json",
    )
    assert {name: (each["verdict"], each["state"]) for name, each in findings(ran).items()} == {
        "StatefulSet/a": ("converts", "ready 0/1"),
        "DaemonSet/b": ("is no build", "ready 1/3"),
        "ReplicationController/c": ("converts", "ready 1/1"),
        "CronJob/d": ("converts", "suspended"),
        "Job/e": ("needs a person", "active 1"),
        "Pod/h": ("needs a person", "running"),
    }
    assert "nobody can change the volumes of an existing Pod" in findings(ran)["Pod/h"]["reason"]


def test_pods_of_an_owner_of_another_kind_are_reported_as_their_owner(live: Live) -> None:
    owner = ("actions.example/v1", "Runner", "linux")
    ran = live(cluster(pods=[pod("linux-a", owner), pod("linux-b", owner)]), "-o", "json")
    (finding,) = findings(ran).values()
    assert (finding["kind"], finding["name"], finding["state"]) == ("Runner", "linux", "pod linux-a: running")
    assert finding["reason"] == "Runner/linux creates its pods, and its kind is not understood here; change it by hand"


def test_a_workload_that_another_kind_controls_is_reported_with_its_owner(live: Live) -> None:
    ran = live(cluster(deployments=[deployment(owner=("example/v1", "Runners", "all"))]))
    assert ran.exit_code == 1
    assert "; owner Runners/all; ready 1/2\n" in ran.stdout
    assert "→ Runners/all controls it and would undo a change" in ran.stdout


def test_all_namespaces_are_searched_with_the_flag(live: Live) -> None:
    assert "deployment/runner in namespace ci" in live(cluster("", deployments=[deployment()]), "-A").stdout


def test_a_cluster_with_nothing_ends_with_0(live: Live) -> None:
    ran = live(cluster())
    assert (ran.exit_code, ran.stdout) == (0, "nothing to migrate\n")


def test_an_api_server_without_a_kind_has_none_of_it(live: Live) -> None:
    answers = cluster(deployments=[deployment()])
    del answers[f"{BATCH}/namespaces/ci/cronjobs"]
    assert live(answers).exit_code == 1


def test_a_missing_right_is_named_with_the_manifest_that_grants_it(live: Live) -> None:
    answers = cluster()
    answers[f"{APPS}/namespaces/ci/daemonsets"] = forbidden("list", "daemonsets", "apps")
    ran = live(answers)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == (
        "error: you may not list daemonsets.apps\n"
        "hint: ask the cluster's administrators for the rights in deploy/rbac/migrate.yaml\n"
    )


def test_the_diff_of_a_cluster_shows_the_object_without_its_status(live: Live) -> None:
    ran = live(cluster(deployments=[deployment()]), "--diff")
    assert ran.stdout.startswith("--- deployment/runner in namespace ci as written\n")
    assert "+        dind.io/inject: sidecar" in ran.stdout
    assert "readyReplicas" not in ran.stdout


class _Store:
    """Stores a deployment, applies JSON patches to it, and refuses dry runs or patches with a message."""

    def __init__(self, refuses_dry_run: str = "", refuses: str = "") -> None:
        self.object = deployment()
        self.requests: list[bool] = []
        self._refusals = {True: refuses_dry_run, False: refuses}

    def patch(self, path: str, operations: list[dict[str, Any]], dry_run: bool) -> Answer:
        assert path == RUNNERS
        self.requests.append(dry_run)
        if message := self._refusals[dry_run]:
            return Refusal(422, message)
        patched = jsonpatch.apply_patch(self.object, operations)
        if not dry_run:
            self.object = patched
        return dict(patched)


def test_apply_patches_after_a_dry_run(live: Live) -> None:
    store = _Store()
    ran = live(cluster(deployments=[deployment()]), "--apply", patch=store.patch)
    assert ran.exit_code == 0
    assert "converted\n  ✓ deployment/runner in namespace ci\n" in ran.stdout
    assert store.requests == [True, False]
    assert store.object["spec"]["template"] == yaml.safe_load(REWRITTEN)["spec"]["template"]


def test_nothing_is_applied_if_the_dry_run_is_refused(live: Live) -> None:
    store = _Store(refuses_dry_run='admission webhook "policy.example" denied the request: no')
    ran = live(cluster(deployments=[deployment()]), "--apply", patch=store.patch)
    assert (ran.exit_code, store.requests) == (1, [True])
    assert '→ not applied: admission webhook "policy.example" denied the request: no\n' in ran.stdout
    assert store.object == deployment()


def test_a_change_by_somebody_else_makes_the_patch_fail(live: Live) -> None:
    store = _Store(refuses="the server rejected our request: testing path /metadata/generation failed")
    ran = live(cluster(deployments=[deployment()]), "--apply", patch=store.patch)
    assert (ran.exit_code, store.requests) == (1, [True, False])
    assert "→ not applied: the server rejected our request: testing path" in ran.stdout


@pytest.mark.parametrize("flags", [[], ["--apply"]])
def test_a_namespace_that_has_not_opted_in_comes_first(live: Live, flags: list[str]) -> None:
    ran = live(cluster(label="", deployments=[deployment()]), *flags)
    assert ran.exit_code == 1
    assert "namespace ci has not opted in; first run `kubectl label namespace ci dind.io/inject=enabled`" in ran.stdout
    assert ("not applied: " in ran.stdout) is bool(flags)


def test_nothing_is_applied_where_the_label_of_the_namespace_is_not_known(live: Live) -> None:
    answers = cluster(deployments=[deployment()])
    answers[f"{CORE}/namespaces/ci"] = forbidden("get", "namespaces")
    ran = live(answers, "--apply")
    assert ran.exit_code == 1
    assert "not applied: whether namespace ci has opted in is not known: you may not get namespaces" in ran.stdout


def test_apply_leaves_jobs_and_pods(live: Live) -> None:
    jobs = [{**meta("e"), "spec": {"template": TEMPLATE}}]
    ran = live(cluster(jobs=jobs, pods=[pod("h")]), "--apply")
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (1, "2 needs a person")


def test_the_rights_in_the_manifest_are_those_that_the_command_uses() -> None:
    from dind_webhook.diagnostics.collect.workloads import WORKLOADS
    from dind_webhook.diagnostics.resource_ref import collection_path

    root = Path(migrate_live.__file__).parents[2]
    role, *_ = yaml.safe_load_all((root / "deploy/rbac/migrate.yaml").read_text("utf-8"))
    granted = {
        (group, name): rule["verbs"]
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for name in rule["resources"]
    }
    versions = {**WORKLOADS, "Pod": "v1"}
    used = {
        (version.rpartition("/")[0], collection_path(kind, None).rpartition("/")[2]): ["get", "list"]
        for kind, version in versions.items()
    }
    assert granted == {**used, ("", "namespaces"): ["get"]}
