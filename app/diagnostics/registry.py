"""All checks, in the order they are made: what others rest on first."""

from app.diagnostics.check import Check
from app.diagnostics.checks import certificate, daemonset, dry_run, namespaces, pods, server, webhook_configuration

CHECKS: tuple[Check, ...] = (
    *webhook_configuration.CHECKS,
    *server.CHECKS,
    *certificate.CHECKS,
    *daemonset.CHECKS,
    *namespaces.CHECKS,
    *dry_run.CHECKS,
    *pods.CHECKS,
)
