"""The two objects that the certificates' reconciler reads and writes: a Secret and a webhook configuration."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import structlog

from app.errors import ApiError, ConflictError, SettingsError
from app.kube.api_errors import describe_cause
from app.kube.kubeconfig import KubeconfigError, load_kubeconfig, load_service_account

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
        api = client.ApiClient(configuration)
        self._core = client.CoreV1Api(api)
        self._admission = client.AdmissionregistrationV1Api(api)
        self._namespace = namespace
        self._secret = secret
        self._configuration = webhook_configuration

    def read_secret(self) -> VersionedData | None:
        """Return the data of the Secret, or None if it does not exist."""
        with _convert_errors(f"reading Secret {self._namespace}/{self._secret}"):
            stored_object = _or_none(
                lambda: self._core.read_namespaced_secret(self._secret, self._namespace, _request_timeout=_TIMEOUT)
            )
            if stored_object is None:
                return None
            data = {key: base64.b64decode(text) for key, text in (stored_object.data or {}).items()}
            return VersionedData(data, stored_object.metadata.resource_version)

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
        with _convert_errors(f"writing Secret {self._namespace}/{self._secret}"):
            self._core.patch_namespaced_secret(
                self._secret,
                self._namespace,
                body,
                field_manager=_MANAGER if version is not None else f"{_MANAGER}-{token_hex(4)}",
                force=version is not None,
                _content_type=_APPLY,
                _request_timeout=_TIMEOUT,
            )

    def read_bundles(self) -> VersionedData | None:
        """Return the caBundle of each webhook by name, or None if the configuration does not exist."""
        with _convert_errors(f"reading MutatingWebhookConfiguration {self._configuration}"):
            stored_object = _or_none(
                lambda: self._admission.read_mutating_webhook_configuration(
                    self._configuration, _request_timeout=_TIMEOUT
                )
            )
            if stored_object is None:
                return None
            data = {
                entry.name: base64.b64decode(entry.client_config.ca_bundle or "")
                for entry in stored_object.webhooks or []
            }
            return VersionedData(data, stored_object.metadata.resource_version)

    def write_bundles(self, data: Mapping[str, bytes], version: str) -> None:
        """Set the caBundle of webhooks by name; ConflictError if the configuration has changed since `version`."""
        webhooks = [
            {"name": name, "clientConfig": {"caBundle": base64.b64encode(bundle).decode()}}
            for name, bundle in data.items()
        ]
        body = {"metadata": {"resourceVersion": version}, "webhooks": webhooks}
        with _convert_errors(f"writing MutatingWebhookConfiguration {self._configuration}"):
            self._admission.patch_mutating_webhook_configuration(
                self._configuration,
                body,
                field_manager=_MANAGER,
                _content_type=_MERGE,
                _request_timeout=_TIMEOUT,
            )

    def watch_secret(self) -> Iterator[None]:
        """Yield at each change of the Secret, until the API server ends the watch."""
        yield from self._watch(self._core.list_namespaced_secret, self._secret, self._namespace)

    def watch_bundles(self) -> Iterator[None]:
        """Yield at each change of the webhook configuration, until the API server ends the watch."""
        yield from self._watch(self._admission.list_mutating_webhook_configuration, self._configuration)

    def _watch(self, listing: Callable[..., Any], name: str, *where: str) -> Iterator[None]:
        from kubernetes import watch

        # The right to list and watch is limited to this name.
        with _convert_errors(f"watching {name}"):
            stream = watch.Watch().stream(  # type: ignore[no-untyped-call]
                listing,
                *where,
                field_selector=f"metadata.name={name}",
                timeout_seconds=_WATCH_SECONDS,
                _request_timeout=(_TIMEOUT[0], _WATCH_SECONDS + _TIMEOUT[1]),
            )
            for _ in stream:
                yield


def _load_configuration(kubeconfig: Path | None) -> Any:
    try:
        return load_kubeconfig(str(kubeconfig)) if kubeconfig else load_service_account()
    except KubeconfigError as error:
        problem = f"{kubeconfig} cannot be used" if kubeconfig else "not set, and this is not a pod with a token"
        raise SettingsError([f"certs.kubeconfig: {problem}: {error}"]) from None


def _or_none(read: Callable[[], Any]) -> Any:
    from kubernetes.client import ApiException

    try:
        return read()
    except ApiException as error:
        if error.status == 404:
            return None
        raise


@contextmanager
def _convert_errors(action: str) -> Iterator[None]:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        kind = ConflictError if error.status == 409 else ApiError
        raise kind(f"{action}: {error.status} {error.reason}") from None
    except (HTTPError, OSError) as error:
        raise ApiError(f"{action}: the API server cannot be reached: {describe_cause(error)}") from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # The client raises any of these for an answer that is not such an object.
        raise ApiError(f"{action}: the answer is malformed: {type(error).__name__}") from None
