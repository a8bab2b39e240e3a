"""`dind-webhook certs`: several replicas, which communicate only through an API server that may fail."""

import itertools
import json
import random
import re
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest
from cryptography import x509
from fake_api_server import ApiServer, Fault, Verb, api_server
from fake_cluster import ENTRIES, Cluster, Kind
from replicas import READY, Replica, replicas
from server_load import send_review
from webhook_process import Serve, Webhook, eventually

HOST = "dind-webhook.ci.svc"


Certs = Callable[..., AbstractContextManager[list[Replica]]]


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certs:
    """Return a function that runs replicas with these settings until the end of the block."""

    def run(api: ApiServer, number: int, **settings: object) -> AbstractContextManager[list[Replica]]:
        return replicas(api, tmp_path_factory.mktemp("certs"), number, **settings)

    return run


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with api_server(Cluster()) as server:
        yield server


@pytest.fixture(scope="module")
def two_replicas(api: ApiServer, certs: Certs) -> Iterator[list[Replica]]:
    """Run two replicas until they have the same CA. They reconcile again only after a watch event."""
    with certs(api, 2, RESYNC="1h") as replicas:
        eventually(lambda: all(replica.is_ready() for replica in replicas))
        yield replicas


def is_in_order(cluster: Cluster, replicas: list[Replica]) -> bool:
    """Return whether all replicas serve the Secret's certificate, and every caBundle has the Secret's CA only."""
    secret = cluster.secret()
    return {replica.served() for replica in replicas} == {secret.get("tls.crt")} and set(cluster.bundles()) == {
        secret.get("ca.crt")
    }


def test_two_replicas_agree_on_one_ca_and_are_ready_only_then(api: ApiServer, two_replicas: list[Replica]) -> None:
    assert is_in_order(api.cluster, two_replicas)
    assert len(api.cluster.cas) == 1
    for replica in two_replicas:
        assert replica.get_health("/healthz") == READY
        assert replica.metric("dind_webhook_ca_bundle_in_sync") == 1
        end = x509.load_pem_x509_certificate(replica.served()).not_valid_after_utc
        expiry = 'dind_webhook_issued_certificate_expiry_timestamp_seconds{certificate="leaf"}'
        assert replica.metric(expiry) == end.timestamp()


def test_a_deleted_secret_comes_back_as_it_was(api: ApiServer, two_replicas: list[Replica]) -> None:
    before = api.cluster.secret()
    api.cluster.delete("secret")
    eventually(api.cluster.secret)
    assert api.cluster.secret() == before
    assert is_in_order(api.cluster, two_replicas)


def test_a_damaged_secret_is_mended(api: ApiServer, two_replicas: list[Replica]) -> None:
    before = api.cluster.secret()
    api.cluster.edit_secret(ca_crt=b"-----BEGIN CERTIFICATE-----\n")
    eventually(lambda: api.cluster.secret() == before)
    assert is_in_order(api.cluster, two_replicas)


def test_overwritten_bundles_are_repaired_and_counted(api: ApiServer, two_replicas: list[Replica]) -> None:
    def written() -> float:
        return sum(replica.metric("dind_webhook_ca_bundle_writes_total") for replica in two_replicas)

    before = written()
    for bundle in (b"", b"somebody else's"):
        api.cluster.overwrite_bundles(bundle)
        eventually(lambda: is_in_order(api.cluster, two_replicas))
    # The second replica to write got a conflict, and wrote nothing.
    eventually(lambda: written() == before + 2)
    assert all(replica.is_ready() for replica in two_replicas)


def test_a_webhook_configuration_that_is_made_anew_gets_its_bundles(
    api: ApiServer, two_replicas: list[Replica]
) -> None:
    api.cluster.delete("webhooks")
    eventually(lambda: all(replica.metric("dind_webhook_ca_bundle_in_sync") == 0 for replica in two_replicas))
    assert all(replica.is_ready() for replica in two_replicas), "what is served is as good as before"
    api.cluster.configure((*ENTRIES, "daemonset.dind.io"))
    eventually(lambda: is_in_order(api.cluster, two_replicas))
    assert len(api.cluster.bundles()) == 3


