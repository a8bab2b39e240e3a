"""Clusters with one fault each, and the finding that `check` must report."""

import base64
import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from diagnostics.healthy import (
    NOW,
    POLICY,
    USER_NAMESPACES,
    configuration,
    daemon,
    dry_run,
    healthy,
    injected,
    labels,
    leaf,
    namespace,
    node,
    opted_in,
    pod,
    without_webhook,
)

from dind_webhook.certs.issue import issue_ca
from dind_webhook.diagnostics import Snapshot
from dind_webhook.diagnostics.dry_run_pod import dry_run_pod
from dind_webhook.diagnostics.snapshot import DryRun, ObjectId, ServerEndpoint
from dind_webhook.injection import Isolation, Mode, Policy
from dind_webhook.settings import InjectionSettings, make_policy

ENABLED = "enabled.inject.dind.io"


def configuration_with(change: Callable[[dict[str, Any]], object], which: int = 0) -> Snapshot:
    """Return the healthy snapshot with a change in one webhook of the configuration."""
    own = copy.deepcopy(configuration())
    change(own["webhooks"][which])
    return healthy(configuration=own)


def orphan_of(release: str = "dind-webhook", namespace: str = "docker-system") -> dict[str, Any]:
    """Return an object of a release."""
    own = {**labels("policy"), "app.kubernetes.io/instance": release}
    return {"metadata": {"name": release, "labels": own, "annotations": {"meta.helm.sh/release-namespace": namespace}}}


def tenants(settings: dict[str, Any], *entries: dict[str, Any]) -> Policy:
    """Return the policy with entries for namespaces."""
    return make_policy(InjectionSettings.model_validate({**settings, "namespaces": entries}))


def dry_run_refused_with(text: str) -> Snapshot:
    return healthy(dry_runs=(DryRun("ci", Mode.SIDECAR, None, text),))


def dry_run_with(change: Callable[[dict[str, Any]], object], mode: Mode = Mode.SIDECAR) -> Snapshot:
    run = dry_run(mode)
    assert run.pod is not None
    change(run.pod)
    return healthy(dry_runs=(run,))


def daemons_with_files(files: str, objects: dict[ObjectId, Any], **options: str) -> Snapshot:
    """Return a snapshot with a pod whose daemon gets these files and a CA, and with ConfigMaps and Secrets."""
    texts = {"daemon-files": files, "ca": "company-ca", **options}
    asked = pod(annotations={"dind.io/inject": "sidecar", **{f"dind.io/{name}": text for name, text in texts.items()}})
    policy = replace(POLICY, allowed_options=frozenset(texts))
    ca = {ObjectId("ci", "ConfigMap", "company-ca"): {"data": {"ca.crt": "-----"}}}
    return healthy(pods=(injected(asked, policy),), daemon_objects={**ca, **objects})


def without(member: str) -> Callable[[dict[str, Any]], object]:
    return lambda entry: entry.pop(member)


def set_to(member: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda entry: entry.update({member: value})


def workload(kind: str, template: dict[str, str], own: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "web", "namespace": "ci", "annotations": own or {"dind.io/inject": "sidecar"}},
        "spec": {"template": {"metadata": {"annotations": template}}},
    }


def event(message: str) -> dict[str, Any]:
    involved = {"kind": "Job", "namespace": "ci", "name": "build"}
    return {"reason": "FailedCreate", "involvedObject": involved, "message": message}


def crash_looping(pod_: dict[str, Any]) -> dict[str, Any]:
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    return pod_ | {"status": {"initContainerStatuses": [{"name": "dind", "state": state}]}}


def with_own_daemon(pod_: dict[str, Any]) -> dict[str, Any]:
    pod_["spec"]["containers"].append({"name": "docker", "image": "docker:29-dind"})
    return pod_


def without_restart_policy(pod_: dict[str, Any]) -> dict[str, Any]:
    pod_["spec"]["initContainers"][0].pop("restartPolicy")
    return pod_


