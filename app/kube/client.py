"""A live cluster, as its API server shows it to whoever asks: objects as JSON, dry-runs, TLS to its pods."""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, cast

import orjson

from app.errors import ApiError, ForbiddenError, NoClusterError, NotFoundError, RefusedError
from app.kube.tls_probe import ProbedCertificate, connect_to, probe_tls

# To connect, and to wait for an answer, in seconds; admission of a dry-run may take 30.
_TIMEOUT = (5, 40)
_PAGE = 500
_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# What RBAC says, as opposed to admission: `pods is forbidden: User "x" cannot list resource "pods" in API group "" …`
_MISSING_RIGHT = re.compile(r'cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?')

# Of the server's certificate, and of the CA in the kubeconfig
_UNTRUSTED = re.compile(r"\[SSL: CERTIFICATE_VERIFY_FAILED\]|\[X509: ")
# What urllib3, the system and OpenSSL put around the cause of an error
_NOISE = (
    r"^.*?(?:Connection\(.*?\)|object at 0x\w+>): |^.*?\[Errno -?\d+\] ",
    r"^HTTPS?ConnectionPool\(.*?\): ",
    r"^Failed to .*?: (?:\[Errno -?\d+\] )?",
    r"^\[\w+(?:: \w+)?\] ",
    r"(?: \(_ssl\.c:\d+\)|\"\)+)\s*$",
)


