"""The pods of GitHub Actions, with Docker: expected from reading gha-runner-scale-set and the container hooks.

The controller cannot be built: registries do not have its module. Without `containerMode`, jobs run in the pod of the
runner, and those with `container:` in a container of Docker. With `containerMode: kubernetes`, the runner's hook makes
a pod for each job, runs the steps by `exec` in its container `job`, and deletes it without a grace period.
"""

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import actions_runner_image
import leftovers
import pytest
import yaml
from actions_runner_image import HOME, IMAGE, USER
from builds import BOTH_MODES, BUILD, FAILING, LONG, MARKS
from cluster import local_node
from cluster.cluster import Cluster
from copying_storage import CopyingStorage, copying_storage
from kube import Kube, Manifest, Namespace, Pod, RefusedError
from page_examples import examples
from workloads import DOCKER

# The commands with which the runner starts the container of a job, and runs a step in it
JOB_CONTAINER = f"""\
echo seen >file
printf 'cat file\\n"$NODE"\\ntest -S /var/run/docker.sock\\necho written >"$HOME/file"\\n' >{HOME}/_work/_temp/step.sh
mkdir -p {HOME}/_work/_temp/_github_home
docker network create --label 1a2b3c github_network_1
id="$(docker create --name 4d5e_busybox --label 1a2b3c --workdir /__w/project/project --network github_network_1 \
  -e HOME=/github/home -e NODE=/__e/node24/bin/node -e GITHUB_ACTIONS=true -e CI=true \
  -v /var/run/docker.sock:/var/run/docker.sock -v {HOME}/_work:/__w -v {HOME}/externals:/__e:ro \
  -v {HOME}/_work/_temp:/__w/_temp -v {HOME}/_work/_temp/_github_home:/github/home \
  --entrypoint tail busybox -f /dev/null)"
docker start "$id"
docker exec -i --workdir /__w/project/project "$id" sh -e /__w/_temp/step.sh
docker rm --force "$id"
docker network rm github_network_1
cat {HOME}/_work/_temp/_github_home/file
"""


def examples_of_page() -> list[Manifest]:
    """Return the values of the chart, and the template of the hook, in docs/ci.md."""
    return [yaml.safe_load(block) for block in examples("GitHub actions-runner-controller")]


def annotate(example: Manifest, mode: str, options: dict[str, str]) -> Manifest:
    """Return the annotations of an example of the page, in another mode, and with other options."""
    own = {f"dind.io/{key}": text for key, text in options.items()}
    return {**example["metadata"]["annotations"], "dind.io/inject": mode, **own}


def run_pod(ci: Namespace, job: str, mode: str = "sidecar", **options: str) -> Pod:
    """Make the pod of a runner from the values of the page. In place of a token, it gets the script of a job."""
    name = f"set-{token_hex(3)}-runner-{token_hex(3)}"
    token = {"jitToken": f"export TAG={ci.name}\n{job}"}
    ci.make({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": token})
    template = examples_of_page()[0]["template"]
    spec: dict[str, Any] = template["spec"]
    for container in (*spec["initContainers"], *spec["containers"]):
        # The user is that of the original image. The webhook knows only that of the pod.
        container |= {"image": IMAGE.names[0], "imagePullPolicy": "IfNotPresent"}
    (runner,) = spec["containers"]
    runner["env"] = [actions_runner_image.token_variable(name)]
    annotations = annotate(template, mode, options)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"actions-ephemeral-runner": "True"}, "annotations": annotations},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsUser": USER, "runAsGroup": USER},
            **spec,
            **local_node.selection(),
        },
    }
    return ci.run(pod)


def until_runner_has_ended(pod: Pod) -> int:
    """Wait until the container that the controller watches has ended, and return its exit code."""
    pod.until(lambda: "terminated" in pod.status("runner").get("state", {}), "end its runner")
    code: int = pod.status("runner")["state"]["terminated"]["exitCode"]
    return code


@pytest.fixture(scope="module", autouse=True)
def _image(node: Cluster) -> None:
    actions_runner_image.load(node)


class TestRunner:
    @pytest.mark.tried("build")
    @BOTH_MODES
    def test_a_job_builds_runs_and_composes(self, mode: str, ci: Namespace) -> None:
        pod = run_pod(ci, BUILD, mode)
        assert until_runner_has_ended(pod) == 0, pod.describe()
        assert all(mark in pod.log("runner") for mark in MARKS), pod.log("runner")
        pod.succeeds()
        leftovers.check_after_build(ci, mode)

    @pytest.mark.tried("bind mount")
    def test_the_container_of_a_job_has_the_workspace_the_runners_programs_and_docker(self, ci: Namespace) -> None:
        pod = run_pod(ci, JOB_CONTAINER)
        assert until_runner_has_ended(pod) == 0, pod.describe()
        log = pod.log("runner").splitlines()
        assert [line for line in log if line in {"seen", "node of the runner", "written"}] == [
            "seen",
            "node of the runner",
            "written",
        ]

    @pytest.mark.tried("failure")
    def test_a_runner_that_fails_leaves_no_daemon(self, ci: Namespace, node: Cluster) -> None:
        pod = run_pod(ci, FAILING)
        assert until_runner_has_ended(pod) == 7
        pods = leftovers.uids(ci)
        pod.kube.core.delete_namespaced_pod(pod.name, ci.name)
        leftovers.until_gone(node, ci, pods)

    @pytest.mark.tried("cancellation")
    @BOTH_MODES
    def test_a_runner_that_is_removed_leaves_only_what_the_page_says(
        self, mode: str, ci: Namespace, node: Cluster
    ) -> None:
        pod = run_pod(ci, LONG, mode)
        pod.until(lambda: pod.phase == "Running" and "started" in pod.log("runner"), "start its container")
        pods = leftovers.uids(ci)
        pod.kube.core.delete_namespaced_pod(pod.name, ci.name)
        leftovers.check_after_cancellation(node, ci, pods, mode)

    @pytest.mark.tried("denial")
    def test_a_denial_reaches_the_controller(self, ci: Namespace) -> None:
        with pytest.raises(RefusedError, match='the pod has no container "build"'):
            run_pod(ci, BUILD, containers="build")


