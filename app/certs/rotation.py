"""The CA and the serving certificate that all replicas share, and when to renew them. Pure.

A CA is replaced in steps, so that at no moment a certificate is served that the API server does not trust:

1. the Secret gets a new CA with a leaf of it, and keeps the old CA's certificate;
2. `trust_bundle` holds both, and whoever sees that it is not so in the webhook configuration mends it;
3. a replica serves the new leaf once it has seen the new CA there, and given API servers time to see it;
4. the old CA leaves the bundle when the last leaf of it has expired.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from app.certs.issue import BACKDATE, KeyPair, issue_ca, issue_serving_cert
from app.errors import DindWebhookError

_LONGEST_WAIT = timedelta(seconds=30)


class UnusableCertStateError(DindWebhookError):
    """The data of a Secret cannot be used; the text says why and does not quote it."""


class Lifetimes(NamedTuple):
    """How long certificates are valid. The CA must be valid for at least three times as long as the leaf."""

    ca: timedelta
    leaf: timedelta

    @property
    def wait(self) -> timedelta:
        """How long a CA has been in the bundle before a leaf of it replaces another one.

        API servers learn of a changed webhook configuration by watch, so within a second or so. A leaf
        is renewed with a third of its life left, which has to last for this.
        """
        return min(_LONGEST_WAIT, self.leaf / 6)


class CertState(NamedTuple):
    """The data of the Secret. `previous_cas` (PEM certificates) stay in the bundle until `previous_until`."""

    ca: KeyPair
    leaf: KeyPair
    previous_cas: bytes = b""
    previous_until: datetime | None = None


class Renewal(NamedTuple):
    """That something has to be renewed, and why; `ca` says whether it is the CA and not only the leaf."""

    ca: bool
    reason: str


def renewal(state: CertState, hosts: Sequence[str], now: datetime) -> Renewal | None:
    """Return what has to be renewed at this moment, None where nothing has.

    Certificates are renewed after two thirds of their lifetimes, or when `hosts` has a name that the leaf lacks.
    """
    ca, leaf = _load(state.ca.cert), _load(state.leaf.cert)
    for what, certificate in (("CA", ca), ("serving certificate", leaf)):
        if certificate.not_valid_before_utc > now:
            return Renewal(certificate is ca, f"the {what} is not valid yet")
        if now >= _due(certificate):
            return Renewal(certificate is ca, f"the {what} has come to two thirds of its life")
    if missing := [host for host in hosts if host not in _names(leaf)]:
        return Renewal(ca=False, reason=f"the serving certificate lacks {', '.join(missing)}")
    return None


def next_change(state: CertState, now: datetime) -> datetime:
    """Return when the state, which needs nothing now, needs a change."""
    moments = [_due(_load(state.ca.cert)), _due(_load(state.leaf.cert))]
    if state.previous_until:
        moments.append(state.previous_until)
    return min(moment for moment in moments if moment > now)


def renew(state: CertState, what: Renewal, hosts: Sequence[str], lifetimes: Lifetimes, now: datetime) -> CertState:
    """Return the next state."""
    if not what.ca:
        return state._replace(leaf=issue_serving_cert(state.ca, hosts, now, lifetimes.leaf))
    return new_state(hosts, lifetimes, now, trusted=state.ca.cert, until=expiry(state.leaf.cert))


def new_state(
    hosts: Sequence[str], lifetimes: Lifetimes, now: datetime, trusted: bytes = b"", until: datetime | None = None
) -> CertState:
    """Return a state with a new CA; the CA certificates `trusted` stay in the bundle `until` then."""
    ca = issue_ca(now, lifetimes.ca)
    return CertState(ca, issue_serving_cert(ca, hosts, now, lifetimes.leaf), trusted, until if trusted else None)


def also_trust(state: CertState, known: CertState, now: datetime) -> CertState | None:
    """Return `state` with the CA of the known leaf added to the bundle, or None if the bundle has it already.

    `known` was agreed on before; somebody has replaced it without knowing it.
    """
    if known.ca.cert in trust_bundle(state, now) or not is_current(known.leaf.cert, now):
        return None
    until = max(expiry(known.leaf.cert), state.previous_until or now)
    return state._replace(previous_cas=_previous_cas(state, now) + known.ca.cert, previous_until=until)


def trust_bundle(state: CertState, now: datetime) -> bytes:
    """Return what `caBundle` has to be at this moment."""
    return state.ca.cert + _previous_cas(state, now)


def may_serve(
    state: CertState, served: bytes | None, trusted_since: datetime | None, lifetimes: Lifetimes, now: datetime
) -> bool:
    """Return whether the leaf of `state` may be served now.

    `served` is the certificate that is served now, None where there is none; `trusted_since` is when
    its CA was first seen in the bundle.
    """
    if trusted_since is None:
        return False
    if served and not is_current(served, now):
        served = None
    nobody_else = served is None and not _previous_cas(state, now)
    same_ca = served is not None and _is_issued_by(_load(served), _load(state.ca.cert))
    return nobody_else or same_ca or now >= trusted_since + lifetimes.wait


def issued(cert: bytes) -> datetime:
    """Return when one of our certificates was made."""
    return _load(cert).not_valid_before_utc + BACKDATE


def expiry(cert: bytes) -> datetime:
    """Return when a certificate expires."""
    return _load(cert).not_valid_after_utc


def is_current(cert: bytes, now: datetime) -> bool:
    """Whether `cert` is a certificate that is valid at this moment."""
    try:
        certificate = _load(cert)
    except ValueError:
        return False
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def our_cas(bundle: bytes, now: datetime) -> bytes:
    """Return the certificates in a bundle, PEM, that are CAs and valid at this moment; nothing where it is none."""
    try:
        certificates = x509.load_pem_x509_certificates(bundle)
    except ValueError:
        return b""
    own = [one for one in certificates if one.not_valid_after_utc > now and _is_issued_by(one, one)]
    return b"".join(one.public_bytes(Encoding.PEM) for one in own)


def encode_state(state: CertState) -> dict[str, bytes]:
    """Return the data of the Secret."""
    until = state.previous_until.isoformat() if state.previous_until else ""
    # The last two are there even when empty: applying leaves keys alone that it does not name.
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
        raise UnusableCertStateError("holds a certificate with another's key")
    if not can_sign:
        raise UnusableCertStateError("holds a CA whose key is on no elliptic curve, so not one of ours")
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


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def _is_pair(pair: KeyPair) -> bool:
    own = load_pem_private_key(pair.key, None).public_key()
    certified = _load(pair.cert).public_key()
    der = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return own.public_bytes(*der) == certified.public_bytes(*der)


def _is_issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except Exception:  # noqa: BLE001  # ValueError, TypeError, InvalidSignature: whichever way it does not fit
        return False
    return True
