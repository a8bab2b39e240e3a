"""The metrics of `dind-webhook certs`."""

from datetime import datetime
from typing import Literal, TypeAlias

from prometheus_client import Counter, Gauge

from dind_webhook.process_metrics import process_registry

SecretChange: TypeAlias = Literal["ca", "leaf", "restored"]


class CertsMetrics:
    """Counters and gauges of one `dind-webhook certs`, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = process_registry()
        self._in_sync = Gauge(
            "dind_webhook_ca_bundle_in_sync",
            "1 while every webhook of the configuration has the right caBundle, as last read.",
            registry=registry,
        )
        self._bundles_written = Counter(
            "dind_webhook_ca_bundle_writes",
            "Times that a caBundle differed and was written.",
            registry=registry,
        )
        self._renewed = Counter(
            "dind_webhook_certificate_renewals",
            "Times that this replica wrote the Secret: a new CA, a new serving certificate, or a Secret that was lost.",
            ["what"],
            registry=registry,
        )
        for what in ("ca", "leaf", "restored"):
            self._renewed.labels(what)
        self._expiry = Gauge(
            "dind_webhook_issued_certificate_expiry_timestamp_seconds",
            "When the certificates in the Secret expire, in seconds since the epoch.",
            ["certificate"],
            registry=registry,
        )
        self._api_errors = Counter(
            "dind_webhook_api_errors",
            "Calls to the API server that failed, conflicts with other replicas not counted.",
            registry=registry,
        )
        self._conflicts = Counter(
            "dind_webhook_api_conflicts",
            "Conflicting writes, retried.",
            registry=registry,
        )

    def set_bundles_in_sync(self, *, in_sync: bool) -> None:
        """Set whether every webhook has the right caBundle."""
        self._in_sync.set(in_sync)

    def count_bundle_write(self) -> None:
        """Count a write of a caBundle."""
        self._bundles_written.inc()

    def count_renewal(self, what: SecretChange) -> None:
        """Count a write of the Secret."""
        self._renewed.labels(what).inc()

    def set_certificate_expiry(self, ca: datetime, leaf: datetime) -> None:
        """Set when the certificates expire."""
        self._expiry.labels("ca").set(ca.timestamp())
        self._expiry.labels("leaf").set(leaf.timestamp())

    def count_failure(self, *, conflict: bool) -> None:
        """Count a failed call, or a write that another client's write made obsolete."""
        (self._conflicts if conflict else self._api_errors).inc()
