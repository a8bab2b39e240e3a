"""Moments as text."""

from datetime import UTC, datetime


def format_timestamp(moment: datetime) -> str:
    """Return a moment in UTC as Kubernetes writes it (RFC 3339), to the second: `2026-06-01T12:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