class KubeClient:
    """Reads and dry-runs; nothing in the cluster is ever changed.

    Methods raise ForbiddenError, NotFoundError, RefusedError, or ApiError where the API server is away or answers
    something else.
    """

    def __init__(self, kubeconfig: Path | None, context: str | None) -> None:
        """Find the API server as kubectl does; NoClusterError where nothing says where it is. Nothing is sent yet."""
        from kubernetes import client

        self._configuration = client.Configuration()
        self.namespace = _load(self._configuration, kubeconfig, context)
        self._configuration.retries = False
        if not self._configuration.verify_ssl:
            import urllib3

            # The user's own kubeconfig says so, and kubectl does not warn either.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._api = client.ApiClient(self._configuration)

    def version(self) -> str:
        """Return the API server's version, as in `1.37`; NoClusterError where it is away or does not know us."""
        try:
            found = self.get("/version")
            return f"{found['major']}.{found['minor']}"
        except ForbiddenError:
            raise
        except (ApiError, LookupError) as error:
            # Every API server knows its version.
            said = f": {error}" if isinstance(error, ApiError) else ""
            raise self._away(f"what answers is no API server{said}") from None

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return what the API server has at a path."""
        return self._request("GET", path, query, None)

    def items(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, page by page."""
        while True:
            page = self.get(path, limit=str(_PAGE), **query)
            yield from page.get("items") or []
            if not (token := page.get("metadata", {}).get("continue")):
                return
            query["continue"] = token

    def try_create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return what would become of an object, after all of admission; it is not created."""
        return self._request("POST", path, {"dryRun": "All"}, body)

    def probe_tls_at(self, host: str, port: int, server_name: str, bundle: bytes) -> ProbedCertificate:
        """Return what is served as certificate at a place that this machine reaches itself."""
        return probe_tls(lambda: connect_to(host, port), server_name, bundle)

    def probe_pod_tls(self, namespace: str, pod: str, port: int, server_name: str, bundle: bytes) -> ProbedCertificate:
        """Return what a pod serves as certificate, through the API server."""
        from kubernetes import client, stream
        from websocket import WebSocketBadStatusException

        read = client.CoreV1Api(self._api).connect_get_namespaced_pod_portforward

        def connect() -> Any:
            try:
                return stream.portforward(read, pod, namespace, ports=str(port)).socket(port)
            except client.ApiException as error:
                doing, answer = f"port-forward to pod {pod}", error.__context__
                if isinstance(answer, WebSocketBadStatusException):
                    # The client itself keeps the API server's answer in the text of a sentence.
                    raise self._refusal(answer.status_code, _message(answer.resp_body or b""), doing) from None
                raise ApiError(f"{doing}: {_brief(str(error.reason))}") from None

        return probe_tls(connect, server_name, bundle)

    def _request(self, method: str, path: str, query: dict[str, str], body: Any) -> dict[str, Any]:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError, MaxRetryError

        try:
            request = self._api.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = self._api.call_api(*request, _request_timeout=_TIMEOUT)
            text: bytes = response.read()  # type: ignore[no-untyped-call]  # as the client has it
        except (HTTPError, OSError) as error:
            cause = error.reason if isinstance(error, MaxRetryError) else error
            raise self._away(cause) from None
        except ApiException as error:
            # Of TLS that fails the client makes this, with the cause in the second line.
            raise self._away(str(error.reason).partition("\n")[2]) from None
        if response.status >= 300:
            doing = f"{method} {path}"
            raise self._refusal(response.status, _message(text), doing, is_admission=method == "POST")
        try:
            return cast(dict[str, Any], orjson.loads(text))
        except orjson.JSONDecodeError:
            raise self._away("what answers is no API server") from None

    def _away(self, cause: object) -> NoClusterError:
        host, said = self._configuration.host, _brief(str(cause))
        if _UNTRUSTED.search(str(cause)):
            return NoClusterError(
                f"the certificate of API server {host} is not trusted: {said}",
                "correct certificate-authority-data of that cluster in your kubeconfig",
            )
        return NoClusterError(
            f"API server {host} cannot be reached: {said}",
            "see whether `kubectl version` reaches it, or choose another cluster with --context or --kubeconfig",
        )

    def _refusal(
        self, status: int, message: str, doing: str, *, is_admission: bool = False
    ) -> ApiError | NoClusterError:
        if status == 401 or (status == 403 and 'User "system:anonymous"' in message):
            return NoClusterError(
                f"API server {self._configuration.host} does not accept your credentials",
                "log in again, or choose another user with --context or --kubeconfig",
            )
        if right := _MISSING_RIGHT.search(message):
            verb, resource, group, namespace = right.groups()
            what = f"{resource}.{group}" if group else resource
            where = f" in namespace {namespace}" if namespace else ""
            return ForbiddenError(f"you may not {verb} {what}{where}", "ask whoever runs the cluster for that right")
        if status == 404:
            return NotFoundError(message)
        # A refusal of admission is 403, of validation 422, of a webhook that cannot be called 500.
        return RefusedError(message) if is_admission else ApiError(f"{doing}: {status} {message}")


def _load(configuration: Any, kubeconfig: Path | None, context: str | None) -> str:
    """Fill in a client's configuration from a kubeconfig or a pod's token; return the namespace to work in."""
    from kubernetes import config

    given = _location(kubeconfig)
    if given is None:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # as the client has it
        return (_IN_CLUSTER / "namespace").read_text("utf-8").strip()
    complaints = _Complaints()
    try:
        contexts, active = config.list_kube_config_contexts(given)  # type: ignore[no-untyped-call]
        chosen = next((one for one in contexts if one["name"] == context), active if context is None else None)
        if chosen:
            with complaints:
                config.load_kube_config(given, context, configuration)  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001  # the client raises whatever it stumbles over
        said = f": {error}" if isinstance(error, config.ConfigException) else f": {type(error).__name__}"
        raise NoClusterError(
            f"kubeconfig {given} cannot be used{said}", "try it with `kubectl config view --minify`"
        ) from None
    if not chosen:
        names = ", ".join(one["name"] for one in contexts) or "none"
        raise NoClusterError(f"kubeconfig {given} has no context {context}", f"choose one of: {names}")
    if complaints.said:
        raise NoClusterError(
            f"kubeconfig {given} leads to no credentials: {complaints.said[0]}",
            "log in again, or see `kubectl auth whoami`",
        )
    if "://" not in configuration.host:
        # The client would leave out the CA, where kubectl guesses.
        raise NoClusterError(
            f"kubeconfig {given} has a server without https:// or http://: {configuration.host}",
            "write the scheme there",
        )
    return (chosen.get("context") or {}).get("namespace") or "default"


class _Complaints(logging.Handler):
    """What is logged meanwhile: of credentials that cannot be had, the client only logs, and goes on without."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


def _location(kubeconfig: Path | None) -> str | None:
    """Return where the kubeconfig is, one or several paths as in KUBECONFIG; None in a pod that has a token instead."""
    given = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if any(Path(path).is_file() for path in given.split(os.pathsep)):
        return given
    if not kubeconfig and (_IN_CLUSTER / "token").exists():
        return None
    raise NoClusterError(
        f"there is no kubeconfig at {given}", "say where it is with --kubeconfig or the variable KUBECONFIG"
    )


def _brief(said: str) -> str:
    for noise in _NOISE:
        said = re.sub(noise, "", said)
    return said


def _message(body: bytes) -> str:
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:200].decode("utf-8", "replace").strip()
    return str(status.get("message") or status) if isinstance(status, dict) else str(status)
