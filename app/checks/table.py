"""All checks, in the order they are made: what others rest on first."""

from app.checks import certificate, configuration, daemonset, dry_run, namespaces, pods, server
from app.checks.check import Check

CHECKS: tuple[Check, ...] = (
    *configuration.CHECKS,
    *server.CHECKS,
    *certificate.CHECKS,
    *daemonset.CHECKS,
    *namespaces.CHECKS,
    *dry_run.CHECKS,
    *pods.CHECKS,
)
