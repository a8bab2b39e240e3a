"""One reconciliation: agree on the state in the Secret, write the caBundles, write the files for the server."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

import structlog

from app.certs.atomic_writer import read_served_cert, write_pair
from app.certs.metrics import CertsMetrics, Written
from app.certs.rotation import (
    CertState,
    Lifetimes,
    UnusableCertStateError,
    also_trust,
    decode_state,
    encode_state,
    expiry,
    is_current,
    issued,
    may_serve,
    new_state,
    next_change,
    our_cas,
    renew,
    renewal,
    trust_bundle,
)
from app.kube import Stored


class CertStore(Protocol):
    """The Secret and the webhook configuration; any method may raise ApiError, the writing ones ConflictError."""

    def read_secret(self) -> Stored | None: ...
    def write_secret(self, data: Mapping[str, bytes], version: str | None) -> None: ...
    def read_bundles(self) -> Stored | None: ...
    def write_bundles(self, data: Mapping[str, bytes], version: str) -> None: ...


class CertReconciler:
    """The certificates of one replica. Replicas learn of each other only through resourceVersions."""

    def __init__(
        self, store: CertStore, directory: Path, hosts: Sequence[str], lifetimes: Lifetimes, metrics: CertsMetrics
    ) -> None:
        self._store = store
        self._directory = directory
        self._hosts = hosts
        self._lifetimes = lifetimes
        self._metrics = metrics
        self._log = structlog.get_logger()
        self._state: CertState | None = None
        self._trusted_ca = b""
        self._trusted_since: datetime | None = None
        self._unready = "nothing done yet"

    def reconcile(self, now: datetime) -> datetime:
        """Bring everything to what it has to be at this moment, and return when something will be due again.

        ApiError, ConflictError or OSError where something is in the way; what was done stays done, and the
        next step goes on from there.
        """
        state = self._agree(now)
        in_place = self._keep_bundles(state, now)
        self._metrics.bundles(in_sync=in_place)
        self._metrics.certificates(ca=expiry(state.ca.cert), leaf=expiry(state.leaf.cert))
        waiting = self._serve(state, now)
        self._unready = self._unready and self._missing(now, in_place=in_place)
        due = next_change(state, now)
        return min(due, waiting) if waiting else due

    def problem(self, now: datetime) -> str | None:
        """Return why the server beside us cannot be called yet, None once it can.

        What happens later changes that only when the certificate in the files expires.
        """
        if self._unready:
            return self._unready
        return None if self._is_serving(now) else "the certificate in the files has expired"

    def _missing(self, now: datetime, *, in_place: bool) -> str:
        if not in_place:
            return "the webhook configuration does not exist, or has no webhooks"
        if self._trusted_since is None or not self._is_serving(now):
            return "the files are not written yet"
        return ""

    def _is_serving(self, now: datetime) -> bool:
        served = read_served_cert(self._directory)
        return served is not None and is_current(served, now)

    def _agree(self, now: datetime) -> CertState:
        """Return the state in the Secret, after creating, repairing or renewing it if needed."""
        stored = self._store.read_secret()
        version = stored.version if stored else None
        try:
            found = decode_state(stored.data) if stored else None
            why = "there is no Secret"
        except UnusableCertStateError as error:
            found, why = None, f"the Secret {error}"
        if found is None and self._state is None:
            return self._write(self._new(now), version, "ca", why)
        # What was agreed on before is put back as it was: what it signed is being served.
        state = found or cast(CertState, self._state)
        written: Written | None = None if found else "restored"
        if self._state and (mended := also_trust(state, self._state, now)):
            state, written, why = mended, "restored", "a CA of a leaf in use was missing"
        if due := renewal(state, self._hosts, now):
            state, why = renew(state, due, self._hosts, self._lifetimes, now), due.reason
            written = "ca" if due.ca else "leaf"
        if written:
            return self._write(state, version, written, why)
        self._state = state
        return state

    def _write(self, state: CertState, version: str | None, what: Written, why: str) -> CertState:
        self._store.write_secret(encode_state(state), version)
        self._metrics.renewed(what)
        self._log.info("certificates written", what=what, reason=why)
        self._state = state
        return state

    def _new(self, now: datetime) -> CertState:
        # Replicas that we know nothing of may serve leaves of what is trusted now.
        bundles = self._store.read_bundles()
        trusted = b"".join({our_cas(bundle, now): None for bundle in (bundles.data if bundles else {}).values()})
        return new_state(self._hosts, self._lifetimes, now, trusted, now + self._lifetimes.leaf)

    def _keep_bundles(self, state: CertState, now: datetime) -> bool:
        """Return whether every webhook has the bundle it has to have, after writing those that do not."""
        stored = self._store.read_bundles()
        if stored is None or not stored.data:
            return False
        wanted = trust_bundle(state, now)
        wrong = {name: wanted for name, bundle in stored.data.items() if bundle != wanted}
        if wrong:
            self._store.write_bundles(wrong, stored.version)
            self._metrics.bundles_written()
            self._log.info("caBundle written", webhooks=sorted(wrong))
        ca = state.ca.cert
        if self._trusted_ca != ca or any(ca not in bundle for bundle in stored.data.values()):
            # What was there when we came has been there since it was made, as far as can be known. Where the
            # certificate in the files lasts long enough, there is no need to rely on that.
            was_there = not self._trusted_ca and all(ca in bundle for bundle in stored.data.values())
            in_hurry = not self._is_serving(now + 2 * self._lifetimes.wait)
            self._trusted_since = issued(ca) if was_there and in_hurry else now
            self._trusted_ca = ca
        return True

    def _serve(self, state: CertState, now: datetime) -> datetime | None:
        """Write the files if they may be; return when they may be, where that is a matter of time."""
        served = read_served_cert(self._directory)
        if served == state.leaf.cert:
            return None
        since = self._trusted_since if self._trusted_ca == state.ca.cert else None
        if not may_serve(state, served, since, self._lifetimes, now):
            return since + self._lifetimes.wait if since else None
        write_pair(self._directory, state.leaf)
        self._log.info("files written", directory=str(self._directory), expires=f"{expiry(state.leaf.cert):%FT%TZ}")
        return None
