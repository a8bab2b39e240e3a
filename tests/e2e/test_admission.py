"""Admission by a real API server and the webhook: the conformance cases of Kubernetes for mutating webhooks.

The tests run on the oldest supported and on the current API server. No pod has to run, so no node is needed: the
webhook is a process of this machine, which the API server calls by URL. The cases are those of "AdmissionWebhook" in
test/e2e/apimachinery/webhook.go of Kubernetes that apply to a webhook for pods.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
import workloads
from cluster.cluster import OLDEST, VERSION, Cluster
from cluster.errors import ClusterError
from control_planes import ControlPlane, Server, oldest_control_plane, run_server
from kube import Manifest, Namespace, RefusedError, refusal, until
from kubernetes import client
from kubernetes.dynamic.exceptions import NotFoundError
from mutating_webhooks import AFTER, BEFORE, mutating_webhook, webhook_configuration
from other_webhooks import strip_restart_policies
from releases import Release

pytestmark = [
    pytest.mark.node,
    pytest.mark.parametrize(
        "control_plane",
        [pytest.param(version, marks=pytest.mark.xdist_group(version)) for version in (OLDEST, VERSION)],
        indirect=True,
        scope="module",
    ),
]

ADMISSION = "admissionregistration.k8s.io/v1"
TROUBLESHOOTING = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text("utf-8")
NOT_INJECTED = "the pod asks for sidecar and has no container dind; is the webhook"


def gated_pod(inject: str | None = "sidecar", name: str = "ci", **spec: Any) -> Manifest:
    """Return a pod that asks for Docker and is never scheduled."""
    gates = [{"name": "e2e.dind.io/never"}]
    return workloads.pod(
        "true", inject=inject, name=name, schedulingGates=gates, automountServiceAccountToken=False, **spec
    )


def container(pod: Manifest, name: str) -> Manifest:
    spec = pod["spec"]
    (found,) = [one for one in [*spec.get("initContainers", []), *spec["containers"]] if one["name"] == name]
    return dict(found)


def has_docker(pod: Manifest, name: str = "build") -> bool:
    return any(variable["name"] == "DOCKER_HOST" for variable in container(pod, name).get("env", []))


def is_injected(namespace: Namespace) -> bool:
    """Return whether pods get Docker already: API servers apply a new configuration after a delay."""
    try:
        return has_docker(namespace.make(gated_pod(), dry_run="All"))
    except RefusedError:
        return False


@pytest.fixture(scope="module")
def control_plane(request: pytest.FixtureRequest, node: Cluster) -> Iterator[ControlPlane]:
    if request.param == OLDEST:
        with oldest_control_plane(node) as control_plane:
            yield control_plane
    else:
        yield ControlPlane.of(node)


@pytest.fixture(scope="module")
def server(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(control_plane, tmp_path_factory.mktemp("serve")) as server:
        yield server


@pytest.fixture(scope="module")
def release(server: Server) -> Iterator[Release]:
    with server.release() as release:
        yield release


@contextmanager
def injecting_namespace(release: Release) -> Iterator[Namespace]:
    """Yield a namespace after its pods get Docker."""
    with release.namespace_of() as namespace:
        until("pods to get Docker", lambda: is_injected(namespace))
        yield namespace


@pytest.fixture
def ci(release: Release) -> Iterator[Namespace]:
    with injecting_namespace(release) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def single_call_release(server: Server) -> Iterator[Release]:
    with server.release(reinvocationPolicy="Never") as release:
        yield release


@pytest.fixture
def single_call_namespace(single_call_release: Release) -> Iterator[Namespace]:
    """Yield a namespace in which the API server calls the webhook once for each pod."""
    with injecting_namespace(single_call_release) as namespace:
        yield namespace


class TestPods:
    def test_what_is_added_gets_the_api_servers_defaults(self, ci: Namespace) -> None:
        dind = container(ci.make(gated_pod()), "dind")
        assert dind["terminationMessagePath"] == "/dev/termination-log"
        assert dind["terminationMessagePolicy"] == "File"

    def test_a_bad_one_is_refused_in_our_words(self, ci: Namespace) -> None:
        refused = refusal(ci, gated_pod("true"))
        assert refused == (
            'admission webhook "enabled.inject.dind.io" denied the request: '
            'annotation dind.io/inject: "true" is not accepted; use one of sidecar, daemonset, disabled'
        )

    def test_a_dry_run_answers_what_creation_does_and_keeps_nothing(self, ci: Namespace) -> None:
        tried = ci.make(gated_pod(), dry_run="All")
        assert not ci.pods()
        made = ci.make(gated_pod())
        assert has_docker(made)
        assert (tried["spec"], tried["metadata"]["annotations"]) == (made["spec"], made["metadata"]["annotations"])

    def test_one_with_a_token_is_asked_about_once(self, server: Server, ci: Namespace) -> None:
        """If the injected container had no token, the API server would add it and call the webhook again."""
        pod = gated_pod()
        pod["spec"]["automountServiceAccountToken"] = True
        before = server.reviews(ci.name)
        places = [mount["mountPath"] for mount in container(ci.make(pod, dry_run="All"), "dind")["volumeMounts"]]
        assert places.count("/var/run/secrets/kubernetes.io/serviceaccount") == 1
        # Log lines are in the order of the reviews, but the server may write them after its response.
        ci.make(gated_pod(), dry_run="All")
        until("the last review to be logged", lambda: server.reviews(ci.name) >= before + 2)
        assert server.reviews(ci.name) == before + 2

    def test_that_carry_everything_are_taken_as_they_are(self, ci: Namespace) -> None:
        made = ci.make(gated_pod())
        again = {"apiVersion": "v1", "kind": "Pod", "spec": made["spec"]}
        again["metadata"] = {"name": "again", "annotations": made["metadata"]["annotations"]}
        assert ci.make(again, dry_run="All")["spec"] == made["spec"]


class TestNamespaces:
    @pytest.mark.usefixtures("ci")
    def test_that_have_not_opted_in_are_not_asked_about(self, release: Release) -> None:
        with release.namespace_of(inject=None) as namespace:
            assert not has_docker(namespace.make(gated_pod(), dry_run="All"))

    @pytest.mark.parametrize("which", ["kube-system", "of the release"])
    def test_that_are_exempt_are_not_asked_about_with_the_label_either(
        self, release: Release, ci: Namespace, which: str
    ) -> None:
        exempt = release.helm.namespace if which == "of the release" else which
        labels = release.kube.get("Namespace", ci.name)["metadata"]["labels"]
        wanted = {key: labels[key] for key in labels if "dind.io/" in key}
        with release.kube.namespace(inject=None) as later:
            core = release.kube.core
            core.patch_namespace(exempt, {"metadata": {"labels": wanted}})
            try:
                # The API server sees both changes in this order.
                core.patch_namespace(later.name, {"metadata": {"labels": wanted}})
                until("the labels to count", lambda: is_injected(later))
                assert not has_docker(release.kube.make(gated_pod(), exempt, dry_run="All"))
            finally:
                core.patch_namespace(exempt, {"metadata": {"labels": dict.fromkeys(wanted)}})


class TestOtherMutators:
    def test_containers_of_one_that_comes_before_have_docker(self, control_plane: ControlPlane, ci: Namespace) -> None:
        with mutating_webhook(control_plane, ci, BEFORE, add_container):
            pod = ci.make(gated_pod(), dry_run="All")
        assert has_docker(pod, "added")

    def test_one_that_comes_after_sees_the_daemon(self, control_plane: ControlPlane, ci: Namespace) -> None:
        with mutating_webhook(control_plane, ci, AFTER, lambda _: []) as webhook:
            ci.make(gated_pod(), dry_run="All")
        assert container(webhook.seen[-1], "dind")["restartPolicy"] == "Always"

    def test_containers_of_one_that_comes_after_have_docker_because_we_are_called_again(
        self, control_plane: ControlPlane, ci: Namespace
    ) -> None:
        with mutating_webhook(control_plane, ci, AFTER, add_container):
            pod = ci.make(gated_pod(), dry_run="All")
        assert has_docker(pod, "added")
        assert [one["name"] for one in pod["spec"]["initContainers"]] == ["dind"]

    def test_they_have_none_where_the_operator_wants_no_second_call(
        self, control_plane: ControlPlane, single_call_namespace: Namespace
    ) -> None:
        with mutating_webhook(control_plane, single_call_namespace, AFTER, add_container):
            pod = single_call_namespace.make(gated_pod(), dry_run="All")
        assert has_docker(pod)
        assert not has_docker(pod, "added")

    def test_one_that_comes_before_may_ask_for_docker(self, control_plane: ControlPlane, ci: Namespace) -> None:
        with mutating_webhook(control_plane, ci, BEFORE, add_inject_annotation):
            assert has_docker(ci.make(gated_pod(inject=None), dry_run="All"))

    def test_one_that_comes_after_asks_too_late_and_the_policy_says_so(
        self, control_plane: ControlPlane, ci: Namespace
    ) -> None:
        """The API server calls again only webhooks that it has already called for this pod."""
        with mutating_webhook(control_plane, ci, AFTER, add_inject_annotation):
            until("the policy to refuse it", lambda: NOT_INJECTED in refusal(ci, gated_pod(inject=None)))

    def test_one_that_strips_restart_policies_is_caught_by_the_policy(
        self, control_plane: ControlPlane, single_call_namespace: Namespace
    ) -> None:
        with mutating_webhook(control_plane, single_call_namespace, AFTER, strip_restart_policies):
            until(
                "the policy to refuse it",
                lambda: "ValidatingAdmissionPolicy" in refusal(single_call_namespace, gated_pod()),
            )
            assert "init container dind has lost its restartPolicy: Always" in refusal(
                single_call_namespace, gated_pod()
            )

    def test_one_that_strips_restart_policies_is_caught_when_we_are_called_again(
        self, control_plane: ControlPlane, ci: Namespace
    ) -> None:
        with mutating_webhook(control_plane, ci, AFTER, strip_restart_policies):
            refused = refusal(ci, gated_pod())
        assert 'admission webhook "enabled.inject.dind.io" denied the request' in refused
        assert "restartPolicy" in refused

    def test_one_that_restricts_containers_finds_nothing_to_fill_in(
        self, control_plane: ControlPlane, ci: Namespace
    ) -> None:
        """As mutators of Gatekeeper, Kyverno and UDS do."""
        with mutating_webhook(control_plane, ci, AFTER, fill_in_security_contexts):
            pod = ci.make(gated_pod(), dry_run="All")
        assert container(pod, "build")["securityContext"]["allowPrivilegeEscalation"] is False
        assert container(pod, "dind")["securityContext"]["allowPrivilegeEscalation"] is True
        assert has_docker(pod)

    def test_one_that_overrides_what_containers_state_is_named(
        self, control_plane: ControlPlane, ci: Namespace
    ) -> None:
        with mutating_webhook(control_plane, ci, AFTER, make_root_filesystems_read_only):
            refused = refusal(ci, gated_pod())
        assert "securityContext.readOnlyRootFilesystem another webhook may have changed" in refused


class TestAWebhookThatDoesNotAnswer:
    def test_in_time_has_the_pod_refused_and_no_other(self, server: Server) -> None:
        with server.release(timeoutSeconds=1) as release, injecting_namespace(release) as namespace:
            with server.paused():
                refused = refusal(namespace, gated_pod())
                others = refusal(namespace, gated_pod(inject=None))
            assert 'failed calling webhook "enabled.inject.dind.io"' in refused
            explained(refused, "context deadline exceeded")
            assert not others
            until("pods to get Docker again", lambda: is_injected(namespace))

    def test_in_time_with_ignore_leaves_the_pod_without_docker_and_the_policy_warns(self, server: Server) -> None:
        install = server.release(timeoutSeconds=1, failurePolicy="Ignore")
        with install as release, injecting_namespace(release) as namespace, server.paused():
            assert not has_docker(namespace.make(gated_pod(), dry_run="All"))
            until("the policy to warn", lambda: any(NOT_INJECTED in one for one in namespace.warnings(gated_pod())))

    def test_at_once_but_in_time_is_waited_for(self, server: Server) -> None:
        with (
            server.release(timeoutSeconds=30) as release,
            injecting_namespace(release) as namespace,
            server.paused(seconds=2),
        ):
            assert has_docker(namespace.make(gated_pod(), dry_run="All"))

    def test_at_all_has_the_pod_refused(self, server: Server) -> None:
        # Bind a port without listening, so that connections to it are refused.
        with socket.socket() as taken:
            taken.bind((server.control_plane.host, 0))
            nobody = replace(server, url=f"https://{server.control_plane.host}:{taken.getsockname()[1]}")
            with nobody.release() as release, release.namespace_of(answers=False) as namespace:
                until("the refusal", lambda: "failed calling webhook" in refusal(namespace, gated_pod()))
                explained(refusal(namespace, gated_pod()), "connection refused")

    def test_with_a_certificate_that_is_trusted_has_the_pod_refused(self, server: Server) -> None:
        distrusted = replace(server, ca=trustme.CA().cert_pem.bytes().decode())
        with distrusted.release() as release, release.namespace_of(answers=False) as namespace:
            until("the refusal", lambda: "failed calling webhook" in refusal(namespace, gated_pod()))
            explained(refusal(namespace, gated_pod()), "x509: certificate signed by unknown authority")


class TestConditions:
    def test_of_an_operator_leave_pods_out_of_webhook_and_policy(self, server: Server) -> None:
        condition = {"name": "example.com/skip-me", "expression": "object.metadata.name != 'skip-me'"}
        with server.release(matchConditions=[condition]) as release, injecting_namespace(release) as namespace:
            assert not has_docker(namespace.make(gated_pod(name="skip-me"), dry_run="All"))
            # An API server applies a policy after a delay: check that the policy is in force.
            set_operations(release, "UPDATE")
            until("the policy to refuse another", lambda: NOT_INJECTED in refusal(namespace, gated_pod()))
            assert not refusal(namespace, gated_pod(name="skip-me"))

    def test_that_are_no_cel_are_refused(self, server: Server) -> None:
        condition = {"name": "example.com/broken", "expression": "object.metadata.name !="}
        log = server.control_plane.helm.log
        # The log has the same message from earlier runs.
        length = log.stat().st_size
        with pytest.raises(ClusterError, match="installing the chart failed"):  # noqa: SIM117
            with server.release(matchConditions=[condition]):
                pytest.fail("it was installed")
        added = log.read_bytes()[length:].decode()
        assert 'matchConditions[2].expression: Invalid value: "object.metadata.name !=": compilation failed' in added


class TestConfigurations:
    def test_stop_acting_when_their_rules_are_taken_and_act_again_with_them(self, own: Release) -> None:
        with injecting_namespace(own) as namespace:
            set_operations(own, "UPDATE")
            until("the policy to refuse it", lambda: NOT_INJECTED in refusal(namespace, gated_pod()))
            set_operations(own, "CREATE")
            until("pods to get Docker again", lambda: is_injected(namespace))

    def test_are_found_and_deleted_by_the_label_of_the_release(self, own: Release) -> None:
        api = client.AdmissionregistrationV1Api(own.kube.api)
        selector = f"app.kubernetes.io/instance={own.helm.release}"
        with injecting_namespace(own) as namespace:
            (found,) = api.list_mutating_webhook_configuration(label_selector=selector).items
            assert found.metadata.name == own.fullname
            api.delete_collection_mutating_webhook_configuration(label_selector=selector)
            until("the policy to refuse it", lambda: NOT_INJECTED in refusal(namespace, gated_pod()))

    def test_are_neither_changed_nor_kept_by_other_webhooks(
        self, control_plane: ControlPlane, own: Release, ci: Namespace
    ) -> None:
        """API servers call no webhook for webhook configurations: such a webhook could prevent its own removal."""
        reviewed_kinds = []

        def deny(request: Manifest) -> Manifest:
            reviewed_kinds.append(request["kind"]["kind"])
            return {"allowed": False, "status": {"message": "denied by the other one"}}

        pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}
        configurations = {
            "apiGroups": ["admissionregistration.k8s.io"],
            "apiVersions": ["*"],
            "operations": ["*"],
            "resources": ["mutatingwebhookconfigurations"],
        }
        with webhook_configuration(control_plane, ci, "aa-e2e-deny", [pods, configurations], deny):
            until("the other one to act", lambda: "denied by the other one" in refusal(ci, gated_pod(inject=None)))
            own.upgrade({"webhook": {"timeoutSeconds": 7}})
            found = own.kube.get("MutatingWebhookConfiguration", own.fullname, version=ADMISSION)
            assert {webhook["timeoutSeconds"] for webhook in found["webhooks"]} == {7}
            own.kube.delete("MutatingWebhookConfiguration", own.fullname, version=ADMISSION)
            with pytest.raises(NotFoundError):
                own.kube.get("MutatingWebhookConfiguration", own.fullname, version=ADMISSION)
        assert set(reviewed_kinds) == {"Pod"}

    @pytest.fixture
    def own(self, server: Server) -> Iterator[Release]:
        """Yield a release whose configuration a test may break."""
        with server.release() as release:
            yield release


def explained(refused: str, cause: str) -> None:
    """Check that the message has this cause, and that the troubleshooting page explains it."""
    assert cause in refused
    assert f"`{cause}`" in TROUBLESHOOTING


def set_operations(release: Release, operation: str) -> None:
    api = client.AdmissionregistrationV1Api(release.kube.api)
    webhooks = release.kube.get("MutatingWebhookConfiguration", release.fullname, version=ADMISSION)["webhooks"]
    for webhook in webhooks:
        webhook["rules"][0]["operations"] = [operation]
    api.patch_mutating_webhook_configuration(release.fullname, {"webhooks": webhooks})


def add_container(_: Manifest) -> list[Manifest]:
    added = {"name": "added", "image": workloads.BUSYBOX}
    return [{"op": "add", "path": "/spec/containers/-", "value": added}]


def add_inject_annotation(_: Manifest) -> list[Manifest]:
    return [{"op": "add", "path": "/metadata/annotations", "value": {workloads.INJECT: "sidecar"}}]


def _every_container(pod: Manifest) -> Iterator[tuple[str, Manifest]]:
    for members in ("containers", "initContainers"):
        for index, one in enumerate(pod["spec"].get(members, [])):
            yield f"/spec/{members}/{index}/securityContext", one.get("securityContext")


def fill_in_security_contexts(pod: Manifest) -> list[Manifest]:
    """Restrict containers where they state nothing, as mutators of Gatekeeper, Kyverno and UDS do."""
    restrictions = {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "procMount": "Default",
        "readOnlyRootFilesystem": True,
        "runAsGroup": 3000,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    }
    return [
        {"op": "add", "path": place, "value": {**restrictions, **(context or {})}}
        for place, context in _every_container(pod)
    ]


def make_root_filesystems_read_only(pod: Manifest) -> list[Manifest]:
    """Restrict containers whatever they state."""
    return [
        {"op": "add", "path": place, "value": {**(context or {}), "readOnlyRootFilesystem": True}}
        for place, context in _every_container(pod)
    ]
