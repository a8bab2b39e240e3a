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


class UnusableKeyringError(DindWebhookError):
    """The content of a Secret that is no keyring; the text says why, without quoting it."""


class Lives(NamedTuple):
    """How long certificates are valid; a CA lives three times as long as a leaf at least."""

    ca: timedelta
    leaf: timedelta

    @property
    def wait(self) -> timedelta:
        """How long a CA has been in the bundle before a leaf of it replaces another one.

        API servers learn of a changed webhook configuration by watch, so within a second or so. A leaf
        is renewed with a third of its life left, which has to last for this.
        """
        return min(_LONGEST_WAIT, self.leaf / 6)


class Keyring(NamedTuple):
    """What the Secret holds. `retired` are certificates of older CAs, PEM, in the bundle until `retired_until`."""

    ca: KeyPair
    leaf: KeyPair
    retired: bytes = b""
    retired_until: datetime | None = None


class Renewal(NamedTuple):
    """That something has to be renewed, and why; `ca` says whether it is the CA and not only the leaf."""

    ca: bool
    reason: str


def renewal(keyring: Keyring, hosts: Sequence[str], now: datetime) -> Renewal | None:
    """Return what has to be renewed at this moment, None where nothing has.

    Certificates are renewed after two thirds of their lives, or when `hosts` has a name that the leaf lacks.
    """
    ca, leaf = _load(keyring.ca.cert), _load(keyring.leaf.cert)
    for what, certificate in (("CA", ca), ("serving certificate", leaf)):
        if certificate.not_valid_before_utc > now:
            return Renewal(certificate is ca, f"the {what} is not valid yet")
        if now >= _due(certificate):
            return Renewal(certificate is ca, f"the {what} has come to two thirds of its life")
    if missing := [host for host in hosts if host not in _names(leaf)]:
        return Renewal(ca=False, reason=f"the serving certificate lacks {', '.join(missing)}")
    return None


def next_change(keyring: Keyring, now: datetime) -> datetime:
    """Return the next moment at which a keyring that needs nothing now needs something."""
    moments = [_due(_load(keyring.ca.cert)), _due(_load(keyring.leaf.cert))]
    if keyring.retired_until:
        moments.append(keyring.retired_until)
    return min(moment for moment in moments if moment > now)


def renew(keyring: Keyring, what: Renewal, hosts: Sequence[str], lives: Lives, now: datetime) -> Keyring:
    """Return the next keyring."""
    if not what.ca:
        return keyring._replace(leaf=issue_serving_cert(keyring.ca, hosts, now, lives.leaf))
    return new_keyring(hosts, lives, now, trusted=keyring.ca.cert, until=expiry(keyring.leaf.cert))


def new_keyring(
    hosts: Sequence[str], lives: Lives, now: datetime, trusted: bytes = b"", until: datetime | None = None
) -> Keyring:
    """Return a keyring with a CA of its own; `trusted` are CA certificates that stay in the bundle `until` then."""
    ca = issue_ca(now, lives.ca)
    return Keyring(ca, issue_serving_cert(ca, hosts, now, lives.leaf), trusted, until if trusted else None)


def also_trust(keyring: Keyring, known: Keyring, now: datetime) -> Keyring | None:
    """Return `keyring` with the CA of a leaf that is being served, None where it is trusted anyway.

    `known` was agreed on before; somebody has replaced it without knowing it.
    """
    if known.ca.cert in trust_bundle(keyring, now) or not is_current(known.leaf.cert, now):
        return None
    until = max(expiry(known.leaf.cert), keyring.retired_until or now)
    return keyring._replace(retired=_retired(keyring, now) + known.ca.cert, retired_until=until)


def trust_bundle(keyring: Keyring, now: datetime) -> bytes:
    """Return what `caBundle` has to be at this moment."""
    return keyring.ca.cert + _retired(keyring, now)


def may_serve(
    keyring: Keyring, served: bytes | None, trusted_since: datetime | None, lives: Lives, now: datetime
) -> bool:
    """Return whether the keyring's leaf may be served at this moment.

    `served` is the certificate that is served now, None where there is none; `trusted_since` is when
    its CA was first seen in the bundle.
    """
    if trusted_since is None:
        return False
    if served and not is_current(served, now):
        served = None
    nobody_else = served is None and not _retired(keyring, now)
    same_ca = served is not None and _is_issued_by(_load(served), _load(keyring.ca.cert))
    return nobody_else or same_ca or now >= trusted_since + lives.wait


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


def encode_keyring(keyring: Keyring) -> dict[str, bytes]:
    """Return the data of the Secret."""
    until = keyring.retired_until.isoformat() if keyring.retired_until else ""
    # The last two are there even when empty: applying leaves keys alone that it does not name.
    return {
        "ca.crt": keyring.ca.cert,
        "ca.key": keyring.ca.key,
        "tls.crt": keyring.leaf.cert,
        "tls.key": keyring.leaf.key,
        "old-ca.crt": keyring.retired,
        "old-ca-until": until.encode(),
    }


def decode_keyring(data: Mapping[str, bytes]) -> Keyring:
    """Return the keyring in the data of a Secret; UnusableKeyringError where there is none or it does not fit."""
    missing = [key for key in ("ca.crt", "ca.key", "tls.crt", "tls.key") if not data.get(key)]
    if missing:
        raise UnusableKeyringError(f"has no {', '.join(missing)}")
    until = data.get("old-ca-until", b"").decode("ascii", "replace")
    try:
        keyring = Keyring(
            KeyPair(data["ca.crt"], data["ca.key"]),
            KeyPair(data["tls.crt"], data["tls.key"]),
            data.get("old-ca.crt", b""),
            datetime.fromisoformat(until).astimezone(UTC) if until else None,
        )
        x509.load_pem_x509_certificates(keyring.retired) if keyring.retired else None
        fits = _is_pair(keyring.ca) and _is_pair(keyring.leaf)
        can_sign = isinstance(load_pem_private_key(keyring.ca.key, None), EllipticCurvePrivateKey)
        of_ca = _is_issued_by(_load(keyring.leaf.cert), _load(keyring.ca.cert))
    except (ValueError, TypeError):
        raise UnusableKeyringError("holds something that cannot be read") from None
    if not fits:
        raise UnusableKeyringError("holds a certificate with another's key")
    if not can_sign:
        raise UnusableKeyringError("holds a CA whose key is on no elliptic curve, so not one of ours")
    if not of_ca:
        raise UnusableKeyringError("holds a serving certificate of another CA")
    return keyring


def _retired(keyring: Keyring, now: datetime) -> bytes:
    return keyring.retired if keyring.retired_until and now < keyring.retired_until else b""


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
