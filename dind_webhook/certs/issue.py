"""Issues certificates with ECDSA P-256 keys."""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Clocks of nodes differ; kube-controller-manager backdates its certificates by the same time.
BACKDATE = timedelta(minutes=5)
_CA_NAME = "dind-webhook CA"
_SIGNS_CERTS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class KeyPair(NamedTuple):
    """A certificate and its private key, both PEM."""

    cert: bytes
    key: bytes


def issue_ca(now: datetime, life: timedelta) -> KeyPair:
    """Return a self-signed CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(_CA_NAME), None, key, now, now + life).add_extension(_SIGNS_CERTS, critical=True)
    return _sign(builder, key, key)


def issue_serving_cert(ca: KeyPair, hosts: Sequence[str], now: datetime, life: timedelta) -> KeyPair:
    """Return a serving certificate of `ca` for host names and IP addresses.

    The certificate never outlives the CA.
    """
    issuer = x509.load_pem_x509_certificate(ca.cert)
    issuer_key = load_pem_private_key(ca.key, None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key is not an elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + life, issuer.not_valid_after_utc)
    builder = _builder(_name(hosts[0]), issuer.subject, key, now, end)
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
    )
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return _sign(builder.add_extension(authority, critical=False), key, issuer_key)


def issue_throwaway_cert(hosts: Sequence[str], now: datetime, life: timedelta) -> KeyPair:
    """Return a serving certificate for host names and IP addresses, from a new CA whose key is discarded.

    The certificate of the CA is appended, so that a client can trust the same file.
    """
    ca = issue_ca(now, life)
    leaf = issue_serving_cert(ca, hosts, now, life)
    return leaf._replace(cert=leaf.cert + ca.cert)


def _builder(
    subject: x509.Name,
    issuer: x509.Name | None,
    key: ec.EllipticCurvePrivateKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    """Return a certificate that is ready to be signed; a CA certificate if `issuer` is None."""
    constraints = x509.BasicConstraints(ca=issuer is None, path_length=0 if issuer is None else None)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - BACKDATE)
        .not_valid_after(end)
        .add_extension(constraints, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> KeyPair:
    return KeyPair(
        builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _name(text: str) -> x509.Name:
    # X.520 allows 64 characters. Clients check the subjectAltName, not this name.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
