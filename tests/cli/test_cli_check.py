"""`dind-webhook check` over a real socket to an API server in memory: findings, skipped checks, exit codes."""

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from diagnostics.healthy import (
    configuration,
    daemon,
    injected,
    injecting_policies,
    labels,
    namespace,
    node,
    opted_in,
    pod,
)
from fake_api import MUTATING, Answer, Answers, Refusal, api_server, forbidden, kubeconfig

from dind_webhook.certs.issue import issue_ca, issue_serving_cert

Run = Callable[..., Any]

SYSTEM = "/api/v1/namespaces/docker-system"
APPS = "/apis/apps/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, bytes]]:
    """Serve TLS for 127.0.0.1; yield the port and the CA."""
    ca = issue_ca(datetime.now(UTC), timedelta(days=1))
    pair = issue_serving_cert(ca, ["127.0.0.1"], datetime.now(UTC), timedelta(days=1))
    (folder / "pair.pem").write_bytes(pair.cert + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1], ca.cert
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def cluster(port: int, ca: bytes, **more: Any) -> Answers:
    """Return an install that is called by URL, with a namespace that opted in."""
    own = configuration()
    own["metadata"]["annotations"] = {"meta.helm.sh/release-namespace": "docker-system"}
    for entry in own["webhooks"]:
        path = entry["clientConfig"]["service"]["path"]
        bundle = base64.b64encode(ca).decode()
        entry["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": bundle}
    return {
        "/version": {"major": "1", "minor": "37"},
        MUTATING: [own],
        f"{ADMISSION}/validatingadmissionpolicies": [
            {"metadata": {"name": "p", "labels": labels("policy")}, "spec": {}}
        ],
        f"{ADMISSION}/validatingadmissionpolicybindings": [{"metadata": {"name": "p"}, "spec": {"policyName": "p"}}],
        f"{APPS}/namespaces/docker-system/deployments": [
            {"metadata": {"name": "dind-webhook"}, "spec": {"replicas": 2}, "status": {"readyReplicas": 2}}
        ],
        f"{APPS}/namespaces/docker-system/daemonsets": [],
        f"{SYSTEM}/configmaps": [{"data": {"settings.yaml": "injection: {modes: [sidecar]}"}}],
        "/api/v1/namespaces": [opted_in(), namespace("default")],
        "/api/v1/namespaces/ci": opted_in(),
        "/api/v1/pods": [injected(pod())],
        "/api/v1/namespaces/ci/pods": [injected(pod())],
        "/api/v1/events": [],
        "/api/v1/namespaces/ci/events": [],
        **{f"{group}/{where}{kind}": [] for where in ("", "namespaces/ci/") for group, kind in WORKLOADS},
        **more,
    }


WORKLOADS = [
    *((APPS, kind) for kind in ("deployments", "statefulsets", "daemonsets")),
    *(("/apis/batch/v1", kind) for kind in ("cronjobs", "jobs")),
]


def admit(path: str, asked: dict[str, Any]) -> Answer:
    assert path == "/api/v1/namespaces/ci/pods"
    return injected({**asked, "metadata": {**asked["metadata"], "name": "x", "namespace": "ci"}})


@pytest.fixture
def check(run: Run, tmp_path: Path) -> Callable[..., Any]:
    def check_(*arguments: str, admit: Callable[..., Answer] = admit, **more: Answer) -> Any:
        with served(tmp_path) as (port, ca), api_server(cluster(port, ca, **more), tmp_path, admit) as path:
            return run("check", *arguments, "--kubeconfig", path)

    return check_


Check = Callable[..., Any]


def checks(ran: Any) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(ran.stdout)["checks"]}


