"""CertReconciler: one reconciliation of one replica, with the objects in memory."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_cluster import Cluster, DirectCertStore

from dind_webhook.certs import CertReconciler, CertsMetrics, Lifetimes
from dind_webhook.certs.atomic_writer import read_served_cert
from dind_webhook.certs.rotation import decode_state, encode_state, new_state
from dind_webhook.errors import ApiError, ConflictError

NOW = datetime(2030, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
LIFETIMES = Lifetimes(ca=90 * DAY, leaf=30 * DAY)
HOSTS = ("dind-webhook.ci.svc",)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def metrics() -> CertsMetrics:
    return CertsMetrics()


@pytest.fixture
def reconciler(cluster: Cluster, metrics: CertsMetrics, tmp_path: Path) -> CertReconciler:
    return CertReconciler(DirectCertStore(cluster), tmp_path, HOSTS, LIFETIMES, metrics)


def sample(metrics: CertsMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"dind_webhook_{name}", labels)


def test_one_step_leads_from_nothing_to_a_pair_that_is_trusted(
    reconciler: CertReconciler, cluster: Cluster, metrics: CertsMetrics, tmp_path: Path
) -> None:
    assert reconciler.problem(NOW) == "nothing done yet"
    assert reconciler.reconcile(NOW) == NOW + 20 * DAY
    assert reconciler.problem(NOW) is None
    state = decode_state(cluster.secret())
    assert read_served_cert(tmp_path) == state.leaf.cert
    assert set(cluster.bundles()) == {state.ca.cert}
    assert sample(metrics, "ca_bundle_in_sync") == 1
    assert sample(metrics, "certificate_renewals_total", what="ca") == 1
    expiry = "issued_certificate_expiry_timestamp_seconds"
    assert sample(metrics, expiry, certificate="ca") == (NOW + 90 * DAY).timestamp()
    assert sample(metrics, expiry, certificate="leaf") == (NOW + 30 * DAY).timestamp()


def test_a_step_that_finds_everything_in_order_writes_nothing(reconciler: CertReconciler, cluster: Cluster) -> None:
    reconciler.reconcile(NOW)
    events = len(cluster.events)
    reconciler.reconcile(NOW + DAY)
    assert len(cluster.events) == events


def test_without_a_webhook_configuration_it_is_not_ready_and_nothing_is_served(
    reconciler: CertReconciler, cluster: Cluster, metrics: CertsMetrics, tmp_path: Path
) -> None:
    cluster.delete("webhooks")
    reconciler.reconcile(NOW)
    assert reconciler.problem(NOW) == "the webhook configuration does not exist, or has no webhooks"
    assert read_served_cert(tmp_path) is None
    assert sample(metrics, "ca_bundle_in_sync") == 0
    cluster.configure(())
    reconciler.reconcile(NOW)
    assert reconciler.problem(NOW) is not None
    cluster.configure(("a.dind.io",))
    reconciler.reconcile(NOW)
    assert reconciler.problem(NOW) is None


def test_once_ready_it_stays_so_until_the_certificate_in_the_files_expires(
    reconciler: CertReconciler, cluster: Cluster
) -> None:
    reconciler.reconcile(NOW)
    cluster.delete("webhooks")
    reconciler.reconcile(NOW)
    assert reconciler.problem(NOW + 30 * DAY - SECOND) is None
    assert reconciler.problem(NOW + 30 * DAY) == "the certificate in the files has expired"


def test_a_new_ca_is_in_the_bundles_at_once_and_its_leaf_served_half_a_minute_later(
    reconciler: CertReconciler, cluster: Cluster, metrics: CertsMetrics, tmp_path: Path
) -> None:
    for day in (0, 20, 40):
        reconciler.reconcile(NOW + day * DAY)
    before, due = decode_state(cluster.secret()), NOW + 60 * DAY
    assert reconciler.reconcile(due) == due + 30 * SECOND
    after = decode_state(cluster.secret())
    assert set(cluster.bundles()) == {after.ca.cert + before.ca.cert}
    assert read_served_cert(tmp_path) == before.leaf.cert
    reconciler.reconcile(due + 29 * SECOND)
    assert read_served_cert(tmp_path) == before.leaf.cert
    assert reconciler.reconcile(due + 30 * SECOND) == NOW + 70 * DAY
    assert read_served_cert(tmp_path) == after.leaf.cert
    assert reconciler.reconcile(NOW + 70 * DAY) == NOW + 80 * DAY
    assert set(cluster.bundles()) == {after.ca.cert}
    assert sample(metrics, "certificate_renewals_total", what="ca") == 2
    assert sample(metrics, "certificate_renewals_total", what="leaf") == 2


def test_a_bundle_that_lost_the_new_ca_meanwhile_begins_the_wait_anew(
    reconciler: CertReconciler, cluster: Cluster, tmp_path: Path
) -> None:
    for day in (0, 20, 40, 60):
        reconciler.reconcile(NOW + day * DAY)
    served, due = read_served_cert(tmp_path), NOW + 60 * DAY
    cluster.overwrite_bundles(b"")
    assert reconciler.reconcile(due + 20 * SECOND) == due + 50 * SECOND
    reconciler.reconcile(due + 49 * SECOND)
    assert read_served_cert(tmp_path) == served
    reconciler.reconcile(due + 50 * SECOND)
    assert read_served_cert(tmp_path) != served


@pytest.mark.parametrize(
    ("left", "waits"), [(120 * SECOND, True), (61 * SECOND, True), (60 * SECOND, False), (-SECOND, False)]
)
def test_a_restarted_replica_waits_for_a_new_ca_as_long_as_its_old_leaf_allows(
    reconciler: CertReconciler, cluster: Cluster, tmp_path: Path, left: timedelta, waits: bool
) -> None:
    for day in (0, 20, 40, 60):
        reconciler.reconcile(NOW + day * DAY)
    served, now = read_served_cert(tmp_path), NOW + 70 * DAY - left
    # After a restart, the replica must assume that the bundle was written a moment ago.
    restarted = CertReconciler(DirectCertStore(cluster), tmp_path, HOSTS, LIFETIMES, CertsMetrics())
    due = restarted.reconcile(now)
    assert (read_served_cert(tmp_path) == served) is waits
    assert restarted.problem(now) is None
    if waits:
        assert due == now + 30 * SECOND
        restarted.reconcile(due)
        assert read_served_cert(tmp_path) != served


@pytest.mark.parametrize("loss", ["deleted", "emptied"])
def test_a_secret_that_is_lost_comes_back_from_memory(
    reconciler: CertReconciler, cluster: Cluster, metrics: CertsMetrics, loss: str
) -> None:
    reconciler.reconcile(NOW)
    before = cluster.secret()
    if loss == "deleted":
        cluster.delete("secret")
    else:
        cluster.edit_secret(**{key.replace(".", "_"): b"" for key in before})
    reconciler.reconcile(NOW + DAY)
    assert cluster.secret() == before
    assert sample(metrics, "certificate_renewals_total", what="restored") == 1


def test_a_secret_that_is_lost_when_its_leaf_is_due_comes_back_renewed(
    reconciler: CertReconciler, cluster: Cluster
) -> None:
    reconciler.reconcile(NOW)
    before = decode_state(cluster.secret())
    cluster.delete("secret")
    reconciler.reconcile(NOW + 20 * DAY)
    after = decode_state(cluster.secret())
    assert (after.ca, after.leaf == before.leaf) == (before.ca, False)


def test_a_secret_that_was_replaced_gets_back_the_ca_of_the_leaf_that_is_served(
    reconciler: CertReconciler, cluster: Cluster
) -> None:
    reconciler.reconcile(NOW)
    before, stranger = decode_state(cluster.secret()), new_state(HOSTS, LIFETIMES, NOW)
    cluster.edit_secret(**{key.replace(".", "_"): value for key, value in encode_state(stranger).items()})
    reconciler.reconcile(NOW + DAY)
    assert set(cluster.bundles()) == {stranger.ca.cert + before.ca.cert}
    reconciler.reconcile(NOW + DAY)
    assert decode_state(cluster.secret()).ca == stranger.ca


def test_a_new_install_keeps_trusting_the_cas_that_the_bundles_have(
    reconciler: CertReconciler, cluster: Cluster, tmp_path: Path
) -> None:
    old = new_state(HOSTS, LIFETIMES, NOW - DAY)
    cluster.overwrite_bundles(old.ca.cert)
    reconciler.reconcile(NOW)
    assert set(cluster.bundles()) == {decode_state(cluster.secret()).ca.cert + old.ca.cert}
    assert read_served_cert(tmp_path) is None
    assert reconciler.problem(NOW) == "the files are not written yet"
    reconciler.reconcile(NOW + 30 * SECOND)
    assert reconciler.problem(NOW + 30 * SECOND) is None


def test_a_replica_that_comes_later_takes_what_is_there_and_serves_it_at_once(
    reconciler: CertReconciler, cluster: Cluster, tmp_path: Path
) -> None:
    reconciler.reconcile(NOW)
    events = len(cluster.events)
    later = CertReconciler(DirectCertStore(cluster), tmp_path / "later", HOSTS, LIFETIMES, CertsMetrics())
    later.reconcile(NOW + DAY)
    assert later.problem(NOW + DAY) is None
    assert read_served_cert(tmp_path / "later") == read_served_cert(tmp_path)
    assert len(cluster.events) == events


@pytest.mark.parametrize("error", [ApiError("away"), ConflictError("slower")])
def test_what_was_done_before_an_error_stays_and_the_next_step_goes_on(tmp_path: Path, error: ApiError) -> None:
    calls = iter([None, None, None, error])
    cluster = Cluster()

    def before() -> None:
        if raised := next(calls, None):
            raise raised

    reconciler = CertReconciler(DirectCertStore(cluster, before), tmp_path, HOSTS, LIFETIMES, CertsMetrics())
    with pytest.raises(type(error)):
        reconciler.reconcile(NOW)
    assert len(cluster.cas) == 1
    reconciler.reconcile(NOW + SECOND)
    assert reconciler.problem(NOW + SECOND) is None
    assert len(cluster.cas) == 1
