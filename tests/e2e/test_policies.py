"""Pods under Pod Security, LimitRange and ResourceQuota: the results and messages that the docs show."""

import re
from pathlib import Path
from typing import Any

import cli_plugin
import pytest
import workloads
from kube import Manifest, Namespace, RefusedError, until
from kubernetes import client

pytestmark = pytest.mark.any_node

SECURITY, TROUBLESHOOTING = (
    " ".join((Path(__file__).parents[2] / "docs" / page).read_text("utf-8").split())
    for page in ("security.md", "troubleshooting.md")
)
ENFORCE, WARN = "pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"
VIOLATION = (
    'is forbidden: violates PodSecurity "baseline:latest": '
    'privileged (container "dind" must not set securityContext.privileged=true), '
    'seccompProfile (container "dind" must not set securityContext.seccompProfile.type to "Unconfined")'
)
LABELS = {"app": "ci"}


def job(script: str = "docker info") -> Manifest:
    spec = {"backoffLimit": 0, "template": workloads.template(script)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "ci"}, "spec": spec}


def deployment() -> Manifest:
    template = workloads.template("sleep 600", restartPolicy="Always")
    template["metadata"]["labels"] = LABELS
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "ci"}, "spec": spec}


def refusal(namespace: Namespace, pod: Manifest) -> str:
    with pytest.raises(RefusedError) as refused:
        namespace.make(pod)
    return refused.value.message


def event_of(namespace: Namespace, about: str, text: str) -> str:
    """Wait for an event about an object, and return it."""

    def found() -> list[str]:
        return [event for event in namespace.events(about) if text in event]

    until(f"an event about {about}", lambda: bool(found()), lambda: "\n".join(namespace.events(about)))
    return found()[0]


def label(namespace: Namespace, **labels: str) -> None:
    namespace.kube.core.patch_namespace(namespace.name, {"metadata": {"labels": labels}})


class TestPodSecurity:
    @pytest.fixture
    def baseline(self, ci: Namespace) -> Namespace:
        label(ci, **{ENFORCE: "baseline"})
        until("the level to count", lambda: is_refused(ci))
        return ci

    def test_refuses_a_pod_at_once_as_docs_say(self, baseline: Namespace) -> None:
        message = refusal(baseline, workloads.pod("docker info", name="build"))
        assert message == f'pods "build" {VIOLATION}'
        assert message in SECURITY

    def test_refuses_a_pod_in_daemonset_mode_for_its_volume(self, baseline: Namespace) -> None:
        message = refusal(baseline, workloads.pod("docker info", inject="daemonset"))
        assert 'violates PodSecurity "baseline:latest": hostPath volumes (volume "dind-run")' in message
        assert "| rejected: `privileged` | rejected: `hostPath volumes` |" in SECURITY

    def test_leaves_a_job_without_pods_and_an_event_on_it(self, baseline: Namespace) -> None:
        baseline.make(job())
        event = event_of(baseline, "ci", "FailedCreate")
        assert re.fullmatch(rf'FailedCreate: Error creating: pods "ci-\w+" {re.escape(VIOLATION)}', event)
        assert 'FailedCreate job-controller Error creating: pods "build-x7k2p" is forbidden: violates' in SECURITY

    def test_leaves_a_deployment_at_0_of_1_and_an_event_on_its_replicaset(self, baseline: Namespace) -> None:
        baseline.make(deployment())
        until("a ReplicaSet", lambda: bool(replica_sets(baseline)))
        (replica_set,) = replica_sets(baseline)
        assert VIOLATION in event_of(baseline, replica_set, "FailedCreate")
        until("the Deployment's condition", lambda: VIOLATION in replica_failure(baseline))
        assert not any("FailedCreate" in event for event in baseline.events("ci"))
        assert "The event is on its *ReplicaSet*, and the Deployment has a condition `ReplicaFailure`" in SECURITY

    def test_is_named_by_check_whose_hint_lets_the_job_have_its_pod(self, baseline: Namespace) -> None:
        baseline.make(job())
        event_of(baseline, "ci", "FailedCreate")
        found = cli_plugin.check(baseline)
        assert found["pod-security"].status == "failed"
        assert (
            found["pod-security"]
            .sentences[0]
            .startswith(f"namespace {baseline.name} enforces Pod Security level baseline")
        )
        assert VIOLATION in found["admitted"].sentences[0]
        hint = f"kubectl label namespace {baseline.name} {ENFORCE}=privileged --overwrite"
        assert f"`{hint}`" in found["pod-security"].hints[0]
        # The fix in the hint
        label(baseline, **{ENFORCE: "privileged"})
        until("the Job to have a pod", lambda: bool(baseline.pods()), lambda: "\n".join(baseline.events("ci")))

    def test_that_only_warns_says_nothing_of_the_daemon(self, ci: Namespace) -> None:
        """Pod Security checks the workload before injection."""
        label(ci, **{WARN: "baseline"})
        until("the level to count", lambda: any("dind" in one for one in ci.warnings(workloads.pod("true"))))
        assert not ci.warnings(deployment())


