"""What one replica does at a moment, with the objects in memory."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cluster import Cluster, DirectObjects

from app.certs import CertsMetrics, Lives, Upkeep
from app.certs.atomic_writer import read_served_cert
from app.certs.rotation import decode_keyring, encode_keyring, new_keyring
from app.errors import ApiError, ConflictError

NOW = datetime(2030, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
LIVES = Lives(ca=90 * DAY, leaf=30 * DAY)
HOSTS = ("dind-webhook.ci.svc",)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def metrics() -> CertsMetrics:
    return CertsMetrics()


@pytest.fixture
def upkeep(cluster: Cluster, metrics: CertsMetrics, tmp_path: Path) -> Upkeep:
    return Upkeep(DirectObjects(cluster), tmp_path, HOSTS, LIVES, metrics)


def sample(metrics: CertsMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"dind_webhook_{name}", labels)


def test_one_step_leads_from_nothing_to_a_pair_that_is_trusted(
    upkeep: Upkeep, cluster: Cluster, metrics: CertsMetrics, tmp_path: Path
) -> None:
    assert upkeep.problem(NOW) == "nothing done yet"
    assert upkeep.step(NOW) == NOW + 20 * DAY
    assert upkeep.problem(NOW) is None
    keyring = decode_keyring(cluster.secret())
    assert read_served_cert(tmp_path) == keyring.leaf.cert
    assert set(cluster.bundles()) == {keyring.ca.cert}
    assert sample(metrics, "ca_bundle_in_sync") == 1
    assert sample(metrics, "certificate_renewals_total", what="ca") == 1
    expiry = "issued_certificate_expiry_timestamp_seconds"
    assert sample(metrics, expiry, certificate="ca") == (NOW + 90 * DAY).timestamp()
    assert sample(metrics, expiry, certificate="leaf") == (NOW + 30 * DAY).timestamp()


def test_a_step_that_finds_everything_in_order_writes_nothing(upkeep: Upkeep, cluster: Cluster) -> None:
    upkeep.step(NOW)
    events = len(cluster.events)
    upkeep.step(NOW + DAY)
    assert len(cluster.events) == events


def test_without_a_webhook_configuration_it_is_not_ready_and_nothing_is_served(
    upkeep: Upkeep, cluster: Cluster, metrics: CertsMetrics, tmp_path: Path
) -> None:
    cluster.delete("webhooks")
    upkeep.step(NOW)
    assert upkeep.problem(NOW) == "the webhook configuration does not exist, or has no webhooks"
    assert read_served_cert(tmp_path) is None
    assert sample(metrics, "ca_bundle_in_sync") == 0
    cluster.configure(())
    upkeep.step(NOW)
    assert upkeep.problem(NOW) is not None
    cluster.configure(("a.dind.io",))
    upkeep.step(NOW)
    assert upkeep.problem(NOW) is None


def test_once_ready_it_stays_so_until_the_certificate_in_the_files_expires(upkeep: Upkeep, cluster: Cluster) -> None:
    upkeep.step(NOW)
    cluster.delete("webhooks")
    upkeep.step(NOW)
    assert upkeep.problem(NOW + 30 * DAY - SECOND) is None
    assert upkeep.problem(NOW + 30 * DAY) == "the certificate in the files has expired"


def test_a_new_ca_is_in_the_bundles_at_once_and_its_leaf_served_half_a_minute_later(
    upkeep: Upkeep, cluster: Cluster, metrics: CertsMetrics, tmp_path: Path
) -> None:
    for day in (0, 20, 40):
        upkeep.step(NOW + day * DAY)
    before, due = decode_keyring(cluster.secret()), NOW + 60 * DAY
    assert upkeep.step(due) == due + 30 * SECOND
    after = decode_keyring(cluster.secret())
    assert set(cluster.bundles()) == {after.ca.cert + before.ca.cert}
    assert read_served_cert(tmp_path) == before.leaf.cert
    upkeep.step(due + 29 * SECOND)
    assert read_served_cert(tmp_path) == before.leaf.cert
    assert upkeep.step(due + 30 * SECOND) == NOW + 70 * DAY
    assert read_served_cert(tmp_path) == after.leaf.cert
    assert upkeep.step(NOW + 70 * DAY) == NOW + 80 * DAY
    assert set(cluster.bundles()) == {after.ca.cert}
    assert sample(metrics, "certificate_renewals_total", what="ca") == 2
    assert sample(metrics, "certificate_renewals_total", what="leaf") == 2


def test_a_bundle_that_lost_the_new_ca_meanwhile_begins_the_wait_anew(
    upkeep: Upkeep, cluster: Cluster, tmp_path: Path
) -> None:
    for day in (0, 20, 40, 60):
        upkeep.step(NOW + day * DAY)
    served, due = read_served_cert(tmp_path), NOW + 60 * DAY
    cluster.overwrite_bundles(b"")
    assert upkeep.step(due + 20 * SECOND) == due + 50 * SECOND
    upkeep.step(due + 49 * SECOND)
    assert read_served_cert(tmp_path) == served
    upkeep.step(due + 50 * SECOND)
    assert read_served_cert(tmp_path) != served


@pytest.mark.parametrize(
    ("left", "waits"), [(120 * SECOND, True), (61 * SECOND, True), (60 * SECOND, False), (-SECOND, False)]
)
def test_a_restarted_replica_waits_for_a_new_ca_as_long_as_its_old_leaf_allows(
    upkeep: Upkeep, cluster: Cluster, tmp_path: Path, left: timedelta, waits: bool
) -> None:
    for day in (0, 20, 40, 60):
        upkeep.step(NOW + day * DAY)
    served, now = read_served_cert(tmp_path), NOW + 70 * DAY - left
    # All that it can know: the bundle may have been written a moment ago.
    restarted = Upkeep(DirectObjects(cluster), tmp_path, HOSTS, LIVES, CertsMetrics())
    due = restarted.step(now)
    assert (read_served_cert(tmp_path) == served) is waits
    assert restarted.problem(now) is None
    if waits:
        assert due == now + 30 * SECOND
        restarted.step(due)
        assert read_served_cert(tmp_path) != served


@pytest.mark.parametrize("loss", ["deleted", "emptied"])
def test_a_secret_that_is_lost_comes_back_from_memory(
    upkeep: Upkeep, cluster: Cluster, metrics: CertsMetrics, loss: str
) -> None:
    upkeep.step(NOW)
    before = cluster.secret()
    if loss == "deleted":
        cluster.delete("secret")
    else:
        cluster.edit_secret(**{key.replace(".", "_"): b"" for key in before})
    upkeep.step(NOW + DAY)
    assert cluster.secret() == before
    assert sample(metrics, "certificate_renewals_total", what="restored") == 1


def test_a_secret_that_is_lost_when_its_leaf_is_due_comes_back_renewed(upkeep: Upkeep, cluster: Cluster) -> None:
    upkeep.step(NOW)
    before = decode_keyring(cluster.secret())
    cluster.delete("secret")
    upkeep.step(NOW + 20 * DAY)
    after = decode_keyring(cluster.secret())
    assert (after.ca, after.leaf == before.leaf) == (before.ca, False)


def test_a_secret_that_was_replaced_gets_back_the_ca_of_the_leaf_that_is_served(
    upkeep: Upkeep, cluster: Cluster
) -> None:
    upkeep.step(NOW)
    before, stranger = decode_keyring(cluster.secret()), new_keyring(HOSTS, LIVES, NOW)
    cluster.edit_secret(**{key.replace(".", "_"): value for key, value in encode_keyring(stranger).items()})
    upkeep.step(NOW + DAY)
    assert set(cluster.bundles()) == {stranger.ca.cert + before.ca.cert}
    upkeep.step(NOW + DAY)
    assert decode_keyring(cluster.secret()).ca == stranger.ca


def test_a_new_install_keeps_trusting_the_cas_that_the_bundles_have(
    upkeep: Upkeep, cluster: Cluster, tmp_path: Path
) -> None:
    old = new_keyring(HOSTS, LIVES, NOW - DAY)
    cluster.overwrite_bundles(old.ca.cert)
    upkeep.step(NOW)
    assert set(cluster.bundles()) == {decode_keyring(cluster.secret()).ca.cert + old.ca.cert}
    assert read_served_cert(tmp_path) is None
    assert upkeep.problem(NOW) == "the files are not written yet"
    upkeep.step(NOW + 30 * SECOND)
    assert upkeep.problem(NOW + 30 * SECOND) is None


def test_a_replica_that_comes_later_takes_what_is_there_and_serves_it_at_once(
    upkeep: Upkeep, cluster: Cluster, tmp_path: Path
) -> None:
    upkeep.step(NOW)
    events = len(cluster.events)
    later = Upkeep(DirectObjects(cluster), tmp_path / "later", HOSTS, LIVES, CertsMetrics())
    later.step(NOW + DAY)
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

    upkeep = Upkeep(DirectObjects(cluster, before), tmp_path, HOSTS, LIVES, CertsMetrics())
    with pytest.raises(type(error)):
        upkeep.step(NOW)
    assert len(cluster.cas) == 1
    upkeep.step(NOW + SECOND)
    assert upkeep.problem(NOW + SECOND) is None
    assert len(cluster.cas) == 1
