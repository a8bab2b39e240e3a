"""TaskRuns and PipelineRuns of Tekton Pipelines, whose pods get Docker."""

from typing import Any

import leftovers
import pytest
import tekton
import yaml
from builds import BOTH_MODES, LONG
from cluster import local_node
from cluster.cluster import Cluster
from kube import Manifest, Namespace, Pod, until
from page_examples import examples
from workloads import DOCKER

API = "tekton.dev/v1"
SET = "#!/bin/sh\nset -eu\n"


@pytest.fixture(scope="module", autouse=True)
def _tekton(node: Cluster) -> None:
    tekton.install(node)


def task_run(*steps: Manifest, mode: str = "sidecar", options: Manifest | None = None, **spec: Any) -> Manifest:
    """Return a TaskRun with a workspace. `spec` has members of the task's spec."""
    annotations = {f"dind.io/{name}": text for name, text in {"inject": mode, **(options or {})}.items()}
    return {
        "apiVersion": API,
        "kind": "TaskRun",
        "metadata": {"name": "run", "annotations": annotations},
        "spec": {
            "taskSpec": {"workspaces": [{"name": "source"}], "steps": list(steps), **spec},
            "workspaces": [{"name": "source", "emptyDir": {}}],
        },
    }


def step(script: str, name: str = "build", **more: Any) -> Manifest:
    return {"name": name, "image": DOCKER, "workingDir": "/workspace/source", "script": script, **more}


def long_step(namespace: Namespace) -> Manifest:
    return step(f"{SET}export TAG={namespace.name}\n{LONG}")


class Run:
    """A TaskRun or PipelineRun in the cluster, whose pods run on the faster node."""

    def __init__(self, namespace: Namespace, manifest: Manifest) -> None:
        self.namespace = namespace
        self.kind = manifest["kind"]
        spec = manifest["spec"]
        place = spec if self.kind == "TaskRun" else spec.setdefault("taskRunTemplate", {})
        place["podTemplate"] = {**local_node.selection(), **place.get("podTemplate", {})}
        self.name = namespace.kube.make(manifest, namespace.name)["metadata"]["name"]

    @property
    def status(self) -> Manifest:
        found: Manifest = self.namespace.kube.get(self.kind, self.name, self.namespace.name, API).get("status") or {}
        return found

    @property
    def condition(self) -> Manifest:
        return next((dict(each) for each in self.status.get("conditions", [])), {})

    @property
    def pod(self) -> Pod:
        return self.namespace.pod(self.status["podName"])

    def describe(self) -> str:
        return "\n".join([yaml.safe_dump(self.status), *(pod.describe() for pod in self.namespace.pods())])

    def ends(self, reason: str) -> "Run":
        """Wait until the run has ended, for this reason."""
        until(
            f"{self.kind} {self.name} to end", lambda: self.condition.get("status") in {"True", "False"}, self.describe
        )
        assert self.condition["reason"] == reason, self.describe()
        return self

    def until_log_has(self, text: str) -> None:
        """Wait until the log of the step `build` has this text."""

        def has_text() -> bool:
            pods = [pod for pod in self.namespace.pods() if pod.status("step-build").get("started")]
            return bool(pods) and text in pods[0].log("step-build")

        until(f"{text!r} in the log", has_text, self.describe)

    def cancel(self) -> None:
        resource = self.namespace.kube.objects.resources.get(api_version=API, kind=self.kind)
        resource.patch(
            name=self.name,
            namespace=self.namespace.name,
            body={"spec": {"status": "TaskRunCancelled"}},
            content_type="application/merge-patch+json",
        )


def examples_of_page() -> list[Manifest]:
    """Return the manifests of Tekton in docs/ci.md."""
    return [yaml.safe_load(block) for block in examples("Tekton")]