@pytest.mark.parametrize("fault", [500, "away"])
def test_while_the_api_fails_everything_stays_and_the_log_says_so(
    api: ApiServer, two_replicas: list[Replica], fault: Fault
) -> None:
    secret, logs = (
        api.cluster.secret(),
        [len(replica.log_lines("certificates not reconciled")) for replica in two_replicas],
    )
    again = [len(replica.log_lines("certificates reconciled again")) for replica in two_replicas]
    with api.failing(fault):
        api.cluster.overwrite_bundles(b"overwritten")
        for replica, lines in zip(two_replicas, logs, strict=True):
            eventually(
                lambda replica=replica, lines=lines: len(replica.log_lines("certificates not reconciled")) > lines
            )
            line = replica.log_lines("certificates not reconciled")[-1]
            assert line["level"] == "warning"
            assert re.match(r"(reading|writing) (Secret|MutatingWebhookConfiguration) [-/a-z]+: ", line["problem"])
            assert line["next_try_seconds"] > 0
            assert replica.is_ready()
            assert replica.served() == secret["tls.crt"]
    eventually(lambda: is_in_order(api.cluster, two_replicas))
    for replica, lines in zip(two_replicas, again, strict=True):
        eventually(lambda replica=replica, lines=lines: len(replica.log_lines("certificates reconciled again")) > lines)
    assert api.cluster.secret() == secret


def test_no_secret_and_no_key_is_logged(api: ApiServer, two_replicas: list[Replica]) -> None:
    keys = [api.cluster.secret()[name].decode().splitlines()[1] for name in ("ca.key", "tls.key")]
    for replica in two_replicas:
        log = replica.log_file.read_text()
        assert "Traceback" not in log
        assert not any(key in log for key in (*keys, "PRIVATE"))


def test_three_replicas_that_start_at_once_in_a_storm_of_faults_make_one_ca(certs: Certs) -> None:
    chance = random.Random(5)
    faults = itertools.cycle([500, 409, None, 0.1, "away", None, "cut", 410, b"{}", None])
    cluster = Cluster()

    def fault(verb: Verb, _kind: Kind) -> Fault | None:
        found = next(faults) if chance.random() < 0.7 else None
        # The replica assumes that such a write has succeeded. Then the bundles also trust the discarded CA, for as long
        # as a replica may serve a certificate of that CA. This is intended.
        return None if found == b"{}" and verb == "patch" else found

    with api_server(cluster) as api:
        api.fault = fault
        with certs(api, 3, RESYNC="1s") as replicas:
            eventually(lambda: all(replica.is_ready() for replica in replicas))
            api.fault = lambda _verb, _kind: None
            eventually(lambda: is_in_order(cluster, replicas))
            assert len(cluster.cas) == 1
            assert all(replica.get_health("/healthz") == READY for replica in replicas)
            for replica in replicas:
                replica.process.send_signal(signal.SIGTERM)
            assert {replica.process.wait(10) for replica in replicas} == {0}


class AdmissionClient:
    """Connects as an API server does, with the caBundle at the time of the connection."""

    def __init__(self, cluster: Cluster, webhooks: list[Webhook]) -> None:
        self._cluster = cluster
        self._turns = itertools.cycle(webhooks)
        self.leaves: set[bytes] = set()

    def send_review(self) -> None:
        webhook = next(self._turns)
        bundle = self._cluster.bundles()[0]
        webhook.context = ssl.create_default_context(cadata=bundle.decode())
        connection = webhook.connect()
        try:
            connection.connect()
            self.leaves.add(connection.sock.getpeercert(binary_form=True) or b"")
            assert send_review(connection).status == 200
        finally:
            connection.close()


def test_two_replicas_rotate_leaf_and_ca_under_requests_that_never_fail(certs: Certs, serve: Serve) -> None:
    cluster = Cluster()
    lives = {"LEAF_LIFE": "6s", "CA_LIFE": "18s", "RESYNC": "1s", "EXTRA_HOSTS": json.dumps(["localhost"])}
    with api_server(cluster) as api, certs(api, 2, **lives) as replicas, ExitStack() as stack:
        webhooks = [stack.enter_context(serve(replica.files, RELOAD_SECONDS=0.1)) for replica in replicas]
        eventually(lambda: all(webhook.get_health("/readyz") == READY for webhook in webhooks))
        client = AdmissionClient(cluster, webhooks)

        def have_rotated() -> bool:
            client.send_review()
            time.sleep(0.02)  # handshakes without a pause would slow down the other tests
            return len(cluster.cas) >= 2 and len(client.leaves) >= 4 and is_in_order(cluster, replicas)

        eventually(have_rotated)
