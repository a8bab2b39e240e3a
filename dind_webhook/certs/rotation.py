"""The CA and the serving certificate (the leaf) that all replicas share, and when to renew them. Pure functions.

A CA is replaced in four steps, so that the API server trusts each certificate that is served at any moment:

1. the Secret gets a new CA and a leaf of that CA, and keeps the certificate of the previous CA;
2. `trust_bundle` holds both CAs, and each replica writes it wherever a caBundle differs;
3. a replica serves the new leaf once it has seen the new CA in every bundle, and API servers had time to see it too;
4. the previous CA leaves the bundle when its last leaf has expired.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from dind_webhook.certificate_names import subject_alt_names
from dind_webhook.certs.issue import BACKDATE, KeyPair, issue_ca, issue_serving_cert
from dind_webhook.errors import DindWebhookError

_MAX_WAIT = timedelta(seconds=30)


class UnusableCertStateError(DindWebhookError):
    """The data of a Secret cannot be used; the text says why and does not quote it."""


class Lifetimes(NamedTuple):
    """How long certificates are valid. The CA must be valid for at least three times as long as the leaf."""

    ca: timedelta
    leaf: timedelta

    @property
    def wait(self) -> timedelta:
        """How long a CA must be in the bundle before one of its leaves is served.

        API servers watch webhook configurations, so they see a change within about a second. A leaf is renewed when a
        third of its lifetime is left, which must be longer than this.
        """
        return min(_MAX_WAIT, self.leaf / 6)


class CertState(NamedTuple):
    """The data of the Secret. `previous_cas` (PEM certificates) stay in the bundle until `previous_until`."""

    ca: KeyPair
    leaf: KeyPair
    previous_cas: bytes = b""
    previous_until: datetime | None = None


class Renewal(NamedTuple):
    """A renewal that is due, and why. If `ca` is False, only the leaf is renewed."""

    ca: bool
    reason: str


def renewal(state: CertState, hosts: Sequence[str], now: datetime) -> Renewal | None:
    """Return the renewal that is due now, or None.

    Certificates are renewed after two thirds of their lifetime, or when `hosts` has a name that the leaf lacks.
    """
    ca, leaf = _load(state.ca.cert), _load(state.leaf.cert)
    for what, certificate in (("CA", ca), ("serving certificate", leaf)):
        if certificate.not_valid_before_utc > now:
            return Renewal(ca=certificate is ca, reason=f"the {what} is not valid yet")
        if now >= _due(certificate):
            return Renewal(ca=certificate is ca, reason=f"the {what} has passed two thirds of its lifetime")
    if missing := [host for host in hosts if host not in subject_alt_names(leaf)]:
        return Renewal(ca=False, reason=f"the serving certificate lacks {', '.join(missing)}")
    return None


def next_change(state: CertState, now: datetime) -> datetime:
    """Return the next time at which the state must change."""
    moments = [_due(_load(state.ca.cert)), _due(_load(state.leaf.cert))]
    if state.previous_until:
        moments.append(state.previous_until)
    return min(moment for moment in moments if moment > now)


def renew(state: CertState, what: Renewal, hosts: Sequence[str], lifetimes: Lifetimes, now: datetime) -> CertState:
    """Return the state after a renewal."""
    if not what.ca:
        return state._replace(leaf=issue_serving_cert(state.ca, hosts, now, lifetimes.leaf))
    return new_state(hosts, lifetimes, now, trusted=state.ca.cert, until=expiry(state.leaf.cert))


def new_state(
    hosts: Sequence[str], lifetimes: Lifetimes, now: datetime, trusted: bytes = b"", until: datetime | None = None
) -> CertState:
    """Return a state with a new CA; the CA certificates `trusted` stay in the bundle `until` then."""
    ca = issue_ca(now, lifetimes.ca)
    return CertState(ca, issue_serving_cert(ca, hosts, now, lifetimes.leaf), trusted, until if trusted else None)


def add_trusted_ca(state: CertState, known: CertState, now: datetime) -> CertState | None:
    """Return `state` with the CA of the known leaf added to the bundle, or None if the bundle has it already.

    `known` is the state that this replica agreed on before; another writer has replaced it without knowing it.
    """
    if known.ca.cert in trust_bundle(state, now) or not is_current(known.leaf.cert, now):
        return None
    until = max(expiry(known.leaf.cert), state.previous_until or now)
    return state._replace(previous_cas=_previous_cas(state, now) + known.ca.cert, previous_until=until)


def trust_bundle(state: CertState, now: datetime) -> bytes:
    """Return the caBundle that every webhook must have now, PEM."""
    return state.ca.cert + _previous_cas(state, now)


def may_serve(
    state: CertState, served: bytes | None, trusted_since: datetime | None, lifetimes: Lifetimes, now: datetime
) -> bool:
    """Return whether the leaf of `state` may be served now.

    `served` is the certificate that is served now, or None. `trusted_since` is when the CA of `state` was first seen in
    every bundle, or None if it was not.
    """
    if trusted_since is None:
        return False
    if served and not is_current(served, now):
        served = None
    nothing_to_replace = served is None and not _previous_cas(state, now)
    same_ca = served is not None and _is_issued_by(_load(served), _load(state.ca.cert))
    return nothing_to_replace or same_ca or now >= trusted_since + lifetimes.wait


def issue_time(cert: bytes) -> datetime:
    """Return when a certificate of ours was issued."""
    return _load(cert).not_valid_before_utc + BACKDATE


def expiry(cert: bytes) -> datetime:
    """Return when a certificate expires."""
    return _load(cert).not_valid_after_utc


def is_current(cert: bytes, now: datetime) -> bool:
    """Return whether `cert` is a certificate that is valid now."""
    try:
        certificate = _load(cert)
    except ValueError:
        return False
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def unexpired_self_signed_cas(bundle: bytes, now: datetime) -> bytes:
    """Return the unexpired self-signed certificates of a bundle, PEM; empty if the bundle cannot be read."""
    try:
        certificates = x509.load_pem_x509_certificates(bundle)
    except ValueError:
        return b""
    own = [one for one in certificates if one.not_valid_after_utc > now and _is_issued_by(one, one)]
    return b"".join(one.public_bytes(Encoding.PEM) for one in own)


def encode_state(state: CertState) -> dict[str, bytes]:
    """Return the data of the Secret."""
    until = state.previous_until.isoformat() if state.previous_until else ""
    # The last two are written even if empty: server-side apply does not change keys that the request does not name.
    return {
        "ca.crt": state.ca.cert,
        "ca.key": state.ca.key,
        "tls.crt": state.leaf.cert,
        "tls.key": state.leaf.key,
        "old-ca.crt": state.previous_cas,
        "old-ca-until": until.encode(),
    }


def decode_state(data: Mapping[str, bytes]) -> CertState:
    """Return the state in the data of a Secret; raise UnusableCertStateError if it is incomplete or inconsistent."""
    missing = [key for key in ("ca.crt", "ca.key", "tls.crt", "tls.key") if not data.get(key)]
    if missing:
        raise UnusableCertStateError(f"has no {', '.join(missing)}")
    until = data.get("old-ca-until", b"").decode("ascii", "replace")
    try:
        state = CertState(
            KeyPair(data["ca.crt"], data["ca.key"]),
            KeyPair(data["tls.crt"], data["tls.key"]),
            data.get("old-ca.crt", b""),
            datetime.fromisoformat(until).astimezone(UTC) if until else None,
        )
        x509.load_pem_x509_certificates(state.previous_cas) if state.previous_cas else None
        fits = _is_pair(state.ca) and _is_pair(state.leaf)
        can_sign = isinstance(load_pem_private_key(state.ca.key, None), EllipticCurvePrivateKey)
        of_ca = _is_issued_by(_load(state.leaf.cert), _load(state.ca.cert))
    except (ValueError, TypeError):
        raise UnusableCertStateError("holds something that cannot be read") from None
    if not fits:
        raise UnusableCertStateError("holds a certificate and a key that do not match")
    if not can_sign:
        raise UnusableCertStateError("holds a CA without an EC key; dind-webhook creates only EC keys")
    if not of_ca:
        raise UnusableCertStateError("holds a serving certificate of another CA")
    return state


def _previous_cas(state: CertState, now: datetime) -> bytes:
    return state.previous_cas if state.previous_until and now < state.previous_until else b""


def _load(cert: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(cert)


def _due(certificate: x509.Certificate) -> datetime:
    start = certificate.not_valid_before_utc + BACKDATE
    return start + (certificate.not_valid_after_utc - start) * 2 / 3


def _is_pair(pair: KeyPair) -> bool:
    own = load_pem_private_key(pair.key, None).public_key()
    certified = _load(pair.cert).public_key()
    der = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return own.public_bytes(*der) == certified.public_bytes(*der)


def _is_issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except Exception:  # noqa: BLE001  # ValueError, TypeError or InvalidSignature: each means no
        return False
    return True
