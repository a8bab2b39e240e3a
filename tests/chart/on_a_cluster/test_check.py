"""Each test breaks an install in one way: `dind-webhook check` must report the fault, and its hint must fix it.

The server is a process of this machine, which the API server calls by URL, so the cluster needs no node. The tests
write the status of nodes and pods themselves.
"""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import yaml
from helm import CHART, tool
from kubernetes import client
from other_webhooks import respond_with_patch, serve_webhook, strip_restart_policies
from secret_volume import SecretVolume
from webhook_process import PROGRAM, eventually, run_program

from dind_webhook.certs import KeyPair
from dind_webhook.certs.issue import issue_ca, issue_serving_cert

INJECT = "dind.io/inject"
ENFORCE = "pod-security.kubernetes.io/enforce"
POD = {"spec": {"containers": [{"name": "build", "image": "build:1"}]}}
PATIENCE_SECONDS = 60


def now() -> datetime:
    return datetime.now(UTC)


class Install:
    """A release, its server, and a namespace that opted in, with methods to break them."""

    def __init__(self, api: client.ApiClient, kubeconfig: Path, folder: Path) -> None:
        self.core = client.CoreV1Api(api)
        self.apps = client.AppsV1Api(api)
        self.admission = client.AdmissionregistrationV1Api(api)
        self.run_id = token_hex(3)
        self.name = f"dind-webhook-{self.run_id}"
        self.system, self.ci = f"check-{self.run_id}-system", f"check-{self.run_id}-ci"
        self.kubeconfig = kubeconfig.absolute()
        self.folder = folder
        self.ca = issue_ca(now(), timedelta(days=30))
        (folder / "tls").mkdir()
        self.mount = SecretVolume(folder / "tls")
        self.serve_cert()

    def serve_cert(
        self, host: str = "127.0.0.1", ca: KeyPair | None = None, life: timedelta = timedelta(days=9)
    ) -> None:
        pair = issue_serving_cert(ca or self.ca, [host], now(), life)
        self.mount.put(pair.cert, pair.key)

    @contextmanager
    def run_server(self, port: int = 0) -> Iterator[int]:
        """Run the server; yield its port."""
        arguments = ["serve", "--tls-cert-file", self.mount.pair[0], "--tls-key-file", self.mount.pair[1]]
        arguments += ["--host", "127.0.0.1", "--port", str(port), "--health-port", "0"]
        environ = {"DIND_WEBHOOK_SERVER__RELOAD_SECONDS": "0.2", "DIND_WEBHOOK_INJECTION__MODES": '["sidecar"]'}
        log_file = self.folder / f"serve-{token_hex(3)}.log"
        with run_program(arguments, environ, log_file):

            def listening() -> list[Any]:
                lines = [json.loads(line) for line in log_file.read_text().splitlines()]
                return [line["port"] for line in lines if line["event"] == "listening"]

            eventually(listening)
            yield listening()[0]

    def helm(self, *arguments: str) -> None:
        command = [tool("helm4"), *arguments, "--kubeconfig", str(self.kubeconfig)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def install(self, port: int) -> None:
        values = {
            "webhook": {
                "url": f"https://127.0.0.1:{port}",
                # The release must not select pods of other tests.
                "namespaceSelector": [{"key": "check", "operator": "In", "values": [self.run_id]}],
            },
            "tls": {"mode": "existingSecret", "existingSecret": {"name": "own", "caBundle": self.ca.cert.decode()}},
        }
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        self.helm("install", self.name, str(CHART), "-n", self.system, "--create-namespace", "-f", str(file))

    def check(self, *arguments: str) -> dict[str, Any]:
        """Run `dind-webhook check`, and return the checks by name."""
        scope = ("--webhook", self.name, "--namespace", self.ci, "--kubeconfig", str(self.kubeconfig))
        command = [PROGRAM, "check", "-o", "json", *scope, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 1), done.stderr
        tree = json.loads(done.stdout)
        assert tree["success"] is (done.returncode == 0)
        return {check["name"]: check for check in tree["checks"]}

    def wait_for_finding(self, check: str, sentence: str) -> str:
        """Wait until a check has a finding with this sentence, and return the hint of the finding."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = self.check()[check]
            for finding in found["findings"]:
                if sentence in finding["sentence"]:
                    return str(finding["hint"])
            assert time.monotonic() < end, found

    def wait_until_passed(self, check: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := self.check()[check])["status"] != "passed":
            assert time.monotonic() < end, found

    def apply_hint(self, hint: str) -> None:
        """Run the command in a hint."""
        command = next(iter(re.findall(r"`((?:kubectl|helm) .*?)`", hint)), hint).partition(", then ")[0]
        if command.startswith("helm"):
            self.helm(*[str(CHART) if word == "CHART" else word for word in shlex.split(command)[1:]])
            return
        assert command.startswith("kubectl "), hint
        kubectl = shutil.which("kubectl")
        assert kubectl, "hints are followed with kubectl, which has to be on the PATH"
        arguments = [kubectl, "--kubeconfig", str(self.kubeconfig), *shlex.split(re.sub(r" \(.*\)$", "", command))[1:]]
        done = subprocess.run(arguments, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def patch_webhook(self, change: Callable[[dict[str, Any]], object], which: str = "enabled") -> None:
        body = self.admission.api_client.sanitize_for_serialization(
            self.admission.read_mutating_webhook_configuration(self.name)
        )
        entry = next(one for one in body["webhooks"] if one["name"].startswith(which))
        if change(entry) == "drop":
            body["webhooks"].remove(entry)
        self.admission.replace_mutating_webhook_configuration(self.name, body)

    def label(self, value: str | None, **more: str | None) -> None:
        labels = {INJECT: value, ENFORCE: "privileged", "check": self.run_id, **more}
        self.core.patch_namespace(self.ci, {"metadata": {"labels": labels}})

    def pod(self, name: str, mode: str | None = "sidecar") -> None:
        metadata = {"name": name, "annotations": {INJECT: mode} if mode else {}}
        self.core.create_namespaced_pod(self.ci, {"metadata": metadata, **POD})


@pytest.fixture(scope="module")
def install(
    api: client.ApiClient, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Install, int]]:
    one = Install(api, kubeconfig, tmp_path_factory.mktemp("install"))
    one.core.create_namespace({"metadata": {"name": one.ci}})
    one.label("enabled")
    with one.run_server() as port:
        one.install(port)
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while not all(
                found["status"] in ("passed", "skipped") or name == "replicas" for name, found in one.check().items()
            ):
                failing = {name: found for name, found in one.check().items() if found["findings"]}
                assert time.monotonic() < end, failing
            yield one, port
        finally:
            one.helm("uninstall", one.name, "-n", one.system)
            one.core.delete_namespace(one.ci)
            one.core.delete_namespace(one.system)


@pytest.fixture
def broken(install: tuple[Install, int]) -> Install:
    """Return the install, for one test to break and fix."""
    return install[0]


def set_to(member: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda entry: entry.update({member: value})


DRIFT: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("entries", lambda _: "drop", "enabled.inject.dind.io is missing"),
    ("entries", set_to("namespaceSelector", None), "namespaceSelector of enabled.inject.dind.io matches namespaces"),
    ("entries", lambda entry: entry["matchConditions"][0].update(expression="true"), "asked-for true instead of"),
    ("entries", lambda entry: entry["rules"][0].update(operations=["UPDATE"]), "has rules UPDATE v1 pods"),
    ("entries", set_to("sideEffects", "NoneOnDryRun"), "sideEffects NoneOnDryRun instead of None"),
    ("entries", lambda entry: entry["clientConfig"].update(url="https://127.0.0.1:1/x"), "has path /x instead of"),
]


@pytest.mark.parametrize(("check", "change", "sentence"), DRIFT, ids=[row[2] for row in DRIFT])
def test_a_configuration_that_was_changed(
    broken: Install, check: str, change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    broken.patch_webhook(change)
    broken.apply_hint(broken.wait_for_finding(check, sentence))
    broken.wait_until_passed(check)


@pytest.mark.parametrize(
    ("check", "member", "value"),
    [("reinvocation", "reinvocationPolicy", "Never"), ("timeout", "timeoutSeconds", 30)],
)
def test_a_value_that_does_harm(broken: Install, check: str, member: str, value: Any) -> None:
    broken.patch_webhook(set_to(member, value))
    found = re.search(r"(webhook\.\w+) to (\w+)", broken.wait_for_finding(check, str(value)))
    assert found
    flags = ("--reuse-values", "--force-conflicts", "--set", f"{found[1]}={found[2]}")
    broken.helm("upgrade", broken.name, str(CHART), "-n", broken.system, *flags)
    broken.wait_until_passed(check)


def test_a_policy_without_its_binding(broken: Install) -> None:
    broken.admission.delete_validating_admission_policy_binding(broken.name)
    broken.apply_hint(broken.wait_for_finding("policy-binding", "no ValidatingAdmissionPolicyBinding names"))
    broken.wait_until_passed("policy-binding")


def test_a_ca_bundle_of_another(broken: Install) -> None:
    other = base64.b64encode(issue_ca(now(), timedelta(days=1)).cert).decode()
    for which in ("enabled", "sidecar", "daemonset"):
        broken.patch_webhook(lambda entry: entry["clientConfig"].update(caBundle=other), which)
    hint = broken.wait_for_finding("certificate-trusted", "serves a certificate of CN=dind-webhook CA")
    assert "tls.existingSecret.caBundle" in hint
    assert "cannot call enabled.inject.dind.io" in broken.check()["called"]["findings"][0]["sentence"]
    # The value is set already; the upgrade reverts the change that was made without helm.
    broken.helm("upgrade", broken.name, str(CHART), "-n", broken.system, "--reuse-values", "--force-conflicts")
    broken.wait_until_passed("certificate-trusted")
    broken.wait_until_passed("called")


def test_a_certificate_for_another_name(broken: Install) -> None:
    broken.serve_cert("other.example")
    assert "subjectAltName has 127.0.0.1" in broken.wait_for_finding(
        "certificate-name", "for other.example, not for 127.0.0.1"
    )
    broken.serve_cert()
    broken.wait_until_passed("certificate-name")
    broken.wait_until_passed("called")


def test_a_certificate_that_expired(broken: Install) -> None:
    broken.serve_cert(life=timedelta(seconds=3))
    assert "put a new certificate into it" in broken.wait_for_finding(
        "certificate-valid", "serves a certificate that expired at"
    )
    broken.serve_cert()
    broken.wait_until_passed("certificate-valid")


def test_a_server_that_is_away(install: tuple[Install, int]) -> None:
    broken, port = install
    # The same address with a port that refuses connections
    broken.patch_webhook(lambda entry: entry["clientConfig"].update(url="https://127.0.0.1:1/mutate"), "daemonset")
    hint = broken.wait_for_finding("answers", "127.0.0.1:1 does not answer: Connection refused")
    assert f"kubectl -n {broken.system} logs" in hint
    url = f"https://127.0.0.1:{port}/mutate/daemonset"
    broken.patch_webhook(lambda entry: entry["clientConfig"].update(url=url), "daemonset")
    broken.wait_until_passed("answers")


def test_a_namespace_that_does_not_allow_privileged_pods(broken: Install) -> None:
    broken.label("enabled", **{ENFORCE: "baseline"})
    hint = broken.wait_for_finding("admitted", "violates PodSecurity")
    assert broken.wait_for_finding("pod-security", "enforces Pod Security level baseline") == hint
    broken.apply_hint(hint)
    broken.wait_until_passed("pod-security")
    broken.wait_until_passed("admitted")


def test_a_label_with_a_typo(broken: Install) -> None:
    broken.label("sidcar")
    assert "has not opted in" in broken.check()["injected"]["skipped"]
    broken.apply_hint(broken.wait_for_finding("label-values", f'{INJECT}="sidcar", which is not an accepted value'))
    broken.wait_until_passed("label-values")
    assert broken.core.read_namespace(broken.ci).metadata.labels[INJECT] == "sidecar"
    broken.label("enabled")


def test_a_pod_in_a_namespace_that_has_not_opted_in(broken: Install) -> None:
    broken.label(None)
    broken.pod("early")
    hint = broken.wait_for_finding("pods-have-docker", "the namespace has no label")
    # The first hint sets the label, the second deletes the pod.
    broken.apply_hint(hint)
    assert "created before its namespace opted in" in broken.check()["pods-have-docker"]["findings"][0]["sentence"]
    broken.apply_hint(broken.wait_for_finding("pods-have-docker", "pod"))
    eventually(lambda: not broken.core.list_namespaced_pod(broken.ci).items)
    broken.pod("early")
    broken.wait_until_passed("pods-have-docker")
    broken.core.delete_namespaced_pod("early", broken.ci, grace_period_seconds=0)


def test_a_deployment_that_is_annotated_itself(broken: Install) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": POD["spec"]}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    metadata = {"name": "web", "annotations": {INJECT: "sidecar"}}
    broken.apps.create_namespaced_deployment(broken.ci, {"metadata": metadata, "spec": spec})
    broken.apply_hint(broken.wait_for_finding("annotation-on-template", "its pod template has not"))
    broken.wait_until_passed("annotation-on-template")
    broken.apps.delete_namespaced_deployment("web", broken.ci)


def test_a_job_whose_pods_are_denied(broken: Install, api: client.ApiClient) -> None:
    template = {"metadata": {"annotations": {INJECT: "sidcar"}}, "spec": {**POD["spec"], "restartPolicy": "Never"}}
    batch = client.BatchV1Api(api)
    batch.create_namespaced_job(broken.ci, {"metadata": {"name": "typo"}, "spec": {"template": template}})
    hint = broken.wait_for_finding("not-denied", '"sidcar" is not accepted (did you mean "sidecar"?)')
    assert "pod template" in hint
    batch.delete_namespaced_job("typo", broken.ci, propagation_policy="Background")
    broken.core.delete_collection_namespaced_event(broken.ci)
    broken.wait_until_passed("not-denied")


@contextmanager
def deny_policy(install: Install, expression: str) -> Iterator[str]:
    """Install another ValidatingAdmissionPolicy for the namespace."""
    name = f"no-privileged-{install.run_id}"
    selector = {"matchLabels": {"check": install.run_id}}
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    spec = {
        "matchConstraints": {"resourceRules": rules, "namespaceSelector": selector},
        "validations": [{"expression": expression, "message": "no privileged containers here"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    install.admission.create_validating_admission_policy({"metadata": {"name": name}, "spec": spec})
    install.admission.create_validating_admission_policy_binding({"metadata": {"name": name}, "spec": binding})
    try:
        yield name
    finally:
        install.admission.delete_validating_admission_policy_binding(name)
        install.admission.delete_validating_admission_policy(name)


def test_a_policy_that_forbids_privileged_containers(broken: Install) -> None:
    no = "!object.spec.?initContainers.orValue([]).exists(c, c.?securityContext.?privileged.orValue(false))"
    with deny_policy(broken, no) as name:
        hint = broken.wait_for_finding("admitted", f"ValidatingAdmissionPolicy '{name}'")
        assert f"exclude namespace {broken.ci}" in hint
    broken.wait_until_passed("admitted")


def test_a_webhook_that_strips_the_restart_policy(broken: Install) -> None:
    """Webhooks do this that were built before native sidecars and return the complete pod."""
    name = f"zz-old-injector-{broken.run_id}"
    with serve_webhook("127.0.0.1", respond_with_patch(strip_restart_policies)) as config:
        webhook = {
            "name": "old.example.com",
            "clientConfig": config,
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"check": broken.run_id}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        broken.admission.create_mutating_webhook_configuration({"metadata": {"name": name}, "webhooks": [webhook]})
        try:
            assert name in broken.wait_for_finding("kept", "whose restartPolicy another webhook may have dropped")
        finally:
            broken.admission.delete_mutating_webhook_configuration(name)
    broken.wait_until_passed("kept")
    broken.wait_until_passed("injected")


def test_a_daemon_that_is_down_and_a_node_that_has_none(broken: Install) -> None:
    daemonset = ("--reuse-values", "--force-conflicts", "--set", "daemonset.enabled=true")
    broken.helm("upgrade", broken.name, str(CHART), "-n", broken.system, *daemonset)
    nodes = [f"node-{broken.run_id}-{letter}" for letter in "ab"]
    for node in nodes:
        labels = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": node}
        broken.core.create_node({"metadata": {"name": node, "labels": labels}})
    try:
        broken.wait_for_finding("daemonset-coverage", "no daemon on")
        # Without a scheduler the pods of a DaemonSet get no node, so the test creates pods on the nodes. They have
        # another owner, because the controller of the DaemonSet ignores such pods.
        (found,) = broken.apps.list_namespaced_daemon_set(broken.system).items
        labels = found.spec.template.metadata.labels
        system = broken.core.read_namespace(broken.system).metadata
        owner = {"apiVersion": "v1", "kind": "Namespace", "name": system.name, "uid": system.uid, "controller": True}
        for node in nodes:
            metadata = {"name": f"dind-{node}", "labels": labels, "ownerReferences": [owner]}
            pod = {"metadata": metadata, "spec": {**POD["spec"], "nodeName": node}}
            broken.core.create_namespaced_pod(broken.system, pod)
        hint = broken.wait_for_finding("daemonset-ready", f"the daemon on {nodes[1]} is not ready: pod dind-{nodes[1]}")
        assert f"kubectl -n {broken.system} logs dind-{nodes[1]} -c dind" in hint
        for node in nodes:
            status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
            broken.core.patch_namespaced_pod_status(f"dind-{node}", broken.system, status)
        broken.wait_until_passed("daemonset-coverage")
    finally:
        for node in nodes:
            broken.core.delete_node(node)
        broken.helm("upgrade", broken.name, str(CHART), "-n", broken.system, *daemonset[:-1], "daemonset.enabled=false")


def test_a_user_of_one_namespace_gets_what_he_may_read(broken: Install, api: client.ApiClient) -> None:
    """There is no error and no traceback: the skipped checks name the missing permission."""
    rbac = client.RbacAuthorizationV1Api(api)
    account = f"user-{broken.run_id}"
    broken.core.create_namespaced_service_account(broken.ci, {"metadata": {"name": account}})
    subject = {"kind": "ServiceAccount", "name": account, "namespace": broken.ci}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    rbac.create_namespaced_role_binding(
        broken.ci, {"metadata": {"name": account}, "roleRef": role, "subjects": [subject]}
    )
    token = broken.core.create_namespaced_service_account_token(account, broken.ci, {"spec": {}}).status.token
    tree = yaml.safe_load(broken.kubeconfig.read_text())
    tree["users"] = [{"name": user["name"], "user": {"token": token}} for user in tree["users"]]
    file = broken.folder / "user.yaml"
    file.write_text(yaml.safe_dump(tree))
    command = [PROGRAM, "check", "-o", "json", "-n", broken.ci, "--kubeconfig", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ)
    assert (done.returncode, done.stderr) == (0, "")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (
        "you may not list mutatingwebhookconfigurations.admissionregistration.k8s.io" in checks["installed"]["skipped"]
    )
    assert {checks[name]["status"] for name in ("pods-have-docker", "not-denied", "pod-security")} == {"passed"}
