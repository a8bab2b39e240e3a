"""The metrics of `serve`. Names follow the Prometheus conventions; no label holds a namespace or a pod."""

from functools import cache, partial
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from dind_webhook.injection import Decision, Isolation, Mode, Outcome, Reason
from dind_webhook.process_metrics import process_registry

# The API server's own histogram begins at 5 ms, many times the duration of a decision.
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


class Metrics:
    """Counters and histograms of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = process_registry()
        counter, gauge = partial(Counter, registry=self.registry), partial(Gauge, registry=self.registry)
        self._requests = counter(
            "dind_webhook_requests",
            "Admission requests answered, by outcome, mode, isolation and reason.",
            ["outcome", "mode", "isolation", "reason"],
        )
        # prometheus_client looks up a series by its labels each time. This cache has an entry for each one.
        self._decision_counter = cache(self._find_decision_counter)
        self._http_errors = counter(
            "dind_webhook_http_errors", "Requests answered with an HTTP error, by status code.", ["code"]
        )
        self._duration = Histogram(
            "dind_webhook_request_duration_seconds",
            "Time from the last byte of a request to its answer.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._connections = gauge(
            "dind_webhook_connections", "Connections that are open to the webhook's port, TLS handshakes included."
        )
        self._closed_connections = counter(
            "dind_webhook_connections_closed",
            "Connections that the server closed to protect itself: too slow, too many, or holding too many bytes.",
            ["reason"],
        )
        for reason in ("timeout", "limit", "overload"):
            self._closed_connections.labels(reason)
        self._expiry = gauge(
            "dind_webhook_certificate_expiry_timestamp_seconds",
            "When the served certificate expires, in seconds since the epoch; 0 while there is none.",
        )
        self._loads = counter(
            "dind_webhook_certificate_reloads", "Certificates taken from the files, the first one included."
        )
        self._load_errors = counter(
            "dind_webhook_certificate_reload_errors",
            "Certificate files that could not be used; the previous certificate stays in use.",
        )
        self._certificate_ok = gauge(
            "dind_webhook_certificate_last_reload_successful",
            "1 if the served certificate is the one in the files, 0 if the files cannot be used.",
        )

    def count_decision(self, decision: Decision, seconds: float) -> None:
        """Count a decision and the time it took."""
        self._decision_counter(decision.outcome, decision.reason, decision.mode, decision.isolation).inc()
        self._duration.observe(seconds)

    def _find_decision_counter(
        self, outcome: Outcome, reason: Reason, mode: Mode | None, isolation: Isolation | None
    ) -> Counter:
        return self._requests.labels(outcome, mode or "", isolation or "", reason.slug)

    def count_http_error(self, code: int) -> None:
        """Count a request that was answered with an HTTP error."""
        self._http_errors.labels(str(code)).inc()

    def set_connections(self, count: int) -> None:
        """Set the number of open connections."""
        self._connections.set(count)

    def count_closed_connection(self, reason: Literal["timeout", "limit", "overload"]) -> None:
        """Count a connection that was closed to protect the server."""
        self._closed_connections.labels(reason).inc()

    def count_certificate_load(self, not_after: float) -> None:
        """Count a loaded certificate; it expires at `not_after`, in seconds since the epoch."""
        self._loads.inc()
        self._expiry.set(not_after)

    def count_certificate_load_error(self) -> None:
        """Count certificate files that cannot be served."""
        self._load_errors.inc()

    def set_certificate_ok(self, *, ok: bool) -> None:
        """Set whether the certificate in the files is the one that is served."""
        self._certificate_ok.set(ok)