def test_the_example_of_the_page_succeeds(ci: Namespace) -> None:
    (example,) = [each for each in examples_of_page() if each["kind"] == "TaskRun"]
    example["metadata"]["namespace"] = ci.name
    run = Run(ci, example).ends("Succeeded")
    assert "Dockerfile" in run.pod.log("step-build")


@pytest.mark.tried("build")
@BOTH_MODES
def test_a_task_builds_runs_and_composes(mode: str, ci: Namespace) -> None:
    build = f"""{SET}
docker pull --quiet busybox
printf 'FROM busybox\\nRUN echo built >/mark\\n' >Dockerfile
docker build --quiet --tag {ci.name} .
printf %s "$(docker run --rm {ci.name} cat /mark)" >$(results.mark.path)
"""
    compose = f"""{SET}
cat >compose.yaml <<'END'
services:
  web:
    image: {ci.name}
    command: [sh, -c, "while true; do echo served | nc -l -p 80; done"]
  client:
    image: {ci.name}
    command: [sh, -c, "until nc web 80 </dev/null; do sleep 0.2; done"]
    depends_on: [web]
END
docker compose --project-name {ci.name} up --detach
docker wait "$(docker compose --project-name {ci.name} ps --all --quiet client)"
docker compose --project-name {ci.name} logs --no-log-prefix client
docker compose --project-name {ci.name} down --timeout 1
docker image rm {ci.name}
"""
    steps = (step(build), step(compose, "compose"))
    run = Run(ci, task_run(*steps, mode=mode, results=[{"name": "mark"}])).ends("Succeeded")
    assert [result["value"] for result in run.status["results"]] == ["built"]
    assert "served" in run.pod.log("step-compose")
    run.pod.until(lambda: run.pod.phase == "Succeeded", "complete")
    leftovers.check_after_build(ci, mode)


@pytest.mark.tried("bind mount")
def test_files_of_the_workspace_are_seen_by_containers_of_all_steps(ci: Namespace) -> None:
    first = step(f'{SET}docker run --rm --volume "$PWD:/w" busybox sh -c "echo seen >/w/file"', "first")
    second = step(f'{SET}docker run --rm --volume "$PWD:/w" busybox cat /w/file', "second")
    assert "seen" in Run(ci, task_run(first, second)).ends("Succeeded").pod.log("step-second")


@BOTH_MODES
def test_a_step_that_is_not_root_and_has_no_home_builds(mode: str, ci: Namespace) -> None:
    script = f"{SET}printf 'FROM scratch\\nCOPY Dockerfile /\\n' >Dockerfile\ndocker build --quiet .\n"
    Run(ci, task_run(step(script, securityContext={"runAsUser": 1000}), mode=mode)).ends("Succeeded")


@pytest.mark.tried("failure")
def test_the_step_that_fails_is_the_cause(ci: Namespace) -> None:
    """The daemon ends with 0, although a container is left running: Tekton names init containers that fail first."""
    script = f"{SET}docker run --detach busybox sh -c 'trap : TERM; while true; do sleep 1; done'\nexit 7\n"
    run = Run(ci, task_run(step(script))).ends("StepFailed")
    assert '"step-build" exited with code 7' in run.condition["message"]
    run.pod.until(lambda: run.pod.phase == "Failed", "complete")
    assert run.pod.status("dind")["state"]["terminated"]["exitCode"] == 0


@pytest.mark.tried("cancellation")
@BOTH_MODES
def test_a_cancelled_run_leaves_only_what_the_page_says(mode: str, ci: Namespace, node: Cluster) -> None:
    run = Run(ci, task_run(long_step(ci), mode=mode))
    run.until_log_has("started")
    pods = leftovers.uids(ci)
    run.cancel()
    run.ends("TaskRunCancelled")
    leftovers.check_after_cancellation(node, ci, pods, mode)


