"""Register other mutating webhooks, which the API server calls for the pods of a test."""

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
    """A mutating webhook: its name, and the pods that it received."""

    name: str
    seen: list[Manifest] = field(default_factory=list)


@contextmanager
def mutating_webhook(
    control_plane: ControlPlane, namespace: Namespace, when: str, change: MakePatch
) -> Iterator[MutatingWebhook]:
    """Register a webhook that changes the pods of a namespace.

    The API server calls it BEFORE or AFTER the release's webhook, because it calls webhooks in the order of names.
    """
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
    """Register a webhook with these rules; a function makes its responses.

    For namespaced objects, the API server calls the webhook only in this namespace.
    """
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
    """Create a pod in a dry run, for which the API server calls the other webhook but not ours. Always return True."""
    try:
        namespace.make(pod("true", inject="disabled", name="try"), dry_run="All")
    except RefusedError:
        # The other webhook may make an invalid pod.
        return True
    return True