@pytest.fixture(scope="module")
def storage(node: Cluster, kube: Kube) -> Iterator[CopyingStorage]:
    with copying_storage(node, kube) as found:
        yield found


class Job:
    """A job whose pod runs, on the faster node."""

    def __init__(self, ci: Namespace, storage: CopyingStorage, mode: str = "sidecar", **options: str) -> None:
        runner = f"set-{token_hex(3)}-runner-{token_hex(3)}"
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": f"{runner}-work"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": storage.name,
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        ci.make(claim)
        paths = {
            "/__w": "",
            "/__e": "externals",
            "/github/home": "_temp/_github_home",
            "/github/workflow": "_temp/_github_workflow",
        }
        container = {
            "name": "job",
            "image": DOCKER,
            "command": ["tail"],
            "args": ["-f", "/dev/null"],
            "env": [{"name": "GITHUB_ACTIONS", "value": "true"}, {"name": "CI", "value": "true"}],
            "volumeMounts": [
                {"name": "work", "mountPath": path, **({"subPath": sub_path} if sub_path else {})}
                for path, sub_path in paths.items()
            ],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{runner}-workflow",
                "labels": {"runner-pod": runner},
                "annotations": annotate(examples_of_page()[-1], mode, options),
            },
            "spec": {
                "containers": [container],
                "restartPolicy": "Never",
                # The node of the runner's pod: no scheduler sees this one.
                "nodeName": local_node.NAME,
                "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": f"{runner}-work"}}],
            },
        }
        self.pod: Pod = ci.run(pod)
        self.pod.until(lambda: self.pod.phase == "Running", "run")
        self.pod.exec("mkdir -p /__w/_temp /__w/project/project", "job")

    def run(self, script: str, command: str = "sh -e /__w/_temp/step.sh") -> str:
        """Run a step, and return its output."""
        place = f"cd /__w/project/project\nexport TAG={self.pod.namespace}"
        self.pod.exec(f"cat >/__w/_temp/step.sh <<'SCRIPT'\n{place}\n{script}SCRIPT\n", "job")
        return self.pod.exec(command, "job")

    def start(self, script: str) -> None:
        """Start a step, with its output in a file."""
        self.run(script, "sh -e /__w/_temp/step.sh >/__w/_temp/log 2>&1 </dev/null &")

    def delete(self) -> None:
        self.pod.kube.core.delete_namespaced_pod(self.pod.name, self.pod.namespace, grace_period_seconds=0)


class TestJobPod:
    @pytest.mark.tried("build")
    @BOTH_MODES
    def test_a_step_builds_runs_and_composes(self, mode: str, ci: Namespace, storage: CopyingStorage) -> None:
        output = Job(ci, storage, mode).run(BUILD)
        assert all(mark in output for mark in MARKS), output
        leftovers.check_after_build(ci, mode)

    @pytest.mark.tried("bind mount")
    def test_a_container_sees_the_workspace(self, ci: Namespace, storage: CopyingStorage) -> None:
        script = 'echo seen >file\ndocker run --rm --volume "$PWD:/w" --volume "$HOME:/h" busybox cat /w/file\n'
        assert Job(ci, storage).run(script) == "seen\n"

    @pytest.mark.tried("failure")
    def test_a_step_that_fails_leaves_no_daemon(self, ci: Namespace, storage: CopyingStorage, node: Cluster) -> None:
        job = Job(ci, storage)
        with pytest.raises(AssertionError, match="ended with 7"):
            job.run(FAILING)
        pods = leftovers.uids(ci)
        job.delete()
        leftovers.until_gone(node, ci, pods)

    @pytest.mark.tried("cancellation")
    @BOTH_MODES
    def test_a_job_that_is_cancelled_leaves_only_what_the_page_says(
        self, mode: str, ci: Namespace, storage: CopyingStorage, node: Cluster
    ) -> None:
        job = Job(ci, storage, mode)
        job.start(LONG)
        job.pod.until(lambda: "started" in job.pod.exec("cat /__w/_temp/log", "job"), "start its container")
        pods = leftovers.uids(ci)
        job.delete()
        leftovers.check_after_cancellation(node, ci, pods, mode)

    @pytest.mark.tried("denial")
    def test_a_denial_reaches_the_hook(self, ci: Namespace, storage: CopyingStorage) -> None:
        """The step `Set up job` ends with the error of the API server."""
        with pytest.raises(RefusedError, match='the pod has no container "build"'):
            Job(ci, storage, containers="build")
