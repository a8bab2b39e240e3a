"""The errors people are meant to read. Anything else that is raised is a bug of ours.

A bad request is an HTTP status, bad settings and bad manifests end a command. A bad *pod* is none
of these: it is a `Decision` with a reason, see `app.injection`.
"""

__all__ = [
    "ApiError",
    "BadRequestError",
    "ConflictError",
    "DindWebhookError",
    "ForbiddenError",
    "ManifestError",
    "NoClusterError",
    "NotFoundError",
    "RefusedError",
    "SettingsError",
]


class DindWebhookError(Exception):
    """Base of every error whose text is written for a person; `hint` says what to do, where that is not in it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class BadRequestError(DindWebhookError):
    """A body that is no AdmissionReview; answered with an HTTP status, 400 unless stated."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SettingsError(DindWebhookError):
    """Operator settings that cannot be used; `problems` holds one line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ManifestError(DindWebhookError):
    """A file given on the command line that holds no readable Kubernetes manifest."""


class ApiError(DindWebhookError):
    """The Kubernetes API server is away, or refused; trying again later may help."""


class ConflictError(ApiError):
    """An object was changed by somebody else since it was read; reading it again helps."""


class ForbiddenError(ApiError):
    """The user may not do that; the text names the right that is missing, as in `you may not list nodes`."""


class NotFoundError(ApiError):
    """There is no such object, or the API server does not know its kind."""


class RefusedError(ApiError):
    """An object was not accepted: by admission, a quota or validation. The text is the API server's own."""


class NoClusterError(DindWebhookError):
    """A cluster that cannot be asked at all: no kubeconfig, nobody there, credentials that are not accepted."""
