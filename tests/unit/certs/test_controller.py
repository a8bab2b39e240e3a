"""Controller: the time of the next reconciliation, retries, and log lines about failures."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from fake_api_server import ApiServer, api_server
from fake_cluster import CONFIGURATION, NAMESPACE, SECRET, Cluster, DirectCertStore
from structlog.testing import capture_logs

from dind_webhook.certs import CertReconciler, CertsMetrics, Controller, Lifetimes
from dind_webhook.errors import ApiError, ConflictError
from dind_webhook.kube import KubeCertStore

LIFETIMES = Lifetimes(ca=timedelta(seconds=60), leaf=timedelta(seconds=20))
KEY = "-----BEGIN PRIVATE KEY-----"


class EnoughError(Exception):
    """Ends a loop that has no end."""


class ApiFault:
    """Raises `error`, if set, before each call to the API server."""

    error: Exception | None = None

    def __call__(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def api_fault() -> ApiFault:
    return ApiFault()


@pytest.fixture
def metrics() -> CertsMetrics:
    return CertsMetrics()


@pytest.fixture
def controller(api_fault: ApiFault, metrics: CertsMetrics, tmp_path: Path) -> Controller:
    reconciler = CertReconciler(
        DirectCertStore(Cluster(), api_fault), tmp_path, ("dind-webhook.ci.svc",), LIFETIMES, metrics
    )
    return Controller(reconciler, metrics, resync_seconds=3600)


def errors(metrics: CertsMetrics, kind: str) -> float | None:
    return metrics.registry.get_sample_value(f"dind_webhook_api_{kind}_total")


def test_the_next_round_is_due_when_something_is_or_after_the_resync(
    controller: Controller, metrics: CertsMetrics, tmp_path: Path
) -> None:
    assert 0 < controller.reconcile_once() <= 40 / 3
    reconciler = CertReconciler(
        DirectCertStore(Cluster()), tmp_path / "b", ("dind-webhook.ci.svc",), LIFETIMES, metrics
    )
    assert Controller(reconciler, metrics, resync_seconds=5).reconcile_once() == 5


def test_whoever_lost_against_another_tries_again_at_once_and_says_nothing(
    controller: Controller, api_fault: ApiFault, metrics: CertsMetrics
) -> None:
    api_fault.error = ConflictError("slower")
    with capture_logs() as log:
        pauses = [controller.reconcile_once() for _ in range(20)]
    assert log == []
    assert max(pauses) <= 0.2
    assert len(set(pauses)) > 10, "not all at the same moment"
    assert (errors(metrics, "conflicts"), errors(metrics, "errors")) == (20, 0)


def test_pauses_grow_while_the_api_server_is_away_and_are_never_the_same(
    controller: Controller, api_fault: ApiFault, metrics: CertsMetrics
) -> None:
    api_fault.error = ApiError("reading Secret ci/x: 500 Internal Server Error")
    with capture_logs() as log:
        pauses = [controller.reconcile_once() for _ in range(50)]
        api_fault.error = None
        controller.reconcile_once()
    for number, pause in enumerate(pauses):
        longest = min(8, 0.5 * 2**number)
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) == 50
    assert log[0] == {
        "event": "certificates not reconciled",
        "log_level": "warning",
        "problem": str(ApiError("reading Secret ci/x: 500 Internal Server Error")),
        "next_try_seconds": round(pauses[0], 1),
    }
    again = [line for line in log if line["event"] == "certificates reconciled again"]
    assert [line["failures"] for line in again] == [50]
    assert (errors(metrics, "conflicts"), errors(metrics, "errors")) == (0, 50)


def test_a_bug_is_told_with_its_place_but_not_with_its_text_and_does_not_end_the_work(
    controller: Controller, api_fault: ApiFault
) -> None:
    api_fault.error = ValueError(KEY)
    with capture_logs() as log:
        assert controller.reconcile_once() > 0
        api_fault.error = None
        assert controller.reconcile_once() > 0
    assert log[0]["problem"].startswith("bug: ValueError at ")
    assert "test_controller.py" in log[0]["problem"]
    assert KEY not in str(log)


def test_files_that_cannot_be_written_are_told_like_an_api_server_that_is_away(
    api_fault: ApiFault, metrics: CertsMetrics, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    reconciler = CertReconciler(
        DirectCertStore(Cluster(), api_fault), tmp_path / "file", ("a.ci.svc",), LIFETIMES, metrics
    )
    with capture_logs() as log:
        Controller(reconciler, metrics, resync_seconds=5).reconcile_once()
    assert "File exists" in log[-1]["problem"]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server(Cluster()) as server:
        yield server


@pytest.mark.parametrize("watch_seconds", [0, 60], ids=["ended", "refused"])
def test_a_watch_that_does_not_last_is_begun_again_after_a_pause(
    api: ApiServer, controller: Controller, tmp_path: Path, watch_seconds: int
) -> None:
    objects = KubeCertStore(NAMESPACE, SECRET, CONFIGURATION, api.write_kubeconfig(tmp_path / "kubeconfig"))
    api.watch_seconds = watch_seconds
    if watch_seconds:
        api.fault = lambda _verb, _kind: 410
    enough = threading.Event()

    def watching() -> Iterator[None]:
        if enough.is_set():
            raise EnoughError
        return objects.watch_bundles()

    def watch() -> None:
        with suppress(EnoughError):
            controller.watch(watching)

    thread = threading.Thread(target=watch)
    thread.start()
    enough.wait(1.5)
    enough.set()
    thread.join()
    assert 1 <= api.requests["watch", "webhooks"] <= 4
