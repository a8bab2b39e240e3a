"""The server reloads its certificate when another process replaces the files."""

import contextlib
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key as load_key
from reviews import pod, review
from secret_volume import SecretVolume, pems
from server_load import Load, connections, send_review
from webhook_process import Serve, Webhook, eventually

LOOK_SECONDS = 0.02
ERRORS = "dind_webhook_certificate_reload_errors_total"
SUCCESSFUL = "dind_webhook_certificate_last_reload_successful"
EXPIRY = "dind_webhook_certificate_expiry_timestamp_seconds"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def mount(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> SecretVolume:
    made = SecretVolume(tmp_path_factory.mktemp("mount"))
    made.put(*pems(authority.issue_cert("localhost")))
    return made


@pytest.fixture(scope="module")
def rotating(serve: Serve, mount: SecretVolume) -> Iterator[Webhook]:
    """Run a webhook that checks its files at very short intervals."""
    with serve(mount.pair, RELOAD_SECONDS=LOOK_SECONDS, TLS_SERVER_NAME="localhost") as running:
        yield running


def rotate(webhook: Webhook, mount: SecretVolume, authority: trustme.CA) -> bytes:
    """Replace the certificate and key, wait until the server uses them, and return the certificate in DER."""
    pair = pems(authority.issue_cert("localhost"))
    mount.put(*pair)
    der = ssl.PEM_cert_to_DER_cert(pair[0].decode())
    eventually(lambda: served(webhook) == der)
    return der


def served(webhook: Webhook) -> bytes | None:
    with contextlib.suppress(ssl.SSLError):
        return webhook.served()
    return None


def test_a_swap_under_50_kept_connections_fails_no_request(
    rotating: Webhook, mount: SecretVolume, authority: trustme.CA
) -> None:
    before = rotating.served()
    with connections(rotating, 50) as kept, Load() as load:
        for first in range(0, 50, 10):
            load.send_on_connections(kept[first : first + 10])
        load.wait_for_answers(100)
        after = rotate(rotating, mount, authority)
        load.wait_for_answers(200)
        shown = {connection.sock.getpeercert(binary_form=True) for connection in kept}
    assert load.failures == []
    assert {answer.status for answer in load.answers} == {200}
    assert shown == {before}, "old connections go on"
    assert rotating.served() == after != before


def test_ten_rotations_under_load_fail_no_request(
    rotating: Webhook, mount: SecretVolume, authority: trustme.CA
) -> None:
    with connections(rotating, 4) as kept, Load() as load:
        for connection in kept:
            load.send_on_connections([connection])
            load.send_on_new_connections(rotating)
        for _ in range(10):
            rotate(rotating, mount, authority)
            load.wait_for_answers(20)
    assert load.failures == []
    assert {answer.status for answer in load.answers} == {200}


def encrypted(key: bytes) -> bytes:
    return load_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def broken_pair(what: str, authority: trustme.CA) -> tuple[bytes | None, bytes | None]:
    now = datetime.now(UTC)
    cert, key = pems(authority.issue_cert("localhost"))
    other_cert, other_key = pems(authority.issue_cert("elsewhere"))
    return {
        "mismatched": (cert, other_key),
        "half-written certificate": (cert[: len(cert) // 2], key),
        "half-written key": (cert, key[: len(key) // 2]),
        "empty": (b"", b""),
        "expired": pems(authority.issue_cert("localhost", not_before=now - 2 * DAY, not_after=now - DAY)),
        "not yet valid": pems(authority.issue_cert("localhost", not_before=now + DAY, not_after=now + 2 * DAY)),
        "another name": (other_cert, other_key),
        "no key": (cert, None),
        "nothing": (None, None),
        "encrypted key": (cert, encrypted(key)),
        "garbage": (b"\x00\xff" * 500, b"garbage"),
    }[what]


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("mismatched", "are not a certificate and its key: KEY_VALUES_MISMATCH"),
        ("half-written certificate", "are not a certificate and its key"),
        ("half-written key", "are not a certificate and its key"),
        ("empty", "are not a certificate and its key"),
        ("expired", "tls.crt: certificate has expired"),
        ("not yet valid", "tls.crt: certificate is not yet valid"),
        ("another name", "'localhost'"),
        ("no key", "tls.key cannot be read: No such file or directory"),
        ("nothing", "tls.crt cannot be read: No such file or directory"),
        ("encrypted key", "are not a certificate and its key"),
        ("garbage", "are not a certificate and its key"),
    ],
)
def test_a_bad_pair_keeps_the_old_one_and_is_told_once(
    rotating: Webhook, mount: SecretVolume, authority: trustme.CA, what: str, problem: str
) -> None:
    good = rotate(rotating, mount, authority)
    eventually(lambda: rotating.metric(SUCCESSFUL) == 1)
    refusals, counted, expiry = (
        len(rotating.log_lines("certificate refused")),
        rotating.metric(ERRORS),
        rotating.metric(EXPIRY),
    )

    mount.put(*broken_pair(what, authority))
    eventually(lambda: rotating.metric(SUCCESSFUL) == 0)
    time.sleep(5 * LOOK_SECONDS)
    assert rotating.served() == good
    assert rotating.post(review(pod()))[0] == 200
    assert rotating.get_health("/readyz") == (200, "ok\n")
    lines = rotating.log_lines("certificate refused")[refusals:]
    assert [(line["level"], line["still_serving"], problem in line["problem"]) for line in lines] == [
        ("error", True, True)
    ], lines
    assert rotating.metric(ERRORS) == counted + 1
    assert rotating.metric(EXPIRY) == expiry

    rotate(rotating, mount, authority)
    eventually(lambda: rotating.metric(SUCCESSFUL) == 1)
    assert rotating.metric(ERRORS) == counted + 1


def test_a_server_without_files_is_alive_and_gets_ready_when_they_appear(
    serve: Serve, tmp_path: Path, authority: trustme.CA
) -> None:
    mount = SecretVolume(tmp_path)
    with serve(mount.pair, RELOAD_SECONDS=LOOK_SECONDS) as webhook:
        assert webhook.get_health("/healthz") == (200, "ok\n")
        reason = f"no certificate: {mount.pair[0]} cannot be read: No such file or directory\n"
        assert webhook.get_health("/readyz") == (503, reason)
        assert webhook.metric(EXPIRY) == 0
        assert webhook.metric(SUCCESSFUL) == 0
        assert served(webhook) is None

        rotate(webhook, mount, authority)
        assert webhook.get_health("/readyz") == (200, "ok\n")
        assert webhook.metric("dind_webhook_certificate_reloads_total") == 1
        assert [line["still_serving"] for line in webhook.log_lines("certificate refused")] == [False]


def test_an_expired_certificate_makes_it_unready_and_a_new_one_ready(
    rotating: Webhook, mount: SecretVolume, authority: trustme.CA
) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    mount.put(*pems(authority.issue_cert("localhost", not_before=end - DAY, not_after=end)))
    eventually(lambda: rotating.metric(EXPIRY) == end.timestamp())
    assert rotating.get_health("/readyz") == (200, "ok\n")
    with contextlib.closing(rotating.connect()) as kept:
        assert send_review(kept).status == 200
        eventually(lambda: rotating.get_health("/readyz")[0] == 503)
        expired = end.isoformat().replace("+00:00", "Z")
        assert rotating.get_health("/readyz")[1] == f"the certificate expired at {expired}\n"
        assert send_review(kept).status == 200, "who is connected already is still answered"
    rotate(rotating, mount, authority)
    assert rotating.get_health("/readyz") == (200, "ok\n")
