"""Moments as text."""

from datetime import UTC, datetime, timedelta, timezone

from dind_webhook.timestamps import format_timestamp


def test_a_moment_is_written_as_kubernetes_does() -> None:
    assert format_timestamp(datetime(2026, 6, 1, 12, 0, 5, 999, tzinfo=UTC)) == "2026-06-01T12:00:05Z"


def test_another_time_zone_becomes_utc() -> None:
    zone = timezone(timedelta(hours=2))
    assert format_timestamp(datetime(2026, 6, 1, 1, tzinfo=zone)) == "2026-05-31T23:00:00Z"
