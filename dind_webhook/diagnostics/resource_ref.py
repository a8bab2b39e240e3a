"""References to the objects that `explain` takes, as kubectl accepts them: `pod/x`, `deploy/x`, `namespace/x`."""

from typing import NamedTuple

from dind_webhook.errors import ManifestError
from dind_webhook.model import nearest_word

# Kind, group and version, resource, and kubectl's short name
_KINDS = (
    ("Pod", "/api/v1", "pods", "po"),
    ("Namespace", "/api/v1", "namespaces", "ns"),
    ("Deployment", "/apis/apps/v1", "deployments", "deploy"),
    ("StatefulSet", "/apis/apps/v1", "statefulsets", "sts"),
    ("DaemonSet", "/apis/apps/v1", "daemonsets", "ds"),
    ("ReplicaSet", "/apis/apps/v1", "replicasets", "rs"),
    ("ReplicationController", "/api/v1", "replicationcontrollers", "rc"),
    ("Job", "/apis/batch/v1", "jobs", "job"),
    ("CronJob", "/apis/batch/v1", "cronjobs", "cj"),
)
_ROWS_BY_NAME = {name: row for row in _KINDS for name in (row[0].lower(), row[2], row[3])}


class ResourceRef(NamedTuple):
    """An object: its kind and name, and the resource of its kind."""

    kind: str
    name: str
    resource: str

    def path(self, namespace: str) -> str:
        """Return the path of the object in the API."""
        return f"{collection_path(self.kind, None if self.kind == 'Namespace' else namespace)}/{self.name}"


def collection_path(kind: str, namespace: str | None) -> str:
    """Return the path of all objects of a kind in the API; of all namespaces if `namespace` is None."""
    _, group, resource, _ = _ROWS_BY_NAME[kind.lower()]
    return f"{group}/{namespace_prefix(namespace)}{resource}"


def namespace_prefix(namespace: str | None) -> str:
    """Return what stands before a resource in a path of the API; nothing for all namespaces, if `namespace` is None."""
    return f"namespaces/{namespace}/" if namespace else ""


def parse_resource_ref(text: str) -> ResourceRef:
    """Return the reference for TYPE/NAME; ManifestError if it is malformed or of an unknown kind."""
    kind, slash, name = text.partition("/")
    if not slash or not name or "/" in name:
        raise ManifestError(f"{text!r} is not TYPE/NAME, as in pod/build")
    kind = kind.partition(".")[0].lower()
    row = _ROWS_BY_NAME.get(kind)
    if row is None:
        guess = nearest_word(kind, _ROWS_BY_NAME)
        hint = f"did you mean {guess}?" if guess else f"use one of {', '.join(row[0].lower() for row in _KINDS)}"
        raise ManifestError(f"{kind!r} is not a kind that has pods; {hint}")
    return ResourceRef(row[0], name, row[2])
