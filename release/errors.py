"""The error of this package."""


class ReleaseError(Exception):
    """Something that a release needs is missing or wrong. The message says what to do."""
