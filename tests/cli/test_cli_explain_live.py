"""`dind-webhook explain TYPE/NAME` over a real socket to an API server in memory."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diagnostics.healthy import configuration, injected, injecting_policies, namespace, opted_in, pod
from fake_api import MUTATING, Answers, Refusal, api_server, forbidden, kubeconfig

Run = Callable[..., Any]

PODS = "/api/v1/namespaces/ci/pods"
DEPLOYMENT = "/apis/apps/v1/namespaces/ci/deployments/web"
SETTINGS = "/api/v1/namespaces/docker-system/configmaps"
OWNED = [{"kind": "ReplicaSet", "name": "web-1", "controller": True}]


def deployment(annotations: dict[str, str], template: dict[str, str]) -> dict[str, Any]:
    spec = {"metadata": {"annotations": template}, "spec": {"containers": [{"name": "build"}]}}
    metadata = {"name": "web", "namespace": "ci", "annotations": annotations}
    return {"metadata": metadata, "spec": {"template": spec}}


def cluster(**more: Any) -> Answers:
    """Return a healthy cluster with pod `build` in namespace `ci`; more answers are paths without their slashes."""
    settings = {"data": {"settings.yaml": "injection: {modes: [sidecar]}"}}
    return {
        "/version": {"major": "1", "minor": "37"},
        MUTATING: [configuration()],
        SETTINGS: [settings],
        "/api/v1/namespaces/ci": opted_in(),
        f"{PODS}/build": pod(),
        PODS: [pod()],
        **more,
    }


@pytest.fixture
def explain(run: Run, tmp_path: Path) -> Callable[..., Any]:
    def explain_(answers: Answers, *arguments: str) -> Any:
        with api_server(answers, tmp_path) as kubeconfig:
            return run("explain", *arguments, "--kubeconfig", kubeconfig)

    return explain_


Explain = Callable[..., Any]


def test_a_pod_that_was_injected_has_docker(explain: Explain) -> None:
    ran = explain(cluster(**{f"{PODS}/build": injected(pod())}), "pod/build")
    assert (ran.exit_code, ran.stderr) == (0, "")
    # explain ran no rule for the injected pod.
    assert not {"✓", "✗", "-"} & {line.strip()[:1] for line in ran.stdout.splitlines()}
    assert '  => it has Docker: injected when it was created ({"isolation":"none","mode":"sidecar"' in ran.stdout


POLICIES = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"


def test_without_a_webhook_the_policies_decide(explain: Explain) -> None:
    answers = {MUTATING: [], POLICIES: list(injecting_policies()), f"{POLICIES[:-3]}ybindings": []}
    ran = explain(cluster(**answers), "pod/build")
    assert ran.exit_code == 0
    assert "it has no Docker, but would be injected (sidecar) if it were created now" in ran.stdout
    assert (
        "this cluster has no webhook: policies inject, and deny some pods that the webhook would inject" in ran.stdout
    )
    # The mode is off in the settings of the ConfigMap.
    ran = explain(cluster(**answers, **{f"{PODS}/build": pod(value="daemonset")}), "pod/build")
    assert "daemonset" in ran.stdout
    assert ran.exit_code == 1


def test_a_namespace_that_no_policy_selects_is_named(explain: Explain) -> None:
    policies = [copy.deepcopy(each) for each in injecting_policies()]
    for each in policies:
        selector = each["spec"]["matchConstraints"]["namespaceSelector"]
        selector["matchExpressions"].append({"key": "team", "operator": "Exists"})
    answers = {MUTATING: [], POLICIES: policies, f"{POLICIES[:-3]}ybindings": []}
    ran = explain(cluster(**answers), "pod/build")
    assert (
        "no namespaceSelector of MutatingAdmissionPolicies dind-webhook-policy-daemonset, dind-webhook-policy-sidecar"
        in ran.stdout
    )


def test_a_pod_that_came_too_early_has_to_be_created_anew(explain: Explain) -> None:
    answers = cluster(**{f"{PODS}/build": pod(ownerReferences=OWNED)})
    ran = explain(answers, "po/build", "-n", "ci")
    assert "  => it has no Docker, but would be injected (sidecar) if it were created now\n" in ran.stdout
    change = "     to change that: kubectl -n ci delete pod build (ReplicaSet web-1 creates it again)\n"
    assert ran.stdout.endswith(change)


def test_a_namespace_that_has_not_opted_in_is_the_first_rule(explain: Explain) -> None:
    ran = explain(cluster(**{"/api/v1/namespaces/ci": namespace("ci")}), "pod/build")
    assert "  namespace label dind.io/inject absent\n" in ran.stdout
    assert "  ✗ The namespace has opted in\n  - The webhook configuration selects the pod\n" in ran.stdout
    assert "to change that: kubectl label namespace ci dind.io/inject=enabled --overwrite" in ran.stdout


def test_an_exempt_namespace_is_left_out_by_the_installed_selector(explain: Explain) -> None:
    exempt = configuration()
    for entry in exempt["webhooks"]:
        entry["namespaceSelector"]["matchExpressions"][1]["values"].append("ci")
    ran = explain(cluster(**{MUTATING: [exempt]}), "pod/build")
    assert "  ✓ The namespace has opted in\n  ✗ The webhook configuration selects the pod\n" in ran.stdout
    assert "no namespaceSelector of webhook configuration dind-webhook matches its namespace\n" in ran.stdout


def test_an_object_selector_leaves_pods_out(explain: Explain) -> None:
    narrow = configuration()
    narrow["webhooks"][0]["objectSelector"] = {"matchLabels": {"team": "a"}}
    ran = explain(cluster(**{MUTATING: [narrow]}), "pod/build")
    assert "the objectSelector of enabled.inject.dind.io does not match its labels\n" in ran.stdout


def test_an_operators_own_condition_is_named_as_not_evaluated(explain: Explain) -> None:
    own = configuration()
    own["webhooks"][0]["matchConditions"].append({"name": "example.com/own", "expression": "true"})
    ran = explain(cluster(**{MUTATING: [own]}), "pod/build")
    assert "match condition example.com/own is the operator's own" in ran.stdout


def test_an_annotation_on_the_deployment_is_found_from_its_pod(explain: Explain) -> None:
    replica_set = {"metadata": {"name": "web-1", "ownerReferences": [
        {"kind": "Deployment", "name": "web", "controller": True}]}}  # fmt: skip
    answers = cluster(
        **{
            f"{PODS}/build": pod(value=None, ownerReferences=OWNED),
            "/apis/apps/v1/namespaces/ci/replicasets/web-1": replica_set,
            DEPLOYMENT: deployment({"dind.io/inject": "daemonset"}, {}),
        }
    )
    ran = explain(answers, "pod/build")
    note = "annotation dind.io/inject is on the deployment, not on its pod template, and has no effect; move it to"
    assert f"     {note} spec.template.metadata.annotations\n" in ran.stdout
    assert 'to change that: kubectl -n ci patch deployment web --type merge -p \'{"spec"' in ran.stdout
    assert '"dind.io/inject":"daemonset"' in ran.stdout


@pytest.mark.parametrize("where", ["pod/build", "deployment/web"])
def test_every_annotation_one_level_too_high_is_named_as_in_a_file(explain: Explain, where: str) -> None:
    owned = pod(value=None, ownerReferences=[{"kind": "Deployment", "name": "web", "controller": True}])
    stray = deployment({"dind.io/inject": "sidecar", "dind.io/memory-limit": "1Gi"}, {})
    ran = explain(cluster(**{f"{PODS}/build": owned, DEPLOYMENT: stray}), where)
    for key in ("inject", "memory-limit"):
        assert f"annotation dind.io/{key} is on the deployment, not on its pod template" in ran.stdout


def test_a_deployment_is_judged_by_its_template_under_the_installed_settings(explain: Explain) -> None:
    ran = explain(cluster(**{DEPLOYMENT: deployment({}, {"dind.io/inject": "daemonset"})}), "deployment/web")
    assert ran.exit_code == 1
    assert "mode daemonset is switched off in this cluster (modes that are on: sidecar)" in ran.stdout


def test_an_object_of_a_cluster_is_explained_for_programs(explain: Explain) -> None:
    ran = explain(cluster(**{DEPLOYMENT: deployment({}, {"dind.io/inject": "sidecar"})}), "deploy/web", "-o", "json")
    tree = json.loads(ran.stdout)
    (web,) = tree["pods"]
    assert (web["name"], web["namespace"], web["outcome"]) == ("deployment/web", "ci", "injected")
    assert web["message"] == "its pods are injected (sidecar) when they are created"
    assert {rule["state"] for rule in web["rules"]} == {"passed"}
    assert tree["unknown"] == []


def test_a_deployment_whose_pods_are_injected_needs_no_change(explain: Explain) -> None:
    ran = explain(cluster(**{DEPLOYMENT: deployment({}, {"dind.io/inject": "sidecar"})}), "deploy/web")
    assert ran.stdout.endswith("  => its pods are injected (sidecar) when they are created\n")


def test_a_namespace_is_explained_with_its_pods(explain: Explain) -> None:
    answers = cluster(**{PODS: [pod(), injected(pod("other")), pod("third", None)]})
    ran = explain(answers, "namespace/ci")
    assert "  => pods that have dind.io/inject: sidecar or daemonset get Docker\n" in ran.stdout
    assert "     pod/build has no Docker; created now: injected (sidecar)\n     pod/other has Docker\n" in ran.stdout
    assert "     pod/third has no Docker; created now: untouched (not-requested)" in ran.stdout


def test_pod_security_that_forbids_it_is_said(explain: Explain) -> None:
    strict = opted_in("ci", "sidecar", **{"pod-security.kubernetes.io/enforce": "restricted"})
    ran = explain(cluster(**{"/api/v1/namespaces/ci": strict}), "ns/ci")
    assert "every pod gets Docker (sidecar), unless it has dind.io/inject: disabled" in ran.stdout
    assert "namespace ci enforces Pod Security level restricted" in ran.stdout


def test_what_may_not_be_read_is_assumed_and_said(explain: Explain) -> None:
    may_not = forbidden("list", "mutatingwebhookconfigurations", "admissionregistration.k8s.io")
    ran = explain(cluster(**{MUTATING: may_not}), "pod/build")
    assert ran.exit_code == 0
    assert (
        "assumed: the webhook is installed with the chart's defaults (you may not list mutatingwebhookconfigurations."
        in ran.stdout
    )
    assert "assumed: the default settings;" in ran.stdout
    assert "  ? The webhook configuration selects the pod: not checked here\n" in ran.stdout


BAD: list[tuple[Answers, tuple[str, ...], str, str]] = [
    (cluster(), ("pod/nobody",), "there is no pod nobody in namespace ci", "kubectl get pods --namespace ci"),
    (cluster(), ("namespace/nobody",), "there is no namespace nobody", "kubectl get namespaces"),
    (cluster(), ("pdo/build",), "'pdo' is not a kind that has pods; did you mean po?", ""),
    (cluster(), ("build",), "'build' is not TYPE/NAME, as in pod/build", ""),
    (cluster(), ("pod/build", "--context", "nope"), "has no context nope", "choose one of: here"),
    (
        cluster(**{"/api/v1/namespaces/ci": forbidden("get", "namespaces", where='in the namespace "ci"')}),
        ("pod/build",),
        "the label of namespace ci cannot be read: you may not get namespaces in namespace ci",
        "--namespace-label",
    ),
    (
        cluster(**{"/version": Refusal(401, "Unauthorized")}),
        ("pod/build",),
        "does not accept your credentials",
        "log in",
    ),
]


@pytest.mark.parametrize(("answers", "arguments", "error", "hint"), BAD, ids=[row[2][:40] for row in BAD])
def test_what_cannot_be_explained_gets_a_sentence_and_a_hint(
    explain: Explain, answers: Answers, arguments: tuple[str, ...], error: str, hint: str
) -> None:
    ran = explain(answers, *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: ")
    assert error in ran.stderr
    assert hint in ran.stderr
    assert len(ran.stderr.splitlines()) == (2 if hint else 1)


def test_a_pod_that_may_not_be_read_gets_a_sentence(explain: Explain) -> None:
    answers = cluster(**{f"{PODS}/build": forbidden("get", "pods", where='in the namespace "ci"')})
    ran = explain(answers, "pod/build")
    assert ran.exit_code == 2
    assert ran.stderr.startswith("error: you may not get pods in namespace ci\n")


def test_an_api_server_that_is_away_gets_a_sentence(run: Run, tmp_path: Path) -> None:
    ran = run("explain", "pod/x", "--kubeconfig", kubeconfig(tmp_path, "http://127.0.0.1:1"))
    assert ran.exit_code == 2
    assert ran.stderr.startswith("error: API server http://127.0.0.1:1 cannot be reached: Connection refused\nhint: ")


def test_either_a_file_or_an_object_has_to_be_named(run: Run, pod: Path) -> None:
    for arguments in ((), ("pod/x", "-f", pod)):
        ran = run("explain", *arguments)
        assert ran.exit_code == 2
        assert "name either an object in a cluster" in ran.stderr


def test_the_settings_of_the_namespace_decide(explain: Explain) -> None:
    text = "injection: {namespaces: [{names: [ci], modes: [daemonset]}]}"
    ran = explain(cluster(**{SETTINGS: [{"data": {"settings.yaml": text}}]}), "pod/build")
    assert "switched off in this namespace (modes that are on: daemonset)" in ran.stdout
    assert "settings                       those of this namespace" in ran.stdout