def test_a_healthy_install_has_no_finding_and_ends_with_0(check: Check) -> None:
    ran = check("-o", "json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert [one for one in checks(ran).values() if one["findings"]] == []
    assert checks(ran)["certificate-trusted"]["status"] == "passed"
    assert checks(ran)["injected"]["status"] == "passed"
    assert checks(ran)["daemonset"]["skipped"] == "daemonset mode is off"


def test_an_install_with_policies_only_is_checked_as_far_as_it_goes(run: Run, tmp_path: Path) -> None:
    policies = list(injecting_policies())
    bindings = [{"metadata": each["metadata"], "spec": {"policyName": each["metadata"]["name"]}} for each in policies]
    answers = {
        **cluster(0, b""),
        MUTATING: [],
        f"{ADMISSION}/mutatingadmissionpolicies": policies,
        f"{ADMISSION}/mutatingadmissionpolicybindings": bindings,
    }
    with api_server(answers, tmp_path, admit) as path:
        ran = run("check", "-o", "json", "--kubeconfig", path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    found = checks(ran)
    assert [each for each in found.values() if each["findings"]] == []
    assert found["injected"]["status"] == found["injecting-policy-binding"]["status"] == "passed"
    assert found["answers"]["skipped"] == "policies of the API server inject the pods"
    # The settings come from the ConfigMap of the release.
    assert found["daemonset"]["skipped"] == "daemonset mode is off"


def test_a_dry_run_asks_for_what_the_namespace_may_have(check: Check) -> None:
    asked_for = []

    def record(path: str, asked: dict[str, Any]) -> Answer:
        asked_for.append((asked["metadata"]["annotations"]["dind.io/inject"], asked["spec"]["containers"][0]["image"]))
        return admit(path, asked)

    entry = "{names: [c*], modes: [daemonset], defaults: {image: 'registry.example/docker:29-dind'}}"
    text = f"injection: {{modes: [sidecar], namespaces: [{entry}]}}"
    check(admit=record, **{f"{SYSTEM}/configmaps": [{"data": {"settings.yaml": text}}]})
    assert asked_for == [("daemonset", "registry.example/docker:29-dind")]


def test_a_failed_check_ends_with_1_a_warning_does_not(check: Check) -> None:
    level = {"pod-security.kubernetes.io/enforce": "baseline"}
    assert check("-o", "short", **{"/api/v1/namespaces": [opted_in(**level)]}).exit_code == 1
    ran = check("-o", "short", **{"/api/v1/namespaces": [namespace("default")]})
    assert ran.exit_code == 0
    assert ran.stdout.startswith("warning opted-in: namespace default has not opted in. ")


def test_a_namespace_that_is_being_deleted_is_asked_for_no_pod(check: Check) -> None:
    going = opted_in("old")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ran = check("-o", "json", **{"/api/v1/namespaces": [going, opted_in()]})
    assert ran.exit_code == 0
    assert checks(ran)["admitted"]["status"] == "passed"


def test_all_namespaces_are_checked_with_the_flag_and_without(check: Check) -> None:
    assert check("-A", "-o", "json").stdout == check("-o", "json").stdout


@pytest.mark.parametrize("arguments", [("-n", "ci"), ("--pod", "build")])
def test_all_namespaces_and_one_exclude_each_other(run: Run, arguments: tuple[str, str]) -> None:
    ran = run("check", "-A", *arguments)
    assert ran.exit_code == 2
    assert "--all-namespaces excludes --namespace and --pod" in ran.stderr


def test_an_old_cluster_is_named(check: Check) -> None:
    ran = check("-o", "short", **{"/version": {"major": "1", "minor": "29+"}})
    assert ran.exit_code == 1
    assert ran.stdout.startswith("failed api-version: the API server is 1.29+. upgrade the cluster")


def test_a_refusal_of_admission_is_told_in_its_words(check: Check) -> None:
    text = 'pods "x" is forbidden: exceeded quota: small'
    ran = check("-o", "short", admit=lambda *_: Refusal(403, text))
    assert ran.stdout.startswith(f"failed admitted: namespace ci, sidecar: {text}. ")


def test_what_may_not_be_read_is_skipped_with_the_right_that_is_missing(check: Check) -> None:
    nothing = {
        MUTATING: forbidden("list", "mutatingwebhookconfigurations", "admissionregistration.k8s.io"),
        f"{ADMISSION}/validatingadmissionpolicies": forbidden("list", "validatingadmissionpolicies", "x"),
        f"{ADMISSION}/validatingadmissionpolicybindings": forbidden("list", "validatingadmissionpolicybindings", "x"),
    }
    ran = check("-n", "ci", "-o", "json", **nothing)
    assert (ran.exit_code, ran.stderr) == (0, "")
    found = checks(ran)
    missing = "you may not list mutatingwebhookconfigurations.admissionregistration.k8s.io"
    assert {one["skipped"] for one in found.values()} == {None, missing}
    assert {name for name, one in found.items() if one["skipped"] is None} == {
        "api-version",
        "label-values",
        "pod-security",
        "pods-have-docker",
        "annotation-on-template",
        "not-denied",
    }


def test_one_pod_can_be_looked_at(check: Check) -> None:
    early = {"/api/v1/namespaces/ci/pods/build": pod()}
    ran = check("-n", "ci", "--pod", "build", "-o", "short", **early)
    assert ran.stdout.startswith("warning pods-have-docker: pod ci/build: it was created before its namespace opted in")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--pod", "nobody"), "there is no pod nobody in namespace ci"),
        (("--namespace", "nowhere"), "there is no namespace nowhere"),
        (("--release", "other"), "no installation has that name; installed: dind-webhook of release dind-webhook"),
    ],
)
def test_what_is_not_there_gets_a_sentence_and_a_hint(check: Check, arguments: tuple[str, ...], error: str) -> None:
    ran = check(*arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: {error}\nhint: ")


def test_waiting_goes_on_until_no_check_fails(run: Run, tmp_path: Path) -> None:
    tries: list[str] = []

    def later(path: str, asked: dict[str, Any]) -> Answer:
        tries.append(path)
        return Refusal(500, "not yet") if len(tries) < 2 else admit(path, asked)

    with served(tmp_path) as (port, ca), api_server(cluster(port, ca), tmp_path, later) as path:
        ran = run("check", "--wait", "2m", "-o", "short", "--kubeconfig", path)
    assert (ran.exit_code, len(tries)) == (0, 2)
    assert ran.stderr.startswith("waiting, 1")
    assert ran.stderr.endswith(" s at most, for: admitted\n")


def test_waiting_ends_where_nobody_ever_answers(run: Run, tmp_path: Path) -> None:
    ran = run("check", "--wait", "3s", "--kubeconfig", kubeconfig(tmp_path, "http://127.0.0.1:1"))
    assert ran.exit_code == 2
    assert ran.stderr.splitlines()[-2] == "error: API server http://127.0.0.1:1 cannot be reached: Connection refused"


@pytest.mark.parametrize(("flag", "value"), [("-o", "xml"), ("--wait", "soon")])
def test_a_flag_that_cannot_be_is_wrong_usage(run: Run, flag: str, value: str) -> None:
    ran = run("check", flag, value)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert value in ran.stderr


def test_without_a_kubeconfig_it_says_how_to_give_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    ran = run("check")
    assert ran.exit_code == 2
    hint = "say where it is with --kubeconfig or the variable KUBECONFIG"
    assert ran.stderr == f"error: there is no kubeconfig at {tmp_path}/none\nhint: {hint}\n"


def test_what_is_no_kubeconfig_is_said_without_a_traceback(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no: [kubeconfig")
    ran = run("check", "--kubeconfig", tmp_path / "text")
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"error: kubeconfig {tmp_path}/text cannot be used")


def said_of(ran: Any, port: int, why: str) -> bool:
    assert (ran.exit_code, ran.stdout) == (2, "")
    error, hint = ran.stderr.splitlines()
    assert hint == "hint: correct certificate-authority-data of that cluster in your kubeconfig"
    return error.startswith(f"error: the certificate of API server https://127.0.0.1:{port} is not trusted: {why}")


def test_an_api_server_with_a_certificate_of_another_ca_is_not_trusted(run: Run, tmp_path: Path) -> None:
    with served(tmp_path) as (port, _):
        ran = run("check", "--kubeconfig", kubeconfig(tmp_path, f"https://127.0.0.1:{port}"))
    assert said_of(ran, port, "unable to get local issuer certificate")


def test_a_ca_in_the_kubeconfig_that_is_none_is_said(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ran = run("check", "--kubeconfig", kubeconfig(tmp_path, f"https://127.0.0.1:{port}", ca=b"none"))
    assert said_of(ran, port, "no certificate or crl found")


def test_credentials_that_cannot_be_had_end_it(run: Run, tmp_path: Path) -> None:
    login = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-login"}}
    with api_server({}, tmp_path) as path:
        server = json.loads(path.read_text())["clusters"][0]["cluster"]["server"]
        ran = run("check", "--kubeconfig", kubeconfig(tmp_path, server, user=login))
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: kubeconfig {path} leads to no credentials: ")
    assert "no-such-login" in ran.stderr


def test_who_is_anonymous_is_asked_to_log_in(check: Check) -> None:
    nobody = forbidden("list", "namespaces")
    ran = check(**{"/api/v1/namespaces": nobody._replace(message=nobody.message.replace('"u"', '"system:anonymous"'))})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "does not accept your credentials\nhint: log in again" in ran.stderr


@pytest.mark.parametrize(
    "version", [Refusal(400, "an HTTP request to an HTTPS server"), {"etcdserver": "3.6"}], ids=["refuses", "is etcd"]
)
def test_what_is_no_api_server_is_not_checked(check: Check, version: Answer) -> None:
    ran = check(**{"/version": version})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "cannot be reached: the server there is not an API server" in ran.stderr


def test_an_address_without_a_scheme_is_said(run: Run, tmp_path: Path) -> None:
    ran = run("check", "--kubeconfig", kubeconfig(tmp_path, "127.0.0.1:6443"))
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "has a server without https:// or http://: 127.0.0.1:6443\nhint: " in ran.stderr


def called_through_a_service(**more: Answer) -> dict[str, Answer]:
    """Return the objects of an install with two replicas, a Service that the API server calls, and daemons on nodes."""
    own = configuration()
    own["metadata"]["annotations"] = {"meta.helm.sh/release-namespace": "docker-system"}
    ready = {"conditions": {"ready": True}}
    pods = [{**ready, "targetRef": {"kind": "Pod", "namespace": "docker-system", "name": name}} for name in "ab"]
    selector = {"app.kubernetes.io/name": "dind"}
    return {
        MUTATING: [own],
        f"{SYSTEM}/services/dind-webhook": {
            "metadata": {"name": "dind-webhook"},
            "spec": {"ports": [{"port": 443}], "selector": labels("webhook")},
        },
        "/apis/discovery.k8s.io/v1/namespaces/docker-system/endpointslices": [
            {"ports": [{"port": 10250}], "endpoints": pods}
        ],
        f"{APPS}/namespaces/docker-system/deployments": [
            {
                "metadata": {"name": "dind-webhook"},
                "spec": {"replicas": 2, "template": {"metadata": {"labels": labels("webhook")}}},
                "status": {"readyReplicas": 2},
            }
        ],
        f"{APPS}/namespaces/docker-system/daemonsets": [
            {
                "metadata": {"name": "dind-webhook-dind", "namespace": "docker-system"},
                "spec": {
                    "selector": {"matchLabels": selector},
                    "template": {"spec": {"volumes": [{"name": "run", "hostPath": {"path": "/var/run/dind"}}]}},
                },
            }
        ],
        f"{SYSTEM}/configmaps": [{"data": {"settings.yaml": "injection: {modes: [sidecar, daemonset]}"}}],
        f"{SYSTEM}/pods": [daemon("one")],
        "/api/v1/nodes": [node("one")],
        **more,
    }


def test_pods_that_answer_no_handshake_are_named_one_by_one(check: Check) -> None:
    found = checks(check("-o", "json", **called_through_a_service()))
    assert [found[name]["status"] for name in ("service", "replicas", "daemonset")] == ["passed"] * 3
    (finding, other) = found["answers"]["findings"]
    assert finding["sentence"].startswith("pod a: ")
    assert other["sentence"].startswith("pod b: ")


def test_without_the_right_to_reach_pods_their_certificates_are_not_looked_at(check: Check) -> None:
    refused = {
        f"{SYSTEM}/pods/{name}/portforward": forbidden("create", "pods/portforward", where="in docker-system")
        for name in "ab"
    }
    found = checks(check("-o", "json", **called_through_a_service(**refused)))
    assert found["certificate-trusted"]["skipped"] == "you may not create pods/portforward"


def test_a_service_that_is_gone_is_named(check: Check) -> None:
    install = called_through_a_service()
    del install[f"{SYSTEM}/services/dind-webhook"]
    ran = check("-o", "json", **install)
    assert ran.exit_code == 1
    assert checks(ran)["service"]["findings"]


def test_without_a_ready_endpoint_no_certificate_is_looked_at(check: Check) -> None:
    none: Answers = {"/apis/discovery.k8s.io/v1/namespaces/docker-system/endpointslices": []}
    found = checks(check("-o", "json", **called_through_a_service(**none)))
    assert found["certificate-trusted"]["skipped"] == "there is no ready endpoint"
    assert found["endpoints"]["findings"]


def test_settings_that_cannot_be_read_are_those_of_an_operator_who_changed_nothing(check: Check) -> None:
    broken: Answers = {f"{SYSTEM}/configmaps": [{"data": {"settings.yaml": "injection: {modes: [sidecars]}"}}]}
    found = checks(check("-o", "json", **called_through_a_service(**broken)))
    assert found["daemonset"]["status"] != "passed" or found["daemonset"]["skipped"]
