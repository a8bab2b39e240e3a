"""Mutating webhooks of other people that an API server calls for the pods of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex

from kube import Manifest, Namespace, RefusedError, until
from others import Change, Review, answering, patching
from planes import Plane
from workloads import pod

BEFORE, AFTER = "aa", "zz"


@dataclass(frozen=True)
class Mutator:
    """One that the API server calls."""

    name: str
    seen: list[Manifest] = field(default_factory=list)


@contextmanager
def mutating(plane: Plane, namespace: Namespace, when: str, change: Change) -> Iterator[Mutator]:
    """Have the pods of a namespace changed BEFORE or AFTER the release is called: API servers go by names."""
    mutator = Mutator(f"{when}-e2e-{token_hex(4)}")

    def change_what_is_seen(pod: Manifest) -> list[Manifest]:
        mutator.seen.append(pod)
        return change(pod)

    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    with configured(plane, namespace, mutator.name, [pods], patching(change_what_is_seen)):
        until("the other webhook to be called", lambda: bool(_tries(namespace) and mutator.seen))
        mutator.seen.clear()
        yield mutator


@contextmanager
def configured(plane: Plane, namespace: Namespace, name: str, rules: list[Manifest], review: Review) -> Iterator[None]:
    """Have requests of some rules answered by a function; for what is in a namespace, only in this one."""
    with answering(plane.host, review) as config:
        plane.kube.make(
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
            plane.kube.delete("MutatingWebhookConfiguration", name, version="admissionregistration.k8s.io/v1")


def _tries(namespace: Namespace) -> bool:
    """Have the API server call whom it calls, for a pod that our webhook is not called for."""
    try:
        namespace.make(pod("true", inject="disabled", name="try"), dry_run="All")
    except RefusedError:
        # What the other one makes of it need not be a good pod.
        return True
    return True
