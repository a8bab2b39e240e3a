"""The metrics that each process of this project has."""

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics

from dind_webhook import __version__

# `_created` series would double the number of series, and nobody uses them.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here


def process_registry() -> CollectorRegistry:
    """Return a new registry with the metrics of this process and the version of the program."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    Gauge("dind_webhook_build_info", "1, labelled with the version that runs.", ["version"], registry=registry).labels(
        __version__
    ).set(1)
    return registry
