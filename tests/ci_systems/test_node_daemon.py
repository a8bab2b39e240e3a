"""What a job leaves in the daemon of the node in daemonset mode, and the ways of docs/ci.md to leave nothing."""

import leftovers
import pytest
import workloads
import yaml
from builds import FAILING
from cluster import local_node
from cluster.cluster import Cluster
from kube import Manifest, Namespace, Pod, until
from page_examples import examples

LIMITED = 'docker run --rm --init --label "job=$TAG" busybox timeout 20 sleep 600\n'


def run_job(ci: Namespace, script: str) -> Pod:
    container = workloads.container(script, env=[{"name": "TAG", "value": ci.name}])
    return ci.run(workloads.pod(container, inject="daemonset", **local_node.selection()))


def until_started(ci: Namespace, pod: Pod) -> None:
    def has_container() -> bool:
        return any(line.startswith("container running") for line in leftovers.in_daemon_of_node(ci))

    until("the container of the job", has_container, pod.describe)


def delete(pod: Pod, node: Cluster, ci: Namespace, **options: int) -> None:
    pods = leftovers.uids(ci)
    ci.kube.core.delete_namespaced_pod(pod.name, ci.name, **options)
    leftovers.until_gone(node, ci, pods)


def example_of_page(ci: Namespace) -> Manifest:
    text, _ = examples("Containers that outlive their job")
    assert "job=build" in text
    found: Manifest = yaml.safe_load(text.replace("job=build", f"job={ci.name}"))
    found["metadata"]["namespace"] = ci.name
    found["spec"] |= local_node.selection()
    return found


def test_a_container_that_a_job_has_detached_goes_on(ci: Namespace, node: Cluster) -> None:
    pod = run_job(ci, FAILING)
    pod.until(lambda: pod.phase == "Failed", "fail")
    delete(pod, node, ci)
    assert leftovers.in_daemon_of_node(ci) == [f"container running busybox job={ci.name}"]
    leftovers.remove_from_daemon_of_node(ci)


def test_the_script_of_the_page_removes_its_container_when_the_job_is_cancelled(ci: Namespace, node: Cluster) -> None:
    pod = ci.run(example_of_page(ci))
    until_started(ci, pod)
    delete(pod, node, ci)
    assert not leftovers.in_daemon_of_node(ci)


def test_the_script_of_the_page_removes_its_container_at_its_end(ci: Namespace) -> None:
    example = example_of_page(ci)
    (container,) = example["spec"]["containers"]
    (script,) = container["args"]
    assert "sleep 500" in script
    container["args"] = [script.replace("sleep 500", "echo done")]
    pod = ci.run(example).succeeds()
    assert "done" in pod.log("build")
    assert not leftovers.in_daemon_of_node(ci)


@pytest.mark.parametrize("grace", [0, 5])
def test_a_container_with_a_time_limit_ends(grace: int, ci: Namespace, node: Cluster) -> None:
    """Without a grace period, no process of the job can do anything at its end."""
    pod = run_job(ci, LIMITED)
    until_started(ci, pod)
    delete(pod, node, ci, grace_period_seconds=grace)
    until("the container to end", lambda: not leftovers.in_daemon_of_node(ci), seconds=60)
