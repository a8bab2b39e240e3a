"""Mutating webhooks of other people that an API server calls for the pods of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex

from control_planes import ControlPlane
from kube import Manifest, Namespace, RefusedError, until
from other_webhooks import MakePatch, ReviewFunction, respond_with_patch, serve_webhook
from workloads import pod

BEFORE, AFTER = "aa", "zz"


@dataclass(frozen=True)
class MutatingWebhook:
    """One that the API server calls."""

    name: str
    seen: list[Manifest] = field(default_factory=list)


@contextmanager
def mutating_webhook(
    control_plane: ControlPlane, namespace: Namespace, when: str, change: MakePatch
) -> Iterator[MutatingWebhook]:
    """Have the pods of a namespace changed BEFORE or AFTER the release is called: API servers go by names."""
    webhook = MutatingWebhook(f"{when}-e2e-{token_hex(4)}")

    def record_and_patch(pod: Manifest) -> list[Manifest]:
        webhook.seen.append(pod)
        return change(pod)

    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    with webhook_configuration(control_plane, namespace, webhook.name, [pods], respond_with_patch(record_and_patch)):
        until("the other webhook to be called", lambda: bool(_send_pod(namespace) and webhook.seen))
        webhook.seen.clear()
        yield webhook


@contextmanager
def webhook_configuration(
    control_plane: ControlPlane, namespace: Namespace, name: str, rules: list[Manifest], review: ReviewFunction
) -> Iterator[None]:
    """Have requests of some rules answered by a function; for what is in a namespace, only in this one."""
    with serve_webhook(control_plane.host, review) as config:
        control_plane.kube.make(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": name},
                "webhooks": [
                    {
                        "name": "other.example.com",
                        "clientConfig": config,
                        "rules": rules,
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
                        "admissionReviewVersions": ["v1"],
                        "sideEffects": "None",
                        "timeoutSeconds": 30,
                    }
                ],
            }
        )
        try:
            yield
        finally:
            control_plane.kube.delete("MutatingWebhookConfiguration", name, version="admissionregistration.k8s.io/v1")


def _send_pod(namespace: Namespace) -> bool:
    """Have the API server call whom it calls, for a pod that our webhook is not called for."""
    try:
        namespace.make(pod("true", inject="disabled", name="try"), dry_run="All")
    except RefusedError:
        # What the other one makes of it need not be a good pod.
        return True
    return True
