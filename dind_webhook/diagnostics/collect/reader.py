"""Reads objects of a cluster, and continues after those that cannot be read."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from dind_webhook.errors import ApiError, NotFoundError
from dind_webhook.kube import ProbedCertificate
from dind_webhook.model import JsonObject

_T = TypeVar("_T")


class ClusterApi(Protocol):
    """Requests to a cluster; each may raise ForbiddenError, NotFoundError, RefusedError or ApiError."""

    def version(self) -> str: ...
    def get(self, path: str, **query: str) -> JsonObject: ...
    def items(self, path: str, **query: str) -> Iterator[JsonObject]: ...
    def try_create(self, path: str, body: JsonObject) -> JsonObject: ...
    def probe_tls_at(self, host: str, port: int, server_name: str, bundle: bytes) -> ProbedCertificate: ...
    def probe_pod_tls(
        self, namespace: str, pod: str, port: int, server_name: str, bundle: bytes
    ) -> ProbedCertificate: ...


class Scope(NamedTuple):
    """The part of a cluster to read: one namespace or all, one pod or all, one of several installations."""

    namespace: str | None = None
    pod: str | None = None
    webhook: str | None = None
    release: str | None = None


class ClusterReader:
    """Reads objects; `unavailable` has those that could not be read, and why."""

    def __init__(self, cluster: ClusterApi, report_progress: Callable[[str], None]) -> None:
        self.cluster = cluster
        self.report_progress = report_progress
        self.unavailable: dict[str, str] = {}

    def read(
        self, member: str, subject: str, read: Callable[[], _T], default: _T, not_found: NotFoundError | None = None
    ) -> _T:
        """Return the result of `read`; if that fails, mark `member` as unavailable and return `default`.

        `not_found` is raised instead if the object does not exist.
        """
        self.report_progress(subject)
        try:
            return read()
        except ApiError as error:
            if not_found and isinstance(error, NotFoundError):
                raise not_found from None
            self.unavailable[member] = describe_read_error(error)
            return default

    def list(self, member: str, subject: str, path: str, **query: str) -> tuple[JsonObject, ...]:
        return self.read(member, subject, lambda: tuple(self.cluster.items(path, **query)), ())


def describe_read_error(error: ApiError) -> str:
    """Return why an object could not be read, for the report."""
    if isinstance(error, NotFoundError):
        return f"the API server does not have it: {error}"
    return str(error)
