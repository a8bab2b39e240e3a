"""The TLS handshake: which clients may send a request."""

import contextlib
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from reviews import LAST_REQUEST, REQUEST
from secret_volume import SecretVolume, pems
from webhook_process import PATIENCE_SECONDS, PROGRAM, Serve, Webhook, eventually, read_to_end

CIPHER = "ECDHE-ECDSA-AES256-GCM-SHA384"


def client(authority: trustme.CA, leaf: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """Return the TLS context of a client. `leaf` is the client's certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if leaf:
        leaf.configure_cert(context)
    return context


def first_bytes_of_response(webhook: Webhook, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> bytes:
    """Send a request at once, and return the first bytes of the response, or b"" if the client is refused."""
    with contextlib.suppress(ssl.SSLError, ConnectionError), webhook.handshake(context, session=session) as connection:
        connection.sendall(REQUEST)
        return connection.recv(15)
    return b""


def test_a_minimum_of_tls_1_3_refuses_a_client_of_1_2(serve: Serve, authority: trustme.CA) -> None:
    old = client(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(TLS_MIN_VERSION="1.3") as webhook:
        with pytest.raises(ssl.SSLError):
            webhook.handshake(old)
        assert first_bytes_of_response(webhook, client(authority)) == b"HTTP/1.1 200 OK"


def test_only_the_listed_ciphers_are_spoken(serve: Serve, authority: trustme.CA) -> None:
    context = client(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(TLS_CIPHERS=CIPHER) as webhook:
        with webhook.handshake(context) as connection:
            assert connection.cipher() == (CIPHER, "TLSv1.2", 256)
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        with pytest.raises(ssl.SSLError):
            webhook.handshake(context)


@pytest.mark.parametrize(("setting", "value"), [("tls_ciphers", "NO-SUCH-CIPHER"), ("tls_server_name", ".ci.svc")])
def test_a_setting_that_makes_no_handshake_is_refused_in_a_sentence(
    pair: tuple[Path, Path], setting: str, value: str
) -> None:
    files = ["--tls-cert-file", pair[0], "--tls-key-file", pair[1]]
    run = subprocess.run(
        [PROGRAM, "serve", *files, "--host", "127.0.0.1", "--port", "0", "--health-port", "0"],
        env={**os.environ, f"DIND_WEBHOOK_SERVER__{setting.upper()}": value},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert run.returncode == 2, run.stderr
    assert run.stderr.startswith(f"error: server.{setting}: ")
    assert run.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def clients() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def mount(authority: trustme.CA, clients: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> SecretVolume:
    made = SecretVolume(tmp_path_factory.mktemp("mount"))
    made.put(*pems(authority.issue_cert("localhost")), clients.cert_pem.bytes())
    return made


@pytest.fixture(scope="module")
def verifying(serve: Serve, mount: SecretVolume) -> Iterator[Webhook]:
    """Run a webhook that accepts client certificates of two names."""
    names = '["kube-apiserver", "front-proxy"]'
    with serve(mount.pair, CLIENT_CA_FILE=mount.client_ca, CLIENT_NAMES=names, RELOAD_SECONDS=0.02) as running:
        yield running


@pytest.mark.parametrize("name", ["kube-apiserver", "front-proxy"])
def test_a_client_that_is_vouched_for_and_listed_is_served(
    verifying: Webhook, authority: trustme.CA, clients: trustme.CA, name: str
) -> None:
    assert (
        first_bytes_of_response(verifying, client(authority, clients.issue_cert("x", common_name=name)))
        == b"HTTP/1.1 200 OK"
    )


@pytest.mark.parametrize("who", ["without a certificate", "of another CA", "of another name", "named in its SAN only"])
def test_any_other_client_is_refused_and_what_it_sends_is_not_looked_at(
    verifying: Webhook, authority: trustme.CA, clients: trustme.CA, who: str
) -> None:
    leaf = {
        "without a certificate": None,
        "of another CA": trustme.CA().issue_cert("x", common_name="kube-apiserver"),
        "of another name": clients.issue_cert("x", common_name="kube-apiserver2"),
        "named in its SAN only": clients.issue_cert("kube-apiserver"),
    }[who]
    decided = verifying.metric("dind_webhook_request_duration_seconds_count")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = client(authority, leaf)
        context.maximum_version = version
        assert first_bytes_of_response(verifying, context) == b""
    assert verifying.metric("dind_webhook_request_duration_seconds_count") == decided


def test_a_new_ca_of_clients_takes_effect_like_a_new_certificate(
    verifying: Webhook, mount: SecretVolume, authority: trustme.CA, clients: trustme.CA
) -> None:
    leaf, successor = authority.issue_cert("localhost"), trustme.CA()
    old = client(authority, clients.issue_cert("x", common_name="kube-apiserver"))
    new = client(authority, successor.issue_cert("x", common_name="kube-apiserver"))
    try:
        mount.put(*pems(leaf), successor.cert_pem.bytes())
        eventually(lambda: first_bytes_of_response(verifying, new))
        assert first_bytes_of_response(verifying, old) == b""
        refused = len(verifying.log_lines("certificate refused"))
        mount.put(*pems(leaf), b"no CA\n")
        eventually(lambda: len(verifying.log_lines("certificate refused")) > refused)
        assert "ca.crt has no CA certificate" in verifying.log_lines("certificate refused")[-1]["problem"]
        assert first_bytes_of_response(verifying, new) == b"HTTP/1.1 200 OK", "the CA before it stays"
    finally:
        mount.put(*pems(leaf), clients.cert_pem.bytes())
        eventually(lambda: first_bytes_of_response(verifying, old))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_from_before_does_not_let_a_client_of_the_old_ca_in(
    verifying: Webhook, mount: SecretVolume, authority: trustme.CA, clients: trustme.CA, version: ssl.TLSVersion
) -> None:
    leaf, successor = authority.issue_cert("localhost"), trustme.CA()
    old = client(authority, clients.issue_cert("x", common_name="kube-apiserver"))
    old.maximum_version = version
    new = client(authority, successor.issue_cert("x", common_name="kube-apiserver"))
    with verifying.handshake(old) as connection:
        connection.sendall(LAST_REQUEST)
        read_to_end(connection)
        session = connection.session
    try:
        mount.put(*pems(leaf), successor.cert_pem.bytes())
        eventually(lambda: first_bytes_of_response(verifying, new))
        assert first_bytes_of_response(verifying, old, session) == b""
    finally:
        mount.put(*pems(leaf), clients.cert_pem.bytes())
        eventually(lambda: first_bytes_of_response(verifying, old))
