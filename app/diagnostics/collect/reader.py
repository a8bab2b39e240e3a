"""What is asked of a cluster, and going on where something may not be read."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from app.errors import ApiError, NotFoundError
from app.kube import ProbedCertificate
from app.model import JsonObject

_T = TypeVar("_T")


class ClusterApi(Protocol):
    """What is asked of a cluster; each may raise ForbiddenError, NotFoundError, RefusedError or ApiError."""

    def version(self) -> str: ...
    def get(self, path: str, **query: str) -> JsonObject: ...
    def items(self, path: str, **query: str) -> Iterator[JsonObject]: ...
    def try_create(self, path: str, body: JsonObject) -> JsonObject: ...
    def probe_tls_at(self, host: str, port: int, server_name: str, bundle: bytes) -> ProbedCertificate: ...
    def probe_pod_tls(
        self, namespace: str, pod: str, port: int, server_name: str, bundle: bytes
    ) -> ProbedCertificate: ...


class Scope(NamedTuple):
    """What is looked at: one namespace or all, one pod of it or all; which installation, where there are several."""

    namespace: str | None = None
    pod: str | None = None
    webhook: str | None = None
    release: str | None = None


class ClusterReader:
    """Reads on after what could not be read, and remembers why."""

    def __init__(self, cluster: ClusterApi, report_progress: Callable[[str], None]) -> None:
        self.cluster = cluster
        self.report_progress = report_progress
        self.unavailable: dict[str, str] = {}

    def read(
        self, member: str, subject: str, read: Callable[[], _T], default: _T, not_found: NotFoundError | None = None
    ) -> _T:
        """Return the result of `read`; if that fails, mark `member` as unavailable and return `default`.

        `not_found` is raised instead where there is no such object.
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
    """Return why something could not be read, for whoever reads a report."""
    if isinstance(error, NotFoundError):
        return f"the API server has no such thing: {error}"
    return str(error)
