"""One reconciliation: agree on the state in the Secret, write the caBundles, write the files for the server."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

import structlog

from dind_webhook.certs.atomic_writer import read_served_cert, write_pair
from dind_webhook.certs.metrics import CertsMetrics, SecretChange
from dind_webhook.certs.rotation import (
    CertState,
    Lifetimes,
    UnusableCertStateError,
    add_trusted_ca,
    decode_state,
    encode_state,
    expiry,
    is_current,
    issue_time,
    may_serve,
    new_state,
    next_change,
    renew,
    renewal,
    trust_bundle,
    unexpired_self_signed_cas,
)
from dind_webhook.kube import VersionedData
from dind_webhook.timestamps import format_timestamp


class CertStore(Protocol):
    """The Secret and the webhook configuration. Each method may raise ApiError; the writing ones ConflictError too."""

    def read_secret(self) -> VersionedData | None: ...
    def write_secret(self, data: Mapping[str, bytes], version: str | None) -> None: ...
    def read_bundles(self) -> VersionedData | None: ...
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
        """Bring the Secret, the caBundles and the files to the right state; return when the next change is due.

        Raises ApiError, ConflictError or OSError. Completed steps are not undone; the next call continues from there.
        """
        state = self._agree_on_state(now)
        bundles_right = self._reconcile_bundles(state, now)
        self._metrics.set_bundles_in_sync(in_sync=bundles_right)
        self._metrics.set_certificate_expiry(ca=expiry(state.ca.cert), leaf=expiry(state.leaf.cert))
        files_due = self._reconcile_files(state, now)
        self._unready = self._unready and self._first_problem(now, bundles_right=bundles_right)
        due = next_change(state, now)
        return min(due, files_due) if files_due else due

    def problem(self, now: datetime) -> str | None:
        """Return why the API server cannot call the server in this pod yet, or None once it can.

        After that, only an expired certificate in the files is a problem again.
        """
        if self._unready:
            return self._unready
        return None if self._is_serving(now) else "the certificate in the files has expired"

    def _first_problem(self, now: datetime, *, bundles_right: bool) -> str:
        if not bundles_right:
            return "the webhook configuration does not exist, or has no webhooks"
        if self._trusted_since is None or not self._is_serving(now):
            return "the files are not written yet"
        return ""

    def _is_serving(self, now: datetime) -> bool:
        served = read_served_cert(self._directory)
        return served is not None and is_current(served, now)

    def _agree_on_state(self, now: datetime) -> CertState:
        """Return the state in the Secret, after creating, repairing or renewing it if needed."""
        stored = self._store.read_secret()
        version = stored.version if stored else None
        try:
            current = decode_state(stored.data) if stored else None
            reason = "there is no Secret"
        except UnusableCertStateError as error:
            current, reason = None, f"the Secret {error}"
        if current is None and self._state is None:
            return self._write_state(self._new_state(now), version, "ca", reason)
        # A Secret that was lost gets the known state back, because certificates of that CA are being served.
        state = current or cast(CertState, self._state)
        change: SecretChange | None = None if current else "restored"
        if self._state and (repaired := add_trusted_ca(state, self._state, now)):
            state, change, reason = repaired, "restored", "the CA of a served certificate was missing"
        if due := renewal(state, self._hosts, now):
            state, reason = renew(state, due, self._hosts, self._lifetimes, now), due.reason
            change = "ca" if due.ca else "leaf"
        if change:
            return self._write_state(state, version, change, reason)
        self._state = state
        return state

    def _write_state(self, state: CertState, version: str | None, change: SecretChange, reason: str) -> CertState:
        self._store.write_secret(encode_state(state), version)
        self._metrics.count_renewal(change)
        self._log.info("certificates written", what=change, reason=reason)
        self._state = state
        return state

    def _new_state(self, now: datetime) -> CertState:
        # Other replicas may still serve leaves of the CAs that the bundles hold now.
        bundles = self._store.read_bundles()
        trusted = b"".join(
            {unexpired_self_signed_cas(bundle, now): None for bundle in (bundles.data if bundles else {}).values()}
        )
        return new_state(self._hosts, self._lifetimes, now, trusted, now + self._lifetimes.leaf)

    def _reconcile_bundles(self, state: CertState, now: datetime) -> bool:
        """Write each caBundle that is wrong; return False if no configuration has a webhook."""
        stored = self._store.read_bundles()
        if stored is None or not stored.data:
            return False
        expected = trust_bundle(state, now)
        wrong = {name: expected for name, bundle in stored.data.items() if bundle != expected}
        if wrong:
            self._store.write_bundles(wrong, stored.version)
            self._metrics.count_bundle_write()
            self._log.info("caBundle written", webhooks=sorted(wrong))
        ca = state.ca.cert
        if self._trusted_ca != ca or any(ca not in bundle for bundle in stored.data.values()):
            # If every bundle has our CA when the process starts, assume that they have had it since the CA was issued.
            # Do not assume that if the certificate in the files stays valid long enough: the new leaf waits.
            was_trusted = not self._trusted_ca and all(ca in bundle for bundle in stored.data.values())
            can_wait = self._is_serving(now + 2 * self._lifetimes.wait)
            self._trusted_since = issue_time(ca) if was_trusted and not can_wait else now
            self._trusted_ca = ca
        return True

    def _reconcile_files(self, state: CertState, now: datetime) -> datetime | None:
        """Write the files if the leaf may be served; otherwise return when it may be, or None if that is not known."""
        served = read_served_cert(self._directory)
        if served == state.leaf.cert:
            return None
        since = self._trusted_since if self._trusted_ca == state.ca.cert else None
        if not may_serve(state, served, since, self._lifetimes, now):
            return since + self._lifetimes.wait if since else None
        write_pair(self._directory, state.leaf)
        self._log.info(
            "files written", directory=str(self._directory), expires=format_timestamp(expiry(state.leaf.cert))
        )
        return None
