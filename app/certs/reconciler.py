"""What one replica does, again and again: agree on a keyring, keep the bundles right, write the files."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

import structlog

from app.certs.atomic_writer import read_served_cert, write_pair
from app.certs.metrics import CertsMetrics, Written
from app.certs.rotation import (
    Keyring,
    Lives,
    UnusableKeyringError,
    also_trust,
    decode_keyring,
    encode_keyring,
    expiry,
    is_current,
    issued,
    may_serve,
    new_keyring,
    next_change,
    our_cas,
    renew,
    renewal,
    trust_bundle,
)
from app.kube import Stored


class Objects(Protocol):
    """The Secret and the webhook configuration; any method may raise ApiError, the writing ones ConflictError."""

    def read_secret(self) -> Stored | None: ...
    def write_secret(self, data: Mapping[str, bytes], version: str | None) -> None: ...
    def read_bundles(self) -> Stored | None: ...
    def write_bundles(self, data: Mapping[str, bytes], version: str) -> None: ...


class Upkeep:
    """The certificates of one replica. Replicas know of each other only through the objects' resourceVersions."""

    def __init__(
        self, objects: Objects, directory: Path, hosts: Sequence[str], lives: Lives, metrics: CertsMetrics
    ) -> None:
        self._objects = objects
        self._directory = directory
        self._hosts = hosts
        self._lives = lives
        self._metrics = metrics
        self._log = structlog.get_logger()
        self._keyring: Keyring | None = None
        self._trusted_ca = b""
        self._trusted_since: datetime | None = None
        self._unready = "nothing done yet"

    def step(self, now: datetime) -> datetime:
        """Bring everything to what it has to be at this moment, and return when something will be due again.

        ApiError, ConflictError or OSError where something is in the way; what was done stays done, and the
        next step goes on from there.
        """
        keyring = self._agree(now)
        in_place = self._keep_bundles(keyring, now)
        self._metrics.bundles(in_sync=in_place)
        self._metrics.certificates(ca=expiry(keyring.ca.cert), leaf=expiry(keyring.leaf.cert))
        waiting = self._serve(keyring, now)
        self._unready = self._unready and self._missing(now, in_place=in_place)
        due = next_change(keyring, now)
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

    def _agree(self, now: datetime) -> Keyring:
        """Return the keyring that is in the Secret, after making, mending or renewing it where that is due."""
        stored = self._objects.read_secret()
        version = stored.version if stored else None
        try:
            found = decode_keyring(stored.data) if stored else None
            why = "there is no Secret"
        except UnusableKeyringError as error:
            found, why = None, f"the Secret {error}"
        if found is None and self._keyring is None:
            return self._write(self._new(now), version, "ca", why)
        # What was agreed on before is put back as it was: what it signed is being served.
        keyring = found or cast(Keyring, self._keyring)
        written: Written | None = None if found else "restored"
        if self._keyring and (mended := also_trust(keyring, self._keyring, now)):
            keyring, written, why = mended, "restored", "a CA of a leaf in use was missing"
        if due := renewal(keyring, self._hosts, now):
            keyring, why = renew(keyring, due, self._hosts, self._lives, now), due.reason
            written = "ca" if due.ca else "leaf"
        if written:
            return self._write(keyring, version, written, why)
        self._keyring = keyring
        return keyring

    def _write(self, keyring: Keyring, version: str | None, what: Written, why: str) -> Keyring:
        self._objects.write_secret(encode_keyring(keyring), version)
        self._metrics.renewed(what)
        self._log.info("certificates written", what=what, reason=why)
        self._keyring = keyring
        return keyring

    def _new(self, now: datetime) -> Keyring:
        # Replicas that we know nothing of may serve leaves of what is trusted now.
        bundles = self._objects.read_bundles()
        trusted = b"".join({our_cas(bundle, now): None for bundle in (bundles.data if bundles else {}).values()})
        return new_keyring(self._hosts, self._lives, now, trusted, now + self._lives.leaf)

    def _keep_bundles(self, keyring: Keyring, now: datetime) -> bool:
        """Return whether every webhook has the bundle it has to have, after writing those that do not."""
        stored = self._objects.read_bundles()
        if stored is None or not stored.data:
            return False
        wanted = trust_bundle(keyring, now)
        wrong = {name: wanted for name, bundle in stored.data.items() if bundle != wanted}
        if wrong:
            self._objects.write_bundles(wrong, stored.version)
            self._metrics.bundles_written()
            self._log.info("caBundle written", webhooks=sorted(wrong))
        ca = keyring.ca.cert
        if self._trusted_ca != ca or any(ca not in bundle for bundle in stored.data.values()):
            # What was there when we came has been there since it was made, as far as can be known. Where the
            # certificate in the files lasts long enough, there is no need to rely on that.
            was_there = not self._trusted_ca and all(ca in bundle for bundle in stored.data.values())
            in_hurry = not self._is_serving(now + 2 * self._lives.wait)
            self._trusted_since = issued(ca) if was_there and in_hurry else now
            self._trusted_ca = ca
        return True

    def _serve(self, keyring: Keyring, now: datetime) -> datetime | None:
        """Write the files if they may be; return when they may be, where that is a matter of time."""
        served = read_served_cert(self._directory)
        if served == keyring.leaf.cert:
            return None
        since = self._trusted_since if self._trusted_ca == keyring.ca.cert else None
        if not may_serve(keyring, served, since, self._lives, now):
            return since + self._lives.wait if since else None
        write_pair(self._directory, keyring.leaf)
        self._log.info("files written", directory=str(self._directory), expires=f"{expiry(keyring.leaf.cert):%FT%TZ}")
        return None
