"""The two objects that the certificates' reconciler reads and writes: a Secret and a webhook configuration."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import orjson
import structlog

from dind_webhook.errors import ApiError, ConflictError, SettingsError
from dind_webhook.kube.api_errors import describe_cause
from dind_webhook.kube.kubeconfig import KubeconfigError, load_kubeconfig, load_service_account
from dind_webhook.kube.raw_request import RawRequest, send

# For connecting and for reading an answer, in seconds
_TIMEOUT = (5, 10)
_WATCH_SECONDS = 120
_MANAGER = "dind-webhook-certs"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/strategic-merge-patch+json"


class VersionedData(NamedTuple):
    """The data of an object, and its resourceVersion."""

    data: Mapping[str, bytes]
    version: str


class KubeCertStore:
    """A Secret and the caBundles of a MutatingWebhookConfiguration; needs no rights to other objects.

    Every method raises ApiError if the API server cannot be reached, refuses, or sends a malformed answer.
    """

    def __init__(self, namespace: str, secret: str, webhook_configuration: str, kubeconfig: Path | None) -> None:
        """Load the configuration of the API server, without connecting; SettingsError if there is none."""
        from kubernetes import client

        configuration = _load_configuration(kubeconfig)
        if not configuration.verify_ssl:
            structlog.get_logger().warning("API server not verified, as the kubeconfig says", file=str(kubeconfig))
        self._api = client.ApiClient(configuration)
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        self._namespace = namespace
        self._secret = secret
        self._configuration = webhook_configuration

    def read_secret(self) -> VersionedData | None:
        """Return the data of the Secret, or None if it does not exist."""
        with _convert_errors(f"reading Secret {self._namespace}/{self._secret}"):
            stored_object = self._read(f"{self._secrets}/{self._secret}")
            if stored_object is None:
                return None
            data = {key: base64.b64decode(text) for key, text in (stored_object.get("data") or {}).items()}
            return VersionedData(data, stored_object["metadata"]["resourceVersion"])

    def write_secret(self, data: Mapping[str, bytes], version: str | None) -> None:
        """Replace the data that the Secret has at `version`, or create the Secret if `version` is None.

        ConflictError if another replica was faster. This is a server-side apply, because a right to `create` cannot
        be limited to a name. Apply also changes an existing object, so each replica that creates the Secret uses a
        field manager of its own, without force: two that create it at the same time get a conflict.
        """
        metadata = {"name": self._secret, "namespace": self._namespace}
        if version is not None:
            metadata["resourceVersion"] = version
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}
        query = {
            "fieldManager": _MANAGER if version is not None else f"{_MANAGER}-{token_hex(4)}",
            "force": "false" if version is None else "true",
        }
        with _convert_errors(f"writing Secret {self._namespace}/{self._secret}"):
            self._patch(f"{self._secrets}/{self._secret}", query, body, _APPLY)

    def read_bundles(self) -> VersionedData | None:
        """Return the caBundle of each webhook by name, or None if the configuration does not exist."""
        with _convert_errors(f"reading MutatingWebhookConfiguration {self._configuration}"):
            stored_object = self._read(f"{self._configurations}/{self._configuration}")
            if stored_object is None:
                return None
            data = {
                entry["name"]: base64.b64decode(entry["clientConfig"].get("caBundle") or "")
                for entry in stored_object.get("webhooks") or []
            }
            return VersionedData(data, stored_object["metadata"]["resourceVersion"])

    def write_bundles(self, data: Mapping[str, bytes], version: str) -> None:
        """Set the caBundle of webhooks by name; ConflictError if the configuration has changed since `version`."""
        webhooks = [
            {"name": name, "clientConfig": {"caBundle": base64.b64encode(bundle).decode()}}
            for name, bundle in data.items()
        ]
        body = {"metadata": {"resourceVersion": version}, "webhooks": webhooks}
        with _convert_errors(f"writing MutatingWebhookConfiguration {self._configuration}"):
            self._patch(f"{self._configurations}/{self._configuration}", {"fieldManager": _MANAGER}, body, _MERGE)

    def watch_secret(self) -> Iterator[None]:
        """Yield at each change of the Secret, until the API server ends the watch."""
        yield from self._watch(self._secrets, self._secret)

    def watch_bundles(self) -> Iterator[None]:
        """Yield at each change of the webhook configuration, until the API server ends the watch."""
        yield from self._watch(self._configurations, self._configuration)

    def _read(self, path: str) -> dict[str, Any] | None:
        response = send(self._api, RawRequest("GET", path), _TIMEOUT)
        content: bytes = response.read()
        if response.status == 404:
            return None
        _check_status(response)
        stored_object: dict[str, Any] = orjson.loads(content)
        return stored_object

    def _patch(self, path: str, query: Mapping[str, str], body: Any, content_type: str) -> None:
        response = send(self._api, RawRequest("PATCH", path, query, body, content_type), _TIMEOUT)
        response.read()
        _check_status(response)

    def _watch(self, path: str, name: str) -> Iterator[None]:
        # The right to list and watch is limited to this name.
        query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(_WATCH_SECONDS)}
        with _convert_errors(f"watching {name}"):
            timeout = (_TIMEOUT[0], _WATCH_SECONDS + _TIMEOUT[1])
            response = send(self._api, RawRequest("GET", path, query), timeout)
            with closing(response.response) as lines:
                _check_status(response)
                for line in lines:
                    _check_event(orjson.loads(line))
                    yield


def _check_status(response: Any) -> None:
    if response.status >= 300:
        raise _StatusError(response.status, response.reason)


def _check_event(event: dict[str, Any]) -> None:
    """Raise the error that an event of a watch reports."""
    status = event["object"]
    if event["type"] == "ERROR":
        raise _StatusError(status["code"], f"{status['reason']}: {status['message']}")


class _StatusError(Exception):
    """An HTTP status of the API server that is an error, and its reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status


def _load_configuration(kubeconfig: Path | None) -> Any:
    try:
        return load_kubeconfig(str(kubeconfig)) if kubeconfig else load_service_account()
    except KubeconfigError as error:
        problem = f"{kubeconfig} cannot be used" if kubeconfig else "not set, and this is not a pod with a token"
        raise SettingsError([f"certs.kubeconfig: {problem}: {error}"]) from None


@contextmanager
def _convert_errors(action: str) -> Iterator[None]:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except _StatusError as error:
        kind = ConflictError if error.status == 409 else ApiError
        raise kind(f"{action}: {error}") from None
    except (HTTPError, OSError, ApiException) as error:
        raise ApiError(f"{action}: the API server cannot be reached: {describe_cause(error)}") from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ApiError(f"{action}: the answer is malformed: {type(error).__name__}") from None
