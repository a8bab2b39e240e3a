"""The snapshot of a healthy cluster, for tests to break."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from jsonpatch import apply_patch

from dind_webhook.certs import KeyPair
from dind_webhook.certs.issue import issue_ca, issue_serving_cert
from dind_webhook.diagnostics import Snapshot
from dind_webhook.diagnostics.dry_run_pod import dry_run_pod
from dind_webhook.diagnostics.expected_webhook import CONTRACT, WEBHOOK_RULES, WEBHOOKS
from dind_webhook.diagnostics.snapshot import DryRun, ServerEndpoint
from dind_webhook.injection import EXEMPT_NAMESPACES, Mode, Policy, inject
from dind_webhook.mutating_policy import render_policies
from dind_webhook.settings import InjectionSettings, make_policy

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOST = "dind-webhook.docker-system.svc"
CA = issue_ca(NOW - timedelta(days=10), timedelta(days=365))
POLICY: Policy = make_policy(InjectionSettings(host_path="/var/run/dind/x"))


def labels(component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/part-of": "dind-webhook",
        "app.kubernetes.io/instance": "dind-webhook",
        "app.kubernetes.io/component": component,
    }


def leaf(host: str = HOST, ca: KeyPair = CA, start: datetime = NOW - timedelta(days=1), days: int = 30) -> bytes:
    """Return a serving certificate, DER."""
    pair = issue_serving_cert(ca, [host], start, timedelta(days=days))
    return x509.load_pem_x509_certificate(pair.cert).public_bytes(Encoding.DER)


def entry(expected: Any, bundle: bytes = CA.cert) -> dict[str, Any]:
    exempt = sorted({*EXEMPT_NAMESPACES, "docker-system"})
    return {
        "name": expected.name,
        "clientConfig": {
            "service": {"name": "dind-webhook", "namespace": "docker-system", "port": 443, "path": expected.path},
            "caBundle": base64.b64encode(bundle).decode(),
        },
        "rules": WEBHOOK_RULES,
        "namespaceSelector": {
            "matchExpressions": [
                {"key": "dind.io/inject", "operator": "In", "values": [expected.value]},
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": exempt},
            ]
        },
        "objectSelector": {},
        "matchConditions": [{"name": name, "expression": text} for name, text in expected.conditions.items()],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "timeoutSeconds": 5,
        **CONTRACT,
    }


def configuration(name: str = "dind-webhook", bundle: bytes = CA.cert) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": labels("webhook")},
        "webhooks": [entry(expected, bundle) for expected in WEBHOOKS],
    }


def injecting_policies() -> tuple[dict[str, Any], ...]:
    """Return the policies of the API server that inject pods, as the chart installs them."""
    rendered = render_policies(POLICY, "dind-webhook-policy")
    policies = [each for each in rendered if each["kind"] == "MutatingAdmissionPolicy"]
    annotations = {"meta.helm.sh/release-namespace": "docker-system"}
    return tuple(
        {**each, "metadata": {**each["metadata"], "labels": labels("policy"), "annotations": annotations}}
        for each in policies
    )


def without_webhook(**changes: Any) -> Snapshot:
    """Return the snapshot of a healthy cluster in which policies of the API server inject pods."""
    policies = injecting_policies()
    members: dict[str, Any] = {
        "configuration": None,
        "service": None,
        "deployment": None,
        "slices": (),
        "endpoints": (),
        "injecting_policies": policies,
        "bound_injecting_policies": frozenset(each["metadata"]["name"] for each in policies),
    }
    return healthy(**(members | changes))


def namespace(name: str, **more: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **more}}}


def opted_in(name: str = "ci", value: str = "enabled", **more: str) -> dict[str, Any]:
    return namespace(name, **{"dind.io/inject": value, **more})


def pod(name: str = "build", value: str | None = "sidecar", namespace: str = "ci", **metadata: Any) -> dict[str, Any]:
    annotations = {"dind.io/inject": value} if value else {}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations, **metadata},
        "spec": {"containers": [{"name": "build", "image": "build:1"}]},
        "status": {"phase": "Running"},
    }


def injected(asked: dict[str, Any], policy: Policy = POLICY) -> dict[str, Any]:
    result: dict[str, Any] = apply_patch(asked, list(inject(asked, None, policy).operations))
    return result


def dry_run(mode: Mode = Mode.SIDECAR) -> DryRun:
    return DryRun("ci", mode, injected(dry_run_pod(mode, POLICY)))


USER_NAMESPACES = {"runtimeHandlers": [{"name": "", "features": {"userNamespaces": True}}]}


def node(name: str, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"}}, "spec": spec, "status": status or {}}


def daemon(on: str, ready: str = "True") -> dict[str, Any]:
    return {
        "metadata": {"name": f"dind-{on}", "namespace": "docker-system"},
        "spec": {"nodeName": on},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def healthy(**changes: Any) -> Snapshot:
    """Return the snapshot with some other members."""
    both = [configuration()]
    members: dict[str, Any] = {
        "taken_at": NOW,
        "version": "1.37",
        "configurations": tuple(both),
        "configuration": both[0],
        "admission_policies": ({"metadata": {"name": "dind-webhook", "labels": labels("policy")}, "spec": {}},),
        "policy_bindings": ({"metadata": {"name": "dind-webhook"}, "spec": {"policyName": "dind-webhook"}},),
        "injection_policy": POLICY,
        "service": {
            "metadata": {"name": "dind-webhook"},
            "spec": {"ports": [{"port": 443}], "selector": labels("webhook")},
        },
        "deployment": {
            "metadata": {"name": "dind-webhook"},
            "spec": {"replicas": 2, "template": {"metadata": {"labels": labels("webhook")}}},
            "status": {"readyReplicas": 2},
        },
        "slices": ({"ports": [{"port": 10250}], "endpoints": [{"conditions": {"ready": True}}]},),
        "endpoints": (ServerEndpoint("pod a", leaf()), ServerEndpoint("pod b", leaf())),
        "daemonset": {
            "metadata": {"name": "dind-webhook-dind"},
            "spec": {"template": {"spec": {"volumes": [{"name": "run", "hostPath": {"path": POLICY.host_path}}]}}},
        },
        "daemons": (daemon("a"), daemon("b")),
        "nodes": (node("a"), node("b")),
        "namespaces": (opted_in(), namespace("default")),
        "pods": (injected(pod()),),
        "dry_runs": (dry_run(), dry_run(Mode.DAEMONSET)),
    }
    if "configuration" in changes and "configurations" not in changes:
        changes["configurations"] = () if changes["configuration"] is None else (changes["configuration"],)
    return Snapshot(**(members | changes))
