"""A live cluster through its API server: objects as JSON, dry-runs, TLS handshakes with pods."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson

from dind_webhook.errors import ApiError, ForbiddenError
from dind_webhook.kube.api_errors import connection_error, describe_cause, status_error, unreachable_error
from dind_webhook.kube.kubeconfig import load_user_context
from dind_webhook.kube.raw_request import PortForwardApi, RawRequest, send
from dind_webhook.kube.tls_probe import ProbedCertificate, connect_to, probe_tls
from dind_webhook.model import Operation

# To connect, and to wait for an answer, in seconds; admission of a dry-run may take 30.
_TIMEOUT = (5, 40)
_PAGE_SIZE = 500


class KubeClient:
    """Reads and dry-runs. Only `patch` changes something in the cluster, and only if it is no dry run.

    Methods raise ForbiddenError, NotFoundError or RefusedError, ApiError for any other answer that is an error, and
    NoClusterError if the API server cannot be reached.
    """

    def __init__(self, kubeconfig: Path | None, context: str | None) -> None:
        """Find the API server as kubectl does, without connecting; NoClusterError if nothing says where it is."""
        from kubernetes import client

        configuration, self.namespace = load_user_context(kubeconfig, context)
        self._host: str = configuration.host
        self._api = client.ApiClient(configuration)

    def version(self) -> str:
        """Return the API server's version, such as `1.37`; NoClusterError if it is down or not an API server."""
        try:
            version = self.get("/version")
            return f"{version['major']}.{version['minor']}"
        except ForbiddenError:
            raise
        except (ApiError, LookupError) as error:
            details = f": {error}" if isinstance(error, ApiError) else ""
            raise self._not_an_api_server(details) from None

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return the object or the list at a path."""
        return self._request("GET", path, query, None)

    def items(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, page by page."""
        while True:
            page = self.get(path, limit=str(_PAGE_SIZE), **query)
            yield from page.get("items") or []
            if not (token := page.get("metadata", {}).get("continue")):
                return
            query["continue"] = token

    def try_create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return an object as it is after admission, without creating it."""
        return self._request("POST", path, {"dryRun": "All"}, body)

    def patch(self, path: str, operations: list[Operation], *, dry_run: bool) -> dict[str, Any]:
        """Return an object as it is after a JSON patch (RFC 6902) and admission; a dry run does not store it."""
        query = {"dryRun": "All"} if dry_run else {}
        return self._request("PATCH", path, query, operations, "application/json-patch+json")

    def probe_tls_at(self, host: str, port: int, server_name: str, bundle: bytes) -> ProbedCertificate:
        """Return the certificate that is served at an address that this machine reaches."""
        return probe_tls(lambda: connect_to(host, port), server_name, bundle)

    def probe_pod_tls(self, namespace: str, pod: str, port: int, server_name: str, bundle: bytes) -> ProbedCertificate:
        """Return the certificate that a pod serves, through a port-forward."""
        from kubernetes import client, stream
        from websocket import WebSocketBadStatusException

        portforward = PortForwardApi(self._api).connect

        def connect() -> Any:
            try:
                return stream.portforward(portforward, namespace, pod, ports=str(port)).socket(port)
            except client.ApiException as error:
                request, cause = f"port-forward to pod {pod}", error.__context__
                # The client turns the API server's answer into a sentence.
                if isinstance(cause, WebSocketBadStatusException):
                    raise status_error(self._host, cause.status_code, cause.resp_body or b"", request) from None
                raise ApiError(f"{request}: {describe_cause(error)}") from None

        return probe_tls(connect, server_name, bundle)

    def _request(
        self, method: str, path: str, query: dict[str, str], body: Any, content_type: str = "application/json"
    ) -> dict[str, Any]:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            response = send(self._api, RawRequest(method, path, query, body, content_type), _TIMEOUT)
            answer: bytes = response.read()
        except (HTTPError, OSError, ApiException) as error:
            # The client raises an ApiException without a status for an error of TLS.
            raise connection_error(self._host, error) from None
        if response.status >= 300:
            raise status_error(self._host, response.status, answer, f"{method} {path}", is_admission=method != "GET")
        try:
            return cast(dict[str, Any], orjson.loads(answer))
        except orjson.JSONDecodeError:
            raise self._not_an_api_server() from None

    def _not_an_api_server(self, details: str = "") -> Exception:
        return unreachable_error(self._host, f"the server there is not an API server{details}")
