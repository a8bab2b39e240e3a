"""The chart switches between the webhook and the policies of the API server while pods are created.

The webhook is a process of this machine, which the API server calls by URL, and no pod runs, so no node is needed:
`E2E_CLUSTER=… E2E_KUBECONFIG=… .venv/bin/pytest -c tests/e2e/pytest.ini tests/e2e/test_engine.py`.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import workloads
from cluster.cluster import Cluster
from control_planes import ControlPlane, Server, run_server
from kube import Manifest, Namespace, RefusedError, refusal, until
from pod_streams import PodStream, create_pods
from releases import Release

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("engine")]

NEEDS_WEBHOOK = "only the webhook dind-webhook can apply another one"
ADMISSION = "admissionregistration.k8s.io/v1"
WEBHOOK_KINDS = {"Deployment", "Service", "MutatingWebhookConfiguration", "ServiceAccount", "PodDisruptionBudget"}


@pytest.fixture(scope="module")
def server(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(ControlPlane.of(node), tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def release(server: Server) -> Iterator[Release]:
    with server.release() as release:
        yield release


class Engine:
    """A release, and which of its engines injects pods."""

    def __init__(self, server: Server, release: Release, namespace: Namespace) -> None:
        self._server = server
        self._release = release
        self._namespace = namespace

    def switch(self, engine: str, *streams: PodStream) -> None:
        """Switch, wait until exactly the engines that shall be in force are, and until more pods are created."""
        self._release.upgrade({"engine": engine})
        until(f"engine {engine} to be in force", lambda: self._in_force() == engine)
        for stream in streams:
            stream.wait_for_more_pods()

    def _in_force(self) -> str:
        before = self._server.reviews(self._namespace.name)
        try:
            made = self._namespace.make(gated_pod(), dry_run="All")
        except RefusedError as error:
            return error.message
        reviews = self._reviews()[before:]
        if not has_one_daemon(made):
            return "none"
        if not reviews:
            return "policy"
        return "both" if {review["reason"] for review in reviews} == {"unchanged"} else "webhook"

    def _reviews(self) -> list[dict[str, Any]]:
        lines = self._server.log.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if f'"namespace":"{self._namespace.name}"' in line]


def gated_pod(inject: str | None = "sidecar", **options: str) -> Manifest:
    return workloads.pod("true", inject=inject, options=options, schedulingGates=[{"name": "e2e.dind.io/never"}])


def has_one_daemon(pod: Manifest) -> bool:
    return [each["name"] for each in pod["spec"].get("initContainers", [])].count("dind") == 1


def test_a_switch_in_two_steps_loses_no_pod_and_refuses_none(server: Server, release: Release) -> None:
    with (
        release.namespace_of("enabled", answers=False) as asked,
        release.namespace_of("sidecar", answers=False) as labelled,
    ):
        engine = Engine(server, release, asked)
        engine.switch("webhook")
        with create_pods(asked) as pods, create_pods(labelled, inject=None) as others:
            for step in ("both", "policy", "both", "webhook"):
                engine.switch(step, pods, others)


def test_a_switch_at_once_injects_or_refuses_each_pod_that_asks(server: Server, release: Release) -> None:
    with release.namespace_of("enabled", answers=False) as asked:
        engine = Engine(server, release, asked)
        engine.switch("webhook")
        with create_pods(asked, may_be_refused=True) as pods:
            for step in ("policy", "webhook", "policy", "webhook"):
                engine.switch(step, pods)


def test_the_engines_leave_each_others_pods_as_they_are(server: Server, release: Release) -> None:
    with release.namespace_of("enabled", answers=False) as asked:
        engine = Engine(server, release, asked)
        made = {}
        for name in ("webhook", "policy", "both"):
            engine.switch(name)
            made[name] = asked.make(gated_pod(), dry_run="All")
            for other in made.values():
                again = {**gated_pod(), "metadata": {**gated_pod()["metadata"], **comparable(other)[0]}}
                again["spec"] = other["spec"]
                assert comparable(asked.make(again, dry_run="All")) == comparable(other)
        assert comparable(made["webhook"]) == comparable(made["policy"]) == comparable(made["both"])


def comparable(pod: Manifest) -> tuple[Manifest, str]:
    """Return the annotations and labels of a pod, and its spec without the random name of the token's volume."""
    metadata = {key: pod["metadata"].get(key) or {} for key in ("annotations", "labels")}
    names = [each["name"] for each in pod["spec"].get("volumes", []) if each["name"].startswith("kube-api-access-")]
    text = json.dumps(pod["spec"], sort_keys=True)
    for name in names:
        text = text.replace(name, "kube-api-access-x")
    return metadata, text


def test_without_the_webhook_its_objects_are_gone(server: Server, release: Release) -> None:
    with release.namespace_of("enabled", answers=False) as asked:
        Engine(server, release, asked).switch("policy")
        kinds = {each.partition(" ")[0] for each in release.everything()}
        assert not kinds & WEBHOOK_KINDS
        assert "MutatingAdmissionPolicy" in kinds


def test_a_denial_names_the_reason_in_whatever_order_the_policies_are(server: Server, release: Release) -> None:
    """An API server tells the denial of the first policy only, and draws their order when one of them changes."""
    with release.namespace_of("enabled", answers=False) as asked:
        Engine(server, release, asked).switch("policy")
        # Each policy takes effect on its own; until then, that of `policy.enabled` denies the pod.
        until("the policies to be in force", lambda: NEEDS_WEBHOOK in denial_of(asked, gated_pod(mtu="1400")))
        for number in range(8):
            with other_policy(f"other-{number}", asked):
                assert NEEDS_WEBHOOK in denial_of(asked, gated_pod(mtu="1400"))
                assert "dind.io/mtuu does not exist" in denial_of(asked, gated_pod(mtuu="1400"))
                assert "mode daemonset is switched off" in denial_of(asked, gated_pod("daemonset"))


@contextmanager
def other_policy(name: str, namespace: Namespace) -> Iterator[None]:
    """Add a policy that denies one pod of a namespace, and wait until it does."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    denied = f"request.namespace != '{namespace.name}' || object.metadata.name != '{name}'"
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": denied, "message": name}]}
    binding = {"policyName": name, "validationActions": ["Deny"]}
    with ExitStack() as stack:
        for kind, members in (
            ("ValidatingAdmissionPolicy", spec),
            ("ValidatingAdmissionPolicyBinding", binding),
        ):
            namespace.kube.make({"apiVersion": ADMISSION, "kind": kind, "metadata": {"name": name}, "spec": members})
            stack.callback(namespace.kube.delete, kind, name, version=ADMISSION)
        pod = {**workloads.pod("true", inject=None), "metadata": {"name": name}}
        until(f"{name} to be in force", lambda: f"denied request: {name}" in refusal(namespace, pod))
        yield


def denial_of(namespace: Namespace, pod: Manifest) -> str:
    return refusal(namespace, pod) or pytest.fail("the pod was admitted")
