"""Errors of the API server and of the connection to it, as errors for people."""

import re
import ssl

import orjson

from dind_webhook.errors import ApiError, ForbiddenError, NoClusterError, NotFoundError, RefusedError

# RBAC and admission both refuse with 403, reason Forbidden and the same `details`; only the message differs:
# `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "ci"`
# (forbiddenMessage in k8s.io/apiserver, endpoints/handlers/responsewriters/errors.go).
_MISSING_RIGHT = re.compile(r'cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?')
_ANONYMOUS = 'User "system:anonymous"'


def root_cause(error: BaseException) -> BaseException:
    """Return the exception of the operating system or of OpenSSL that a client wraps, or else the innermost one."""
    while not isinstance(error, OSError):
        wrapped = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
        inner = next((each for each in wrapped if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def describe_cause(error: BaseException) -> str:
    """Return why a connection failed, without the text that clients add."""
    cause = root_cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return cause.reason.replace("_", " ").lower()
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def connection_error(host: str, error: BaseException) -> NoClusterError:
    """Return the error for an API server that cannot be reached, or whose certificate is not trusted."""
    cause = root_cause(error)
    is_bad_ca = isinstance(cause, ssl.SSLError) and cause.library == "X509"
    if is_bad_ca or isinstance(cause, ssl.SSLCertVerificationError):
        return NoClusterError(
            f"the certificate of API server {host} is not trusted: {describe_cause(cause)}",
            "correct certificate-authority-data of that cluster in your kubeconfig",
        )
    return unreachable_error(host, describe_cause(cause))


def unreachable_error(host: str, reason: str) -> NoClusterError:
    """Return the error for an API server that cannot be reached."""
    return NoClusterError(
        f"API server {host} cannot be reached: {reason}",
        "see whether `kubectl version` reaches it, or choose another cluster with --context or --kubeconfig",
    )


def status_error(
    host: str, status: int, body: bytes, request: str, *, is_admission: bool = False
) -> ApiError | NoClusterError:
    """Return the error for an answer with an HTTP status of 300 or more.

    `request` is a method and a path. `is_admission` says that admission took part in the answer.
    """
    message = _status_message(body)
    if status == 401 or (status == 403 and _ANONYMOUS in message):
        return NoClusterError(
            f"API server {host} does not accept your credentials",
            "log in again, or choose another user with --context or --kubeconfig",
        )
    if right := _MISSING_RIGHT.search(message):
        verb, resource, group, namespace = right.groups()
        kind = f"{resource}.{group}" if group else resource
        place = f" in namespace {namespace}" if namespace else ""
        return ForbiddenError(f"you may not {verb} {kind}{place}", "ask the cluster's administrators for that right")
    if status == 404:
        return NotFoundError(message)
    # Admission refuses with 403, validation with 422; a webhook that cannot be called is a 500.
    return RefusedError(message) if is_admission else ApiError(f"{request}: {status} {message}")


def _status_message(body: bytes) -> str:
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:200].decode("utf-8", "replace").strip()
    return str(status.get("message") or status) if isinstance(status, dict) else str(status)
