"""A Secret and a webhook configuration in memory, with the resourceVersions and field owners of an API server."""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Literal
from uuid import uuid4

from dind_webhook.errors import ApiError, ConflictError
from dind_webhook.kube import VersionedData

Kind = Literal["secret", "webhooks"]
Event = tuple[str, dict[str, Any]]

NAMESPACE = "ci"
SECRET = "dind-webhook-certs"
CONFIGURATION = "dind-webhook"
ENTRIES = ("enabled.dind.io", "sidecar.dind.io")


class RefusedError(Exception):
    """The API server responds with an HTTP status other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cluster:
    """Both objects, the field owners of the Secret's keys, and the history of changes. Thread-safe."""

    def __init__(self, entries: tuple[str, ...] = ENTRIES) -> None:
        self.changed = threading.Condition()
        self.events: list[tuple[Kind, Event]] = []
        self.cas: list[str] = []
        """All CAs that the Secret has contained, in base64, oldest first."""
        self._revision = 0
        self._objects: dict[Kind, dict[str, Any] | None] = {"secret": None, "webhooks": None}
        self._owners: dict[str, set[str]] = {}
        self.configure(entries)

    def get(self, kind: Kind) -> dict[str, Any]:
        with self.changed:
            found = self._objects[kind]
            if found is None:
                raise RefusedError(404, "not found")
            return deepcopy(found)

    def find(self, kind: Kind) -> list[dict[str, Any]]:
        with self.changed:
            found = self._objects[kind]
            return [deepcopy(found)] if found else []

    def delete(self, kind: Kind) -> None:
        with self.changed:
            found = self._objects[kind]
            assert found
            self._objects[kind] = None
            if kind == "secret":
                self._owners.clear()
            self._tell(kind, "DELETED", found)

    def configure(self, entries: tuple[str, ...]) -> None:
        """Create the webhook configuration as the chart does, without any caBundle."""
        webhooks = [
            {
                "name": name,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"name": "dind-webhook", "namespace": NAMESPACE, "path": "/mutate"}},
            }
            for name in entries
        ]
        with self.changed:
            self._put("webhooks", {"metadata": {"name": CONFIGURATION}, "webhooks": webhooks})

    def overwrite_bundles(self, bundle: bytes) -> None:
        """Overwrite every caBundle, as `kubectl edit` or Argo CD may do."""
        with self.changed:
            webhooks = self.get("webhooks")
            for entry in webhooks["webhooks"]:
                entry["clientConfig"]["caBundle"] = _base64(bundle)
            self._put("webhooks", webhooks)

    def bundles(self) -> list[bytes]:
        with self.changed:
            webhooks = self._objects["webhooks"]
            entries = webhooks["webhooks"] if webhooks else []
            return [base64.b64decode(entry["clientConfig"].get("caBundle", "")) for entry in entries]

    def secret(self) -> dict[str, bytes]:
        """Return the data of the Secret, or an empty map if the Secret does not exist."""
        with self.changed:
            found = self._objects["secret"]
            return {key: base64.b64decode(text) for key, text in (found or {}).get("data", {}).items()}

    def edit_secret(self, **data: bytes) -> None:
        """Set keys of the Secret. Names of arguments have _ instead of the dots."""
        with self.changed:
            secret = self.get("secret")
            for key, value in data.items():
                secret["data"][key.replace("_", ".")] = _base64(value)
            self._put("secret", secret)

    def apply_secret(self, given: dict[str, Any], manager: str, *, force: bool) -> dict[str, Any]:
        """Create or change the Secret by server-side apply."""
        with self.changed:
            found = self._objects["secret"]
            version = given["metadata"].get("resourceVersion")
            if version and version != (found or {}).get("metadata", {}).get("resourceVersion"):
                raise RefusedError(409, "the object has been modified")
            data = dict((found or {}).get("data", {}))
            for key, value in given["data"].items():
                owners = self._owners.setdefault(key, set())
                if data.get(key, value) != value:
                    if owners - {manager} and not force:
                        raise RefusedError(409, f"Apply failed with a conflict: .data.{key}")
                    owners.clear()
                owners.add(manager)
                data[key] = value
            for key in set(data) - set(given["data"]):
                self._owners.get(key, set()).discard(manager)
                if not self._owners.get(key):
                    del data[key]
            metadata = {"name": SECRET, "namespace": NAMESPACE}
            return self._put("secret", {"metadata": metadata, "type": given["type"], "data": data})

    def patch_webhooks(self, patch: dict[str, Any]) -> dict[str, Any]:
        """Apply a strategic merge patch, which identifies entries of `webhooks` by name."""
        with self.changed:
            webhooks = self.get("webhooks")
            if patch["metadata"]["resourceVersion"] != webhooks["metadata"]["resourceVersion"]:
                raise RefusedError(409, "the object has been modified")
            entries = {entry["name"]: entry for entry in webhooks["webhooks"]}
            for change in patch["webhooks"]:
                if change["name"] not in entries:
                    raise RefusedError(422, "webhooks[0].sideEffects: Required value")
                entries[change["name"]]["clientConfig"] |= change["clientConfig"]
            return self._put("webhooks", webhooks)

    def watch(self, kind: Kind, is_over: Callable[[float], bool]) -> Iterator[Event]:
        """Yield the current object, then each change. `is_over` waits for some seconds and returns whether to end."""
        with self.changed:
            seen = len(self.events)
            there = self.find(kind)
        for found in there:
            yield "ADDED", found
        while not is_over(0.05):
            with self.changed:
                fresh = [event for of, event in self.events[seen:] if of == kind]
                seen = len(self.events)
            yield from fresh

    def _put(self, kind: Kind, content: dict[str, Any]) -> dict[str, Any]:
        before = self._objects[kind]
        if before and _without_version(before) == _without_version(content):
            return deepcopy(before)
        self._revision += 1
        content = json.loads(json.dumps(content))
        content["metadata"]["resourceVersion"] = str(self._revision)
        self._objects[kind] = content
        if kind == "secret" and (ca := content["data"].get("ca.crt")) not in (None, *self.cas):
            self.cas.append(ca)
        self._tell(kind, "MODIFIED" if before else "ADDED", content)
        return deepcopy(content)

    def _tell(self, kind: Kind, what: str, content: dict[str, Any]) -> None:
        self.events.append((kind, (what, deepcopy(content))))
        self.changed.notify_all()


