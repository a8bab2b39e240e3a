"""Errors whose text is for people. Any other exception is a bug.

A bad request becomes an HTTP status; bad settings and bad manifests end a command. A bad *pod* is not an error: it
becomes a `Decision` with a reason (`dind_webhook.injection`).
"""

from traceback import extract_tb

__all__ = [
    "ApiError",
    "BadRequestError",
    "ConflictError",
    "DindWebhookError",
    "EmptyManifestError",
    "ForbiddenError",
    "ManifestError",
    "NoClusterError",
    "NoObjectError",
    "NotFoundError",
    "RefusedError",
    "SettingsError",
    "frames_of",
]


def frames_of(error: Exception) -> list[str]:
    """Return file, line and function of each frame. The text of the error is left out: it may quote a pod or a key."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]


class DindWebhookError(Exception):
    """Base of every error whose text is for people. `hint` says what to do, if the text does not."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class BadRequestError(DindWebhookError):
    """The body is not an AdmissionReview. `status` is the HTTP status of the response."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SettingsError(DindWebhookError):
    """The operator's settings cannot be used. `problems` has one text for each mistake.

    `line` is the line at which the file stops being YAML, counted from 1, or None.
    """

    def __init__(self, problems: list[str], line: int | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.line = line


class ManifestError(DindWebhookError):
    """A file on the command line holds no readable Kubernetes manifest.

    `line` is the line of the mistake, counted from 1, or None.
    """

    def __init__(self, message: str, hint: str = "", line: int | None = None) -> None:
        super().__init__(message, hint)
        self.line = line


class EmptyManifestError(ManifestError):
    """A file on the command line is empty, or holds comments only."""


class NoObjectError(ManifestError):
    """A file on the command line holds something else than Kubernetes objects, such as a list."""


class ApiError(DindWebhookError):
    """The Kubernetes API server did not answer, or answered with an error. A later try may succeed."""


class ConflictError(ApiError):
    """Another client changed the object after it was read. Read it again."""


class ForbiddenError(ApiError):
    """The user lacks a permission. The text names it, as in `you may not list nodes`."""


class NotFoundError(ApiError):
    """The object does not exist, or the API server does not know its kind."""


class RefusedError(ApiError):
    """Admission, a quota or validation rejected an object. The text is the API server's."""


class NoClusterError(DindWebhookError):
    """The cluster cannot be reached: no kubeconfig, no answer, or rejected credentials."""
