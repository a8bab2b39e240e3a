"""Load the serving certificate from PEM files, validate it, and reload changed files."""

import os
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dind_webhook.http import Metrics, ServedCertificate, TlsFiles, TlsRules
from dind_webhook.http.serving_cert import UnusableCertificateError, load_certificate

END = datetime(2090, 1, 2, 3, 4, 5, tzinfo=UTC)
ANY = TlsRules()
SERVICE = TlsRules(host="webhook.ci.svc")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> TlsFiles:
    """Write a valid certificate, its key, and the client CA."""
    found = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    write(found, authority.issue_cert("webhook.ci.svc", not_after=END))
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    return found


def write(files: TlsFiles, leaf: trustme.LeafCert) -> None:
    files.cert.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(files.key)


def self_signed(
    files: TlsFiles, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH, san: str | None = None
) -> None:
    """Write a self-signed certificate whose common name is the name of the Service."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVICE.host)])
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(END)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if san:
        cert = cert.add_extension(x509.SubjectAlternativeName([x509.DNSName(san)]), critical=False)
    files.cert.write_bytes(cert.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def sample(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"dind_webhook_certificate_{name}")


def test_a_good_pair_is_loaded_with_its_end(files: TlsFiles) -> None:
    certificate = load_certificate(files, SERVICE)
    assert certificate.not_after == END.timestamp()
    assert certificate.ssl_context.verify_mode == ssl.CERT_REQUIRED
    assert load_certificate(files._replace(client_ca=None), SERVICE).ssl_context.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    "identities", [("webhook.ci.svc",), ("*.ci.svc",), ("localhost", "webhook.ci.svc")], ids=["own", "wildcard", "two"]
)
@pytest.mark.parametrize("key_type", trustme.KeyType)
def test_a_certificate_with_the_name_is_taken(
    files: TlsFiles, authority: trustme.CA, identities: tuple[str, ...], key_type: trustme.KeyType
) -> None:
    write(files, authority.issue_cert(*identities, not_after=END, key_type=key_type))
    assert load_certificate(files, SERVICE).not_after == END.timestamp()


def test_a_chain_with_an_intermediate_is_taken_and_the_end_is_the_leafs(files: TlsFiles, authority: trustme.CA) -> None:
    write(files, authority.create_child_ca().issue_cert("webhook.ci.svc", not_after=END))
    assert files.cert.read_text().count("BEGIN") == 2
    assert load_certificate(files, SERVICE).not_after == END.timestamp()


def test_the_name_can_be_an_address(files: TlsFiles, authority: trustme.CA) -> None:
    write(files, authority.issue_cert("10.1.2.3"))
    load_certificate(files, TlsRules(host="10.1.2.3"))
    with pytest.raises(UnusableCertificateError, match=r"10\.1\.2\.4"):
        load_certificate(files, TlsRules(host="10.1.2.4"))


@pytest.mark.parametrize("name", ["webhook", "webhook.ci", "webhook.ci.svc.cluster.local", "*.svc"])
def test_a_certificate_of_another_name_is_refused_where_one_is_asked_for(
    files: TlsFiles, authority: trustme.CA, name: str
) -> None:
    write(files, authority.issue_cert(name))
    load_certificate(files, ANY)
    with pytest.raises(UnusableCertificateError, match=r"webhook\.ci\.svc"):
        load_certificate(files, SERVICE)


def test_a_name_that_is_only_the_common_name_is_refused_as_the_api_server_does(files: TlsFiles) -> None:
    self_signed(files, san=SERVICE.host)
    load_certificate(files, SERVICE)
    self_signed(files)
    with pytest.raises(UnusableCertificateError):
        load_certificate(files, SERVICE)


def test_a_file_that_goes_away_while_it_is_looked_at_is_refused(files: TlsFiles) -> None:
    content, cert = files.cert.read_bytes(), files.cert
    cert.unlink()
    os.mkfifo(cert)

    def be_read_twice() -> None:
        for successor in (os.mkfifo, lambda _: None):
            with cert.open("wb") as pipe:
                cert.unlink()
                successor(cert)
                pipe.write(content)

    thread = threading.Thread(target=be_read_twice, daemon=True)
    thread.start()
    with pytest.raises(UnusableCertificateError, match=r"tls\.crt cannot be read: No such file"):
        load_certificate(files, SERVICE)
    thread.join()


def test_a_certificate_for_clients_is_refused(files: TlsFiles) -> None:
    self_signed(files, ExtendedKeyUsageOID.CLIENT_AUTH, SERVICE.host)
    with pytest.raises(UnusableCertificateError, match=r"tls\.crt: "):
        load_certificate(files, SERVICE)


def test_a_file_that_is_a_folder_is_refused(files: TlsFiles) -> None:
    files.key.unlink()
    files.key.mkdir()
    with pytest.raises(UnusableCertificateError, match=r"tls\.key cannot be read: Is a directory"):
        load_certificate(files, ANY)


@pytest.mark.parametrize("content", [b"", b"no CA", b"-----BEGIN CERTIFICATE-----\nMIIB\n"])
def test_a_client_ca_file_without_a_ca_is_refused(files: TlsFiles, content: bytes) -> None:
    assert files.client_ca
    files.client_ca.write_bytes(content)
    with pytest.raises(UnusableCertificateError, match=r"ca\.crt has no CA certificate"):
        load_certificate(files, ANY)


class _WatchedPath(type(Path())):  # type: ignore[misc]  # the concrete class of Path on this system
    """A path that calls `was_read` after each read."""

    was_read: Callable[[], None]

    def read_bytes(self) -> bytes:
        content = super().read_bytes()
        self.was_read()
        return content


def watched_path(path: Path, was_read: Callable[[Path], None]) -> Path:
    made = _WatchedPath(path)
    made.was_read = lambda: was_read(path)
    return made


@pytest.mark.parametrize("name", ["cert", "key", "client_ca"])
def test_a_file_that_vanishes_while_it_is_loaded_is_refused(files: TlsFiles, name: str) -> None:
    fleeting = files._replace(**{name: watched_path(getattr(files, name), Path.unlink)})
    with pytest.raises(UnusableCertificateError, match=r"No such file"):
        load_certificate(fleeting, ANY)


def test_files_that_change_while_they_are_loaded_wait_for_the_next_look(files: TlsFiles) -> None:
    writing = iter([True, True, False])

    def write_more(path: Path) -> None:
        if next(writing, False):
            path.write_bytes(path.read_bytes() + b"\n")

    metrics = Metrics()
    served = ServedCertificate(files._replace(cert=watched_path(files.cert, write_more)), ANY, metrics)
    assert served.problem() is not None
    assert sample(metrics, "reload_errors_total") == 0
    served.refresh()
    assert served.problem() is None


def test_a_pair_of_which_half_is_replaced_while_it_is_loaded_is_no_bad_pair(
    files: TlsFiles, authority: trustme.CA
) -> None:
    old_key = files.key.read_bytes()
    leaf = authority.issue_cert("webhook.ci.svc", not_after=END)
    writing = iter([True])

    def write_the_first_half(_: Path) -> None:
        if next(writing, False):
            write(files, leaf)
            files.key.write_bytes(old_key)

    metrics = Metrics()
    served = ServedCertificate(files._replace(cert=watched_path(files.cert, write_the_first_half)), ANY, metrics)
    assert sample(metrics, "reload_errors_total") == 0
    write(files, leaf)
    served.refresh()
    assert served.problem() is None


def test_contents_that_did_not_change_are_not_loaded_again(files: TlsFiles) -> None:
    metrics = Metrics()
    served = ServedCertificate(files, ANY, metrics)
    files.cert.touch()
    served.refresh()
    assert sample(metrics, "reloads_total") == 1
    assert sample(metrics, "expiry_timestamp_seconds") == END.timestamp()
    assert sample(metrics, "last_reload_successful") == 1


@pytest.mark.parametrize("file", ["cert", "key", "client_ca"])
def test_a_change_of_any_file_is_noticed(files: TlsFiles, file: str) -> None:
    metrics = Metrics()
    served = ServedCertificate(files, ANY, metrics)
    path: Path = getattr(files, file)
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    served.refresh()
    assert sample(metrics, "reloads_total") == 2


def test_a_bad_pair_is_counted_once_and_what_was_served_before_is_no_news(files: TlsFiles) -> None:
    metrics = Metrics()
    served = ServedCertificate(files, ANY, metrics)
    content = files.key.read_bytes()
    for number in (1, 2):
        files.key.write_bytes(b"")
        served.refresh()
        served.refresh()
        assert served.problem() is None
        assert sample(metrics, "last_reload_successful") == 0
        files.key.write_bytes(content)
        served.refresh()
        assert sample(metrics, "last_reload_successful") == 1
        assert sample(metrics, "reload_errors_total") == number
    assert sample(metrics, "reloads_total") == 1


def test_a_certificate_is_a_problem_from_its_end_on(files: TlsFiles) -> None:
    served = ServedCertificate(files, ANY, Metrics())
    assert served.problem(END.timestamp) is None
    assert served.problem((END + timedelta(seconds=1)).timestamp) == "the certificate expired at 2090-01-02T03:04:05Z"


def test_no_certificate_is_a_problem_that_says_why(files: TlsFiles, authority: trustme.CA) -> None:
    files.key.unlink()
    served = ServedCertificate(files, ANY, Metrics())
    assert served.problem() == f"no certificate: {files.key} cannot be read: No such file or directory"
    write(files, authority.issue_cert("localhost"))
    served.refresh()
    assert served.problem() is None