@pytest.mark.tried("time-out")
@BOTH_MODES
def test_a_run_that_takes_too_long_leaves_only_what_the_page_says(mode: str, ci: Namespace, node: Cluster) -> None:
    manifest = task_run(long_step(ci), mode=mode)
    manifest["spec"]["timeout"] = "40s"
    run = Run(ci, manifest)
    run.until_log_has("started")
    pods = leftovers.uids(ci)
    run.ends("TaskRunTimeout")
    leftovers.check_after_cancellation(node, ci, pods, mode)


@pytest.mark.tried("retry")
@pytest.mark.parametrize(("mode", "daemons"), [("sidecar", 2), ("daemonset", 1)])
def test_a_run_is_tried_again_in_a_pod_of_its_own(mode: str, daemons: int, ci: Namespace) -> None:
    """In sidecar mode each attempt has a daemon of its own. In daemonset mode both have that of the node."""
    script = f"{SET}docker info --format 'daemon {{{{.ID}}}}'\ntest $(context.task.retry-count) = 1\n"
    manifest = task_run(step(script), mode=mode)
    manifest["spec"]["retries"] = 1
    run = Run(ci, manifest).ends("Succeeded")
    (failed,) = run.status["retriesStatus"]
    attempts = [ci.pod(failed["podName"]), run.pod]
    until("the pods to end", lambda: [each.phase for each in attempts] == ["Failed", "Succeeded"], run.describe)
    if mode == "sidecar":
        assert [each.status("dind")["state"]["terminated"]["exitCode"] for each in attempts] == [0, 0]
    assert len({each.log("step-build") for each in attempts}) == daemons


@pytest.mark.tried("denial")
def test_a_wrong_container_is_named_by_the_run(ci: Namespace) -> None:
    run = Run(ci, task_run(step("docker info"), options={"containers": "build"})).ends("PodCreationFailed")
    assert 'the pod has no container "build" (did you mean "step-build"?)' in run.condition["message"]


def test_an_ordinary_container_is_stopped_after_the_steps(ci: Namespace) -> None:
    """The run succeeds, but its pod does not: Tekton replaces the image by one that has no shell for the command."""
    script = f"{SET}until docker info; do sleep 0.2; done\n"
    run = Run(ci, task_run(step(script), options={"placement": "container"})).ends("Succeeded")
    run.pod.until(lambda: run.pod.phase in {"Succeeded", "Failed"}, "complete")
    assert run.pod.phase == "Failed", run.describe()
    assert run.pod.status("dind")["state"]["terminated"]["reason"] == "StartError"


@pytest.mark.parametrize("mode", ["disabled", "sidecar"])
def test_a_sidecar_of_the_task_ends_as_without_injection(mode: str, ci: Namespace) -> None:
    """Tekton ends it as an ordinary container of ours: the run succeeds, its pod does not."""
    sidecar = {"name": "db", "image": "busybox:1.37", "script": f"{SET}while true; do sleep 1; done\n"}
    run = Run(ci, task_run(step(f"{SET}echo done\n"), mode=mode, sidecars=[sidecar])).ends("Succeeded")
    run.pod.until(lambda: run.pod.phase in {"Succeeded", "Failed"}, "complete")
    assert run.pod.phase == "Failed", run.describe()


def test_one_task_of_a_pipeline_has_docker(ci: Namespace) -> None:
    (example,) = [each for each in examples_of_page() if each["kind"] == "PipelineRun"]
    tasks = [
        {"name": name, "taskSpec": {"steps": [{**step(script), "workingDir": "/"}]}}
        for name, script in (("build", f"{SET}docker info\n"), ("plain", f'{SET}test -z "${{DOCKER_HOST:-}}"\n'))
    ]
    example["metadata"]["namespace"] = ci.name
    example["spec"].pop("pipelineRef")
    example["spec"]["pipelineSpec"] = {"tasks": tasks}
    Run(ci, example).ends("Succeeded")
    modes = {pod.read()["metadata"]["labels"].get("dind.io/injected") for pod in ci.pods()}
    assert modes == {"sidecar", None}