class DirectCertStore:
    """Implements the calls of dind_webhook.kube without a network. `before` runs before each call, and may raise."""

    def __init__(self, cluster: Cluster, before: Callable[[], None] = lambda: None) -> None:
        self._cluster = cluster
        self._before = before

    def read_secret(self) -> VersionedData | None:
        self._before()
        found = self._cluster.find("secret")
        return VersionedData(self._cluster.secret(), _version(found[0])) if found else None

    def write_secret(self, data: Mapping[str, bytes], version: str | None) -> None:
        self._before()
        metadata = {"resourceVersion": version} if version else {}
        given = {"metadata": metadata, "type": "Opaque", "data": {key: _base64(data[key]) for key in data}}
        with _as_errors():
            self._cluster.apply_secret(given, "certs" if version else uuid4().hex, force=bool(version))

    def read_bundles(self) -> VersionedData | None:
        self._before()
        found = self._cluster.find("webhooks")
        if not found:
            return None
        names = [entry["name"] for entry in found[0]["webhooks"]]
        return VersionedData(dict(zip(names, self._cluster.bundles(), strict=True)), _version(found[0]))

    def write_bundles(self, data: Mapping[str, bytes], version: str) -> None:
        self._before()
        entries = [{"name": name, "clientConfig": {"caBundle": _base64(data[name])}} for name in data]
        with _as_errors():
            self._cluster.patch_webhooks({"metadata": {"resourceVersion": version}, "webhooks": entries})


@contextmanager
def _as_errors() -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        raise (ConflictError if error.status == 409 else ApiError)(str(error)) from None


def _version(found: dict[str, Any]) -> str:
    return str(found["metadata"]["resourceVersion"])


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _without_version(content: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in content["metadata"].items() if key != "resourceVersion"}
    return {**content, "metadata": metadata}
