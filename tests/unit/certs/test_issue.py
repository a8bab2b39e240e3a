"""issue_ca and issue_serving_cert: an API server must accept the certificates."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from dind_webhook.certs.issue import BACKDATE, KeyPair, issue_ca, issue_serving_cert, issue_throwaway_cert
from dind_webhook.http import TlsFiles, TlsRules
from dind_webhook.http.serving_cert import load_certificate

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)
HOST = "dind-webhook.ci.svc"


@pytest.fixture(scope="module")
def ca() -> KeyPair:
    return issue_ca(NOW, 30 * DAY)


def load(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.cert)


def test_a_ca_may_sign_certificates_but_no_other_ca(ca: KeyPair) -> None:
    certificate = load(ca)
    certificate.verify_directly_issued_by(certificate)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints == x509.Extension(constraints.oid, critical=True, value=x509.BasicConstraints(True, 0))
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)


def test_lives_begin_five_minutes_ago_for_clocks_that_are_behind(ca: KeyPair) -> None:
    leaf = load(issue_serving_cert(ca, [HOST], NOW, DAY))
    assert timedelta(minutes=5) == BACKDATE
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (NOW - BACKDATE, NOW + DAY)
    assert (load(ca).not_valid_before_utc, load(ca).not_valid_after_utc) == (NOW - BACKDATE, NOW + 30 * DAY)


def test_a_leaf_never_outlives_its_ca(ca: KeyPair) -> None:
    leaf = load(issue_serving_cert(ca, [HOST], NOW + 29 * DAY, 5 * DAY))
    assert leaf.not_valid_after_utc == load(ca).not_valid_after_utc


def test_a_leaf_is_for_servers_of_these_names_and_addresses_only(ca: KeyPair) -> None:
    leaf = load(issue_serving_cert(ca, [HOST, "10.1.2.3", "fd00::1"], NOW, DAY))
    leaf.verify_directly_issued_by(load(ca))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    addresses = [ipaddress.ip_address("10.1.2.3"), ipaddress.ip_address("fd00::1")]
    assert names.get_values_for_type(x509.IPAddress) == addresses
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    own = load(ca).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == own.digest


def test_keys_are_on_the_p_256_curve_and_never_used_twice(ca: KeyPair) -> None:
    keys = [load(pair).public_key() for pair in (ca, *(issue_serving_cert(ca, [HOST], NOW, DAY) for _ in range(2)))]
    assert all(isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1" for key in keys)
    assert len({key.public_numbers() for key in keys}) == 3


@pytest.mark.parametrize("host", [HOST, "10.1.2.3", "fd00::1", f"{'s' * 63}.{'n' * 63}.svc"])
def test_a_client_that_checks_all_an_api_server_checks_takes_it(tmp_path: Path, host: str) -> None:
    now = datetime.now(UTC)
    pair = issue_serving_cert(issue_ca(now, DAY), [host], now, DAY)
    files = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    files.cert.write_bytes(pair.cert)
    files.key.write_bytes(pair.key)
    end = load(pair).not_valid_after_utc.timestamp()
    assert load_certificate(files, TlsRules(host=host)).not_after == end


def test_a_throwaway_certificate_brings_what_a_client_has_to_trust() -> None:
    pair = issue_throwaway_cert(["localhost"], NOW, DAY)
    leaf, ca = x509.load_pem_x509_certificates(pair.cert)
    leaf.verify_directly_issued_by(ca)
    assert len(ssl.create_default_context(cadata=pair.cert.decode()).get_ca_certs()) == 1


def test_a_ca_with_another_kind_of_key_is_refused() -> None:
    other = trustme.CA(key_type=trustme.KeyType.RSA)
    pair = KeyPair(other.cert_pem.bytes(), other.private_key_pem.bytes())
    with pytest.raises(TypeError, match="not an elliptic-curve key"):
        issue_serving_cert(pair, [HOST], NOW, DAY)
