"""All checks, in the order in which they run: each after the ones it depends on."""

from dind_webhook.diagnostics.check import Check
from dind_webhook.diagnostics.checks import (
    certificate,
    daemon_files,
    daemonset,
    dry_run,
    isolation,
    namespaces,
    placement,
    pods,
    server,
    webhook_configuration,
)

CHECKS: tuple[Check, ...] = (
    *webhook_configuration.CHECKS,
    *server.CHECKS,
    *certificate.CHECKS,
    *daemonset.CHECKS,
    *isolation.CHECKS,
    *placement.CHECKS,
    *namespaces.CHECKS,
    *dry_run.CHECKS,
    *daemon_files.CHECKS,
    *pods.CHECKS,
)