class TestResourceQuota:
    def test_counts_the_daemon_of_a_pod_that_fits(self, ci: Namespace) -> None:
        ci.make(quota({"requests.memory": "1Gi", "limits.memory": "5Gi"}))
        ci.make(small())
        # The daemon's share is 512Mi and 4Gi.
        until("the quota to be counted", lambda: used(ci) == {"requests.memory": "544Mi", "limits.memory": "4160Mi"})

    def test_that_is_exceeded_by_the_daemon_is_told_as_docs_say(self, ci: Namespace) -> None:
        ci.make(quota({"limits.memory": "2Gi"}))
        until("the quota to count", lambda: is_refused(ci))
        assert "exceeded quota: ci" in refusal(ci, small())
        assert "`exceeded quota`" in TROUBLESHOOTING
        ci.make(small(options={"memory-limit": "1Gi"}))


class TestLimitRange:
    def test_gives_its_defaults_to_the_pods_own_containers_and_leaves_the_daemons(self, ci: Namespace) -> None:
        ci.make(limit_range({"default": {"memory": "100Mi"}, "defaultRequest": {"memory": "50Mi"}}))
        until("the defaults to count", lambda: "resources" in own_container(ci))
        spec = ci.make(workloads.pod("true"), dry_run="All")["spec"]
        assert spec["containers"][0]["resources"] == {"limits": {"memory": "100Mi"}, "requests": {"memory": "50Mi"}}
        assert spec["initContainers"][0]["resources"]["limits"]["memory"] == "4Gi"

    def test_below_the_daemons_limit_is_told_as_docs_say(self, ci: Namespace) -> None:
        ci.make(limit_range({"max": {"memory": "2Gi"}}))
        until("the maximum to count", lambda: is_refused(ci))
        message = refusal(ci, small())
        assert "maximum memory usage per Container is 2Gi, but limit is 4Gi" in message
        assert "`maximum memory usage per Container is 2Gi, but limit is 4Gi`" in TROUBLESHOOTING
        ci.make(small(options={"memory-limit": "1Gi"}))

    def test_of_ephemeral_storage_leaves_the_daemon_its_storage(self, ci: Namespace) -> None:
        """The daemon's storage counts in the sum of the limits, at which kubelet evicts a pod."""
        ci.make(limit_range({"default": {"ephemeral-storage": "1Gi"}}))
        until("the defaults to count", lambda: "resources" in own_container(ci))
        spec = ci.make(workloads.pod("true"), dry_run="All")["spec"]
        assert spec["containers"][0]["resources"]["limits"]["ephemeral-storage"] == "1Gi"
        daemon = spec["initContainers"][0]["resources"]
        assert daemon["limits"]["ephemeral-storage"] == "20Gi"
        assert daemon["requests"]["ephemeral-storage"] == "2Gi"

    def test_of_ephemeral_storage_below_the_daemons_is_told_as_docs_say(self, ci: Namespace) -> None:
        ci.make(limit_range({"max": {"ephemeral-storage": "8Gi"}}))
        until("the maximum to count", lambda: is_refused(ci))
        message = refusal(ci, small())
        told = "maximum ephemeral-storage usage per Container is 8Gi, but limit is 20Gi"
        assert told in message
        assert f"`{told}`" in TROUBLESHOOTING
        ci.make(small(options={"storage-size": "4Gi"}))


def is_refused(namespace: Namespace) -> bool:
    """Return whether pods with a daemon are refused already."""
    try:
        namespace.make(small(), dry_run="All")
    except RefusedError:
        return True
    return False


def small(**more: Any) -> Manifest:
    """Return a pod that is never scheduled, whose container has the requests and limits that a quota requires."""
    resources = {"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    gates = [{"name": "e2e.dind.io/never"}]
    return workloads.pod(workloads.container("true", resources=resources), schedulingGates=gates, **more)


def quota(hard: dict[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "ci"}, "spec": {"hard": hard}}


def used(namespace: Namespace) -> dict[str, str]:
    """Return the usage in the status of the quota."""
    counted: dict[str, str] = namespace.kube.get("ResourceQuota", "ci", namespace.name)["status"].get("used", {})
    return counted


def limit_range(limits: dict[str, dict[str, str]]) -> Manifest:
    spec = {"limits": [{"type": "Container", **limits}]}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "ci"}, "spec": spec}


def own_container(namespace: Namespace) -> Manifest:
    found: Manifest = namespace.make(workloads.pod("true"), dry_run="All")["spec"]["containers"][0]
    return {key: value for key, value in found.items() if value}


def replica_sets(namespace: Namespace) -> list[str]:
    found = client.AppsV1Api(namespace.kube.api).list_namespaced_replica_set(namespace.name).items
    return [one.metadata.name for one in found]


def replica_failure(namespace: Namespace) -> str:
    """Return the output of the command in the docs."""
    conditions = namespace.kube.get("Deployment", "ci", namespace.name, "apps/v1")["status"].get("conditions", [])
    return "".join(one["message"] for one in conditions if one["type"] == "ReplicaFailure")
