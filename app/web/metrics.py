"""The server's metrics, under names that follow Prometheus' conventions; no namespace or pod in any label."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

from app import __version__
from app.injection import Decision

# The API server's own histogram begins at 5 ms, which is many times what we need.
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


class Metrics:
    """Counters and histograms of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Gauge(
            "dind_webhook_build_info", "1, labelled with the version that runs.", ["version"], registry=self.registry
        ).labels(__version__).set(1)
        self._requests = Counter(
            "dind_webhook_requests",
            "Admission requests answered, by what became of the pod and why.",
            ["outcome", "mode", "reason"],
            registry=self.registry,
        )
        self._refused = Counter(
            "dind_webhook_http_errors",
            "Requests answered with an HTTP error, by status code.",
            ["code"],
            registry=self.registry,
        )
        self._duration = Histogram(
            "dind_webhook_request_duration_seconds",
            "Time from the last byte of a request to its answer.",
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def decided(self, decision: Decision, seconds: float) -> None:
        """Count a decision and the time it took."""
        reason = decision.reason
        self._requests.labels(reason.outcome, decision.mode or "", reason.slug).inc()
        self._duration.observe(seconds)

    def refused(self, code: int) -> None:
        """Count a request that was answered with an HTTP error."""
        self._refused.labels(str(code)).inc()

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
