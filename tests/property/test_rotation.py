"""No replica ever serves a certificate that callers do not trust at that moment, whatever the other replicas do.

Hypothesis draws a history: time passes, a replica takes a step, starts again or loses its files, somebody deletes the
Secret, the API server is down. Before any call within a step, other replicas may take whole steps.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from fake_cluster import Cluster, DirectCertStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dind_webhook.certs import CertReconciler, CertsMetrics, Lifetimes
from dind_webhook.certs.atomic_writer import read_served_cert
from dind_webhook.errors import ApiError

BEGIN = datetime(2030, 1, 2, tzinfo=UTC)
HOSTS = ("dind-webhook.ci.svc",)
LIFETIMES = Lifetimes(ca=timedelta(seconds=60), leaf=timedelta(seconds=20))
DEEPEST = 2


class Replicas:
    """Some replicas with one clock. Each has a directory, which its server reads."""

    def __init__(
        self, number: int, folder: Path, draw: Callable[[st.SearchStrategy[Any]], Any], lag: timedelta = timedelta(0)
    ) -> None:
        self.cluster = Cluster()
        self.now = BEGIN
        self.directories = [folder / str(index) for index in range(number)]
        self.is_away = False
        self._draw = draw
        self._lag = lag
        self._seen: list[tuple[datetime, set[bytes]]] = []
        self._depth = 0
        self.due = [BEGIN] * number
        self.reconcilers = [self.start(index) for index in range(number)]

    def start(self, index: int) -> CertReconciler:
        objects = DirectCertStore(self.cluster, self._before_a_call)
        return CertReconciler(objects, self.directories[index], HOSTS, LIFETIMES, CertsMetrics())

    def step(self, index: int) -> None:
        with suppress(ApiError):
            self.due[index] = self.reconcilers[index].reconcile(self.now)
        self.check()

    def settle(self) -> None:
        """Let all replicas work without interruption until nothing is left to do."""
        self.is_away, self._depth = False, DEEPEST  # no interruptions
        for _ in range(3):
            for index in range(len(self.reconcilers)):
                self.step(index)
        self._depth = 0

    def check(self) -> None:
        self._seen.append((self.now, set(self.cluster.bundles())))
        # Bundles that API servers may still use if they learn late of a change. Without a bundle, all calls fail.
        while len(self._seen) > 1 and self._seen[1][0] <= self.now - self._lag:
            del self._seen[0]
        bundles = {bundle for _, seen in self._seen for bundle in seen} - {b""}
        for directory in self.directories:
            leaf = read_served_cert(directory)
            if leaf and _end(leaf) > self.now:
                assert all(_trusts(bundle, leaf) for bundle in bundles), f"at {self.now} nobody trusts {directory.name}"

    def serves_all(self) -> bool:
        leaves = [read_served_cert(directory) for directory in self.directories]
        return all(leaf is not None and _end(leaf) > self.now for leaf in leaves)

    def _before_a_call(self) -> None:
        self.check()
        if self._depth < DEEPEST and self._draw(st.integers(0, 3)) == 0:
            self._depth += 1
            self.step(self._draw(st.integers(0, len(self.reconcilers) - 1)))
            self._depth -= 1
        if self.is_away:
            raise ApiError("away")


@cache
def _end(leaf: bytes) -> datetime:
    return x509.load_pem_x509_certificate(leaf).not_valid_after_utc


@cache
def _trusts(bundle: bytes, leaf: bytes) -> bool:
    for ca in x509.load_pem_x509_certificates(bundle):
        with suppress(InvalidSignature):
            x509.load_pem_x509_certificate(leaf).verify_directly_issued_by(ca)
            return True
    return False


ACTIONS = ["step"] * 6 + ["wait"] * 3 + ["restart", "lose files", "delete Secret", "away"]


@pytest.mark.parametrize("number", [2, 5])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_no_leaf_is_ever_served_that_a_bundle_does_not_trust(number: int, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        replicas = Replicas(number, Path(folder), data.draw)
        for _ in range(data.draw(st.integers(5, 25))):
            index = data.draw(st.integers(0, number - 1))
            match data.draw(st.sampled_from(ACTIONS)):
                case "step":
                    replicas.step(index)
                case "wait":
                    replicas.now += timedelta(seconds=data.draw(st.sampled_from([0.1, 1, 3.4, 7, 14, 21])))
                    replicas.check()
                case "restart":
                    replicas.reconcilers[index] = replicas.start(index)
                case "lose files":
                    rmtree(replicas.directories[index], ignore_errors=True)
                    replicas.reconcilers[index] = replicas.start(index)
                case "delete Secret" if replicas.cluster.secret():
                    replicas.cluster.delete("secret")
                case "away":
                    replicas.is_away = not replicas.is_away
        replicas.settle()
        replicas.now += LIFETIMES.wait
        replicas.settle()
        assert replicas.serves_all()
        assert len({path.joinpath("tls.crt").read_bytes() for path in replicas.directories}) == 1


@pytest.mark.parametrize("number", [2, 5])
def test_over_many_lives_as_many_cas_are_made_as_are_due_and_no_replica_is_ever_without_a_leaf(number: int) -> None:
    with TemporaryDirectory() as folder:
        replicas = Replicas(number, Path(folder), lambda _: 1, LIFETIMES.wait * 0.9)
        lifetimes = 6
        while replicas.now < BEGIN + lifetimes * LIFETIMES.ca:
            for index in range(number):
                replicas.step(index)
            assert replicas.serves_all()
            replicas.now = min(replicas.due)
    assert len(replicas.cluster.cas) == lifetimes * 3 / 2