PATCH = (
    "kubectl -n ci patch deployment web --type merge -p "
    '\'{"spec":{"template":{"metadata":{"annotations":{"dind.io/inject":"sidecar"}}}}}\''
)
LATER = {
    "metadata": {"name": "kyverno-resource-mutating-webhook-cfg"},
    "webhooks": [{"name": "mutate.kyverno.svc-fail", "rules": [{"resources": ["pods"]}]}],
}
NOT_INJECTED = (
    "ValidatingAdmissionPolicy 'dind-webhook' with binding 'dind-webhook' denied request: dind.io/inject: the pod asks "
    "for sidecar and has no container dind; is the webhook dind-webhook ready?"
)
EXPIRED = NOW - timedelta(days=31)
# The name of the check, the snapshot, a part of the finding's sentence, a part of the hint
BROKEN: list[tuple[str, Snapshot, str, str]] = [
    ("api-version", healthy(version="1.29"), "the API server is 1.29", "upgrade the cluster"),
    ("installed", healthy(configuration=None), "there is neither a MutatingWebhookConfiguration", "helm install"),
    (
        "installed",
        healthy(configuration=None, orphan=orphan_of("ci-docker", "tools")),
        "but ci-docker of release ci-docker still exists",
        "helm upgrade ci-docker CHART --namespace tools",
    ),
    (
        "one-installation",
        healthy(configurations=(configuration(), configuration("other"))),
        "the API server sends pods of namespace ci to dind-webhook, other",
        "helm uninstall",
    ),
    (
        "entries",
        healthy(configuration={**configuration(), "webhooks": configuration()["webhooks"][1:]}),
        f"{ENABLED} is missing: no webhook is called for namespaces dind.io/inject=enabled",
        "helm upgrade dind-webhook CHART --namespace docker-system",
    ),
    (
        "entries",
        configuration_with(lambda entry: entry["clientConfig"]["service"].update(path="/mutate"), 1),
        "sidecar.inject.dind.io has path /mutate instead of /mutate/sidecar",
        "helm upgrade",
    ),
    (
        "entries",
        configuration_with(lambda entry: entry["clientConfig"]["service"].update(name="other")),
        "the webhooks call different servers: Service docker-system/dind-webhook:443, Service docker-system/other:443",
        "helm upgrade",
    ),
    ("entries", configuration_with(set_to("rules", [])), f"{ENABLED} has no rules", "helm upgrade"),
    (
        "entries",
        configuration_with(lambda entry: entry.update(rules=[{**entry["rules"][0], "operations": ["UPDATE"]}])),
        f"{ENABLED} has rules UPDATE v1 pods Namespaced instead of CREATE v1 pods Namespaced",
        "helm upgrade",
    ),
    (
        "entries",
        configuration_with(lambda entry: entry.update(rules=[*entry["rules"], {**entry["rules"][0], "scope": "*"}])),
        f"{ENABLED} has rules CREATE v1 pods Namespaced; CREATE v1 pods * instead of CREATE v1 pods Namespaced",
        "helm upgrade",
    ),
    (
        "entries",
        configuration_with(without("namespaceSelector")),
        f"the namespaceSelector of {ENABLED} matches namespaces without the label dind.io/inject",
        "helm upgrade",
    ),
    (
        "entries",
        configuration_with(set_to("namespaceSelector", {"matchLabels": {"dind.io/inject": "on"}})),
        f"the namespaceSelector of {ENABLED} does not match namespaces labelled dind.io/inject=enabled",
        "helm upgrade",
    ),
    (
        "exempt-namespaces",
        configuration_with(set_to("namespaceSelector", {"matchLabels": {"dind.io/inject": "enabled"}})),
        f"{ENABLED} does not exempt docker-system, kube-node-lease, kube-public, kube-system",
        "webhook.exemptNamespaces",
    ),
    (
        "entries",
        configuration_with(lambda entry: entry["matchConditions"].pop(0)),
        f"{ENABLED} has no match condition dind.io/asked-for",
        "helm upgrade",
    ),
    (
        "entries",
        configuration_with(lambda entry: entry["matchConditions"][1].update(expression="true")),
        f"{ENABLED} has match condition dind.io/not-opted-out true instead of has(object.metadata.annotations) && ",
        "helm upgrade",
    ),
    (
        "entries",
        configuration_with(set_to("sideEffects", "NoneOnDryRun")),
        f"{ENABLED} has sideEffects NoneOnDryRun instead of None",
        "helm upgrade",
    ),
    (
        "failure-policy",
        replace(configuration_with(set_to("failurePolicy", "Ignore")), policy_bindings=()),
        f"failurePolicy is Ignore for {ENABLED}, and no policy checks that pods were injected",
        "webhook.failurePolicy to Fail",
    ),
    (
        "failure-policy",
        replace(
            configuration_with(set_to("failurePolicy", "Ignore")),
            admission_policies=(
                {"metadata": {"name": "dind-webhook-advisory", "labels": labels("advisory")}, "spec": {}},
            ),
            policy_bindings=({"metadata": {"name": "advisory"}, "spec": {"policyName": "dind-webhook-advisory"}},),
        ),
        f"failurePolicy is Ignore for {ENABLED}, and no policy checks that pods were injected",
        "webhook.failurePolicy to Fail",
    ),
    (
        "policy-binding",
        healthy(policy_bindings=()),
        "no ValidatingAdmissionPolicyBinding names dind-webhook",
        "helm upgrade",
    ),
    (
        "policy-binding",
        healthy(admission_policies=(), policy_bindings=({**orphan_of(), "spec": {"policyName": "dind-webhook"}},)),
        "there is no ValidatingAdmissionPolicy dind-webhook for binding dind-webhook",
        "helm upgrade",
    ),
    (
        "injecting-policy-binding",
        without_webhook(bound_injecting_policies=frozenset({"dind-webhook-policy-daemonset"})),
        "no MutatingAdmissionPolicyBinding names dind-webhook-policy-sidecar, so it injects no pod",
        "helm upgrade dind-webhook CHART --namespace docker-system",
    ),
    (
        "opted-in",
        without_webhook(namespaces=(namespace("default"), opted_in("kube-system"))),
        "none of 2 namespaces has opted in",
        "kubectl label namespace",
    ),
    (
        "not-exempt",
        without_webhook(namespaces=(opted_in(), opted_in("kube-system"))),
        "namespace kube-system has the label, but no webhook and no policy that injects selects it",
        "kubectl label namespace kube-system",
    ),
    (
        "injected",
        without_webhook(dry_runs=(DryRun("ci", Mode.SIDECAR, dry_run_pod(Mode.SIDECAR, POLICY)),)),
        "the pod came back without Docker, so no policy has injected it",
        "fix the failed checks above",
    ),
    (
        "injected",
        without_webhook(
            dry_runs=(
                DryRun(
                    "ci",
                    Mode.SIDECAR,
                    None,
                    "dind.io/inject: the pod asks for sidecar, but MutatingAdmissionPolicy p has not injected it",
                ),
            )
        ),
        "the pod came back without Docker, so no policy has injected it",
        "fix the failed checks above",
    ),
    (
        "reinvocation",
        configuration_with(set_to("reinvocationPolicy", "Never")),
        f"{ENABLED} has reinvocationPolicy Never",
        "webhook.reinvocationPolicy to IfNeeded",
    ),
    (
        "timeout",
        configuration_with(set_to("timeoutSeconds", 30)),
        f"{ENABLED} has a timeout of 30 s",
        "webhook.timeoutSeconds to 5",
    ),
    (
        "timeout",
        configuration_with(set_to("timeoutSeconds", 1)),
        f"{ENABLED} has a timeout of 1 s",
        "webhook.timeoutSeconds to 5",
    ),
    (
        "round-0",
        healthy(configurations=(configuration(), LATER)),
        "kyverno-resource-mutating-webhook-cfg comes later in the order of names and may annotate pods",
        "zz-dind-webhook",
    ),
    ("service", healthy(service=None), "Service docker-system/dind-webhook does not exist", "helm upgrade"),
    (
        "service",
        healthy(service={"metadata": {"name": "dind-webhook"}, "spec": {"ports": [{"port": 8443}]}}),
        "Service docker-system/dind-webhook has no port 443",
        "`kubectl -n docker-system delete service dind-webhook`, then `helm upgrade",
    ),
    (
        "service-selector",
        healthy(service={"metadata": {"name": "a"}, "spec": {"ports": [{"port": 443}], "selector": {"app": "x"}}}),
        "Service a does not select the pods of Deployment dind-webhook",
        "helm upgrade",
    ),
    ("endpoints", healthy(slices=()), "Service dind-webhook has no endpoint", "kubectl -n docker-system get pods"),
    (
        "endpoints",
        healthy(slices=({"endpoints": [{"conditions": {"ready": False}}]},)),
        "Service dind-webhook has no ready endpoint",
        "kubectl -n docker-system get pods",
    ),
    (
        "replicas",
        healthy(deployment={"metadata": {"name": "x"}, "spec": {"replicas": 2}, "status": {"readyReplicas": 1}}),
        "Deployment x: 1 ready of 2",
        "kubectl -n docker-system describe deploy/x",
    ),
    (
        "ca-bundle",
        configuration_with(lambda entry: entry["clientConfig"].pop("caBundle")),
        f"{ENABLED} has no caBundle",
        "logs deploy/dind-webhook -c certs",
    ),
    (
        "ca-bundle",
        configuration_with(lambda entry: entry["clientConfig"].update(caBundle="bm8=")),
        f"the caBundle of {ENABLED} contains no PEM certificate",
        "logs deploy/dind-webhook -c certs",
    ),
    (
        "ca-valid",
        healthy(configuration=configuration(bundle=issue_ca(NOW - timedelta(days=9), timedelta(days=8)).cert)),
        f"every CA in the caBundle of {ENABLED} has expired, the last one at 2026-05-31T00:00:00Z",
        "for why it was not renewed",
    ),
    (
        "answers",
        healthy(endpoints=(ServerEndpoint("pod a", connection_error="the connection broke: timed out"),)),
        "pod a: the connection broke: timed out",
        "logs deploy/dind-webhook",
    ),
    (
        "certificate-trusted",
        healthy(endpoints=(ServerEndpoint("pod a", leaf(), "unable to get local issuer certificate"),)),
        "pod a serves a certificate of CN=dind-webhook CA: unable to get local issuer certificate",
        "rollout restart deploy/dind-webhook",
    ),
    (
        "certificate-name",
        healthy(endpoints=(ServerEndpoint("pod a", leaf("other.svc")),)),
        "pod a serves a certificate for other.svc, not for dind-webhook.docker-system.svc",
        "subjectAltName has dind-webhook.docker-system.svc",
    ),
    (
        "certificate-valid",
        healthy(endpoints=(ServerEndpoint("pod a", leaf(start=EXPIRED)),)),
        "pod a serves a certificate that expired at 2026-05-31T00:00:00Z",
        "for why it was not renewed",
    ),
    (
        "certificate-valid",
        healthy(endpoints=(ServerEndpoint("pod a", leaf(start=NOW + timedelta(days=1))),)),
        "pod a serves a certificate that is not valid before 2026-06-01T23:55:00Z",
        "for why it was not renewed",
    ),
    (
        "certificate-renewed",
        healthy(endpoints=(ServerEndpoint("pod a", leaf(start=NOW - timedelta(days=29))),)),
        "pod a serves a certificate that expires at 2026-06-02T00:00:00Z",
        "for why it was not renewed",
    ),
    (
        "daemonset",
        healthy(daemonset=None),
        "daemonset mode is on, but this release has no DaemonSet",
        "daemonset.enabled to true",
    ),
    (
        "daemonset",
        healthy(
            daemonset=None,
            injection_policy=tenants({"modes": ["sidecar"]}, {"names": ["team-a"], "modes": ["daemonset"]}),
        ),
        "daemonset mode is on, but this release has no DaemonSet",
        "daemonset.enabled to true",
    ),
    (
        "daemonset-path",
        healthy(injection_policy=replace(POLICY, host_path="/elsewhere")),
        "pods mount /elsewhere of the node, but the DaemonSet mounts /var/run/dind/x",
        "daemonset.hostPath",
    ),
    (
        "daemonset-ready",
        healthy(daemons=(daemon("a"), daemon("b", "False"))),
        "the daemon on b is not ready: pod dind-b",
        "kubectl -n docker-system logs dind-b -c dind",
    ),
    (
        "daemonset-coverage",
        healthy(nodes=(node("a"), node("b"), node("c"))),
        "no daemon on c: pods with dind.io/inject: daemonset do not start there",
        "kubectl describe node c",
    ),
    (
        "node-user-namespaces",
        healthy(
            injection_policy=tenants({}, {"names": ["ci"], "defaults": {"isolation": "userns"}}),
            nodes=(node("b"),),
        ),
        "no user namespaces on b: pods with isolation userns do not start there",
        "kubectl get node b -o yaml",
    ),
    (
        "node-user-namespaces",
        healthy(
            injection_policy=replace(POLICY, defaults=replace(POLICY.defaults, isolation=Isolation.AUTO)),
            nodes=(node("a", USER_NAMESPACES), node("b")),
        ),
        "no user namespaces on b: pods with isolation auto do not start there",
        "kubectl get node b -o yaml",
    ),
    (
        "node-placement",
        healthy(injection_policy=replace(POLICY, node_selector={"pool": "docker"})),
        "no node has pool=docker: pods in sidecar mode stay Pending",
        "kubectl describe node NODE",
    ),
    (
        "node-placement",
        healthy(
            injection_policy=replace(
                POLICY,
                node_selector={"kubernetes.io/os": "linux"},
                tolerations=({"key": "docker", "value": "yes", "effect": "NoSchedule"},),
            ),
            nodes=(
                node("a", taints=[{"key": "docker", "effect": "NoExecute"}]),
                node("b", taints=[{"key": "docker", "value": "no", "effect": "NoSchedule"}]),
            ),
        ),
        "have a taint that tolerations lacks: a (docker:NoExecute), b (docker=no:NoSchedule)",
        "kubectl describe node a",
    ),
    (
        "opted-in",
        healthy(namespaces=(namespace("ci"),)),
        "namespace ci has not opted in",
        "kubectl label namespace ci dind.io/inject=enabled",
    ),
    (
        "label-values",
        healthy(namespaces=(opted_in(), opted_in("other", "sidcar"))),
        'namespace other has dind.io/inject="sidcar", which is not an accepted value',
        "kubectl label namespace other dind.io/inject=sidecar --overwrite",
    ),
    (
        "not-exempt",
        healthy(namespaces=(opted_in(), opted_in("kube-system"))),
        "namespace kube-system has the label, but no webhook and no policy that injects selects it",
        "kubectl label namespace kube-system dind.io/inject-",
    ),
    (
        "pod-security",
        healthy(namespaces=(opted_in(**{"pod-security.kubernetes.io/enforce": "baseline"}),)),
        "namespace ci enforces Pod Security level baseline",
        "kubectl label namespace ci pod-security.kubernetes.io/enforce=privileged --overwrite",
    ),
    (
        "called",
        dry_run_refused_with(
            'Internal error occurred: failed calling webhook "enabled.inject.dind.io": failed to call webhook: '
            'Post "https://x/mutate": dial tcp 10.0.0.1:443: connect: connection refused'
        ),
        "namespace ci, sidecar: the API server cannot call enabled.inject.dind.io: Post",
        "10250",
    ),
    (
        "injected",
        healthy(dry_runs=(DryRun("ci", Mode.SIDECAR, dry_run_pod(Mode.SIDECAR, POLICY)),)),
        "namespace ci, sidecar: the pod came back without Docker",
        "kubectl -n docker-system get pods",
    ),
    (
        "injected",
        healthy(dry_runs=(DryRun("ci", Mode.SIDECAR, None, NOT_INJECTED),)),
        "the pod came back without Docker, so the API server did not call the webhook",
        "fix the failed checks above",
    ),
    (
        "injected",
        replace(
            configuration_with(set_to("objectSelector", {"matchLabels": {"team": "a"}})),
            dry_runs=(DryRun("ci", Mode.SIDECAR, None, NOT_INJECTED),),
        ),
        f"the pod came back without Docker: the objectSelector of {ENABLED} does not match its labels",
        "webhook.objectSelector",
    ),
    (
        "admitted",
        dry_run_refused_with(
            'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9'
        ),
        "exceeded quota: q",
        "kubectl -n ci describe quota",
    ),
    (
        "admitted",
        dry_run_refused_with('pods "x" is forbidden: maximum memory usage per Container is 64Mi, but limit is 4Gi'),
        "maximum memory usage per Container is 64Mi",
        "kubectl -n ci describe limitrange",
    ),
    (
        "admitted",
        dry_run_refused_with(
            'pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged (container "dind" must …)'
        ),
        "violates PodSecurity",
        "kubectl label namespace ci pod-security.kubernetes.io/enforce=privileged --overwrite",
    ),
    (
        "admitted",
        dry_run_refused_with('admission webhook "validate.kyverno.svc-fail" denied the request: no privileged'),
        'admission webhook "validate.kyverno.svc-fail" denied the request: no privileged',
        "exclude namespace ci from that policy or webhook",
    ),
    (
        "kept",
        dry_run_with(without_restart_policy),
        'the pod has a container "dind" whose restartPolicy another webhook may have dropped',
        "update or reconfigure",
    ),
    (
        "kept",
        dry_run_refused_with(
            "ValidatingAdmissionPolicy 'dind-webhook' denied request: init container dind has lost its restartPolicy"
        ),
        "lost its restartPolicy",
        "update or reconfigure",
    ),
    (
        "kept",
        dry_run_refused_with(
            'admission webhook "enabled.inject.dind.io" denied the request: annotation dind.io/status says that the '
            'pod was injected, but it has a container "dind" whose restartPolicy another webhook may have dropped'
        ),
        "another webhook may have dropped",
        "update or reconfigure",
    ),
    (
        "order",
        dry_run_with(lambda pod_: pod_["spec"]["initContainers"].reverse()),
        "namespace ci, sidecar: dind starts after the pod's own init container",
        "reconfigure the webhook or policy that moves init containers",
    ),
    (
        "pods-have-docker",
        healthy(pods=(pod(namespace="default"),)),
        "pod default/build: the namespace has no label",
        "kubectl label namespace default dind.io/inject=enabled",
    ),
    (
        "pods-have-docker",
        healthy(pods=(pod(),), injection_policy=tenants({}, {"names": ["ci"], "modes": ["daemonset"]})),
        "it would be denied: annotation dind.io/inject: mode sidecar is switched off in this namespace",
        "kubectl -n ci delete pod build",
    ),
    (
        "pods-have-docker",
        healthy(pods=(pod(ownerReferences=[{"kind": "ReplicaSet", "name": "web-1", "controller": True}]),)),
        "pod ci/build: it was created before its namespace opted in",
        "kubectl -n ci delete pod build (ReplicaSet web-1 creates it again)",
    ),
    (
        "annotation-on-template",
        healthy(workloads=(workload("Deployment", {}),)),
        "Deployment ci/web has dind.io/inject: sidecar itself",
        PATCH,
    ),
    (
        "annotation-on-template",
        healthy(workloads=(workload("Deployment", {"dind.io/inject": "sidecar"}, {"dind.io/env": '{"A": "it\'s"}'}),)),
        """Deployment ci/web has dind.io/env: {"A": "it's"} itself""",
        """{"dind.io/env":"{\\"A\\": \\"it'"'"'s\\"}"}""",
    ),
    (
        "not-denied",
        healthy(events=(event('admission webhook "enabled.inject.dind.io" denied the request: annotation x'),) * 2),
        "Job ci/build: admission webhook",
        "pod template",
    ),
    (
        "no-own-daemons",
        healthy(pods=(with_own_daemon(pod(value=None)),)),
        "pod ci/build: container docker runs a Docker daemon of its own (image docker:29-dind)",
        "`dind-webhook migrate --namespace ci` shows what to change",
    ),
    (
        "daemons-run",
        healthy(pods=(crash_looping(injected(pod())),)),
        "pod ci/build: container dind is in CrashLoopBackOff",
        "kubectl -n ci logs build -c dind --previous",
    ),
    (
        "daemons-run",
        healthy(pods=(without_restart_policy(injected(pod())),)),
        "pod ci/build: init container dind has lost its restartPolicy: Always",
        "kubectl -n ci delete pod build",
    ),
    (
        "daemon-files",
        daemons_with_files("daemon.json=configmap/docker/daemon.json", {ObjectId("ci", "ConfigMap", "docker"): None}),
        "namespace ci has no ConfigMap docker: pods there start without /etc/docker/daemon.json",
        "kubectl -n ci get configmaps,secrets",
    ),
    (
        "daemon-files",
        daemons_with_files("x=secret/tls/ca.crt", {ObjectId("ci", "Secret", "tls"): {"data": {"tls.crt": ""}}}),
        "Secret tls in namespace ci has no key ca.crt: pods there start without /etc/docker/x",
        "dind.io/daemon-files",
    ),
    (
        "daemon-files",
        daemons_with_files("x=secret/tls/ca.crt", {ObjectId("ci", "ConfigMap", "company-ca"): {"data": {}}}),
        "ConfigMap company-ca in namespace ci has no key: /etc/ssl/dind is empty",
        "dind.io/ca",
    ),
    (
        "daemon-json",
        daemons_with_files(
            "daemon.json=configmap/docker/d.json,x=configmap/docker/y",
            {
                ObjectId("ci", "ConfigMap", "docker"): {
                    "data": {"d.json": '{"debug": true, "registry-mirrors": [], "hosts": [], "cgroup-parent": ""}'}
                }
            },
            **{"registry-mirrors": "https://mirror.example"},
        ),
        "ConfigMap docker in namespace ci, key d.json: dockerd refuses registry-mirrors, hosts, cgroup-parent, which",
        "dind.io/registry-mirrors",
    ),
    (
        "daemon-json",
        daemons_with_files(
            "daemon.json=secret/docker/d",
            {ObjectId("ci", "Secret", "docker"): {"data": {"d": base64.b64encode(b"{").decode()}}},
        ),
        "Secret docker in namespace ci, key d: is not JSON",
        "remove these members",
    ),
    (
        "daemon-json",
        daemons_with_files(
            "daemon.json=configmap/docker/d",
            {ObjectId("ci", "ConfigMap", "docker"): {"data": {"d": "[" * 300_000}}},
        ),
        "ConfigMap docker in namespace ci, key d: is not JSON",
        "remove these members",
    ),
    (
        "daemon-json",
        daemons_with_files(
            "daemon.json=configmap/docker/d",
            {
                ObjectId("ci", "ConfigMap", "docker"): {
                    "data": {"d": '{"debug": true, "proxies": {"http-proxy": "http://b:1", "https-proxy": ""}}'}
                }
            },
            **{"dockerd-args": '["--http-proxy=http://a:1"]'},
        ),
        "ConfigMap docker in namespace ci, key d: dockerd refuses http-proxy, which",
        "remove these members",
    ),
    (
        "daemon-json",
        daemons_with_files(
            "daemon.json=configmap/docker/d", {ObjectId("ci", "ConfigMap", "docker"): {"data": {"d": "[]"}}}
        ),
        "ConfigMap docker in namespace ci, key d: is not a JSON object",
        "remove these members",
    ),
]
