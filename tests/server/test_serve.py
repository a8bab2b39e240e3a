"""The serving process over real TLS sockets."""

import base64
import contextlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from reviews import SECRET, UID, pod, review
from webhook_process import PATIENCE_SECONDS, PROGRAM, Serve, Webhook, eventually


def response(answer: tuple[int, bytes]) -> dict[str, Any]:
    status, body = answer
    assert status == 200, body
    return json.loads(body)["response"]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_an_annotated_pod_comes_back_with_a_patch_that_applies(webhook: Webhook, version: str) -> None:
    status, body = webhook.post(review(pod(), version), "/mutate?timeout=5s")
    assert status == 200
    answer = json.loads(body)
    assert answer["apiVersion"] == f"admission.k8s.io/{version}"
    assert answer["kind"] == "AdmissionReview"
    assert answer["response"]["uid"] == UID
    assert answer["response"]["patchType"] == "JSONPatch"
    patched = jsonpatch.apply_patch(pod(), json.loads(base64.b64decode(answer["response"]["patch"])))
    assert [container["name"] for container in patched["spec"]["initContainers"]] == ["dind"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/mutate", "not-requested"), ("/mutate/sidecar", "injected"), ("/mutate/daemonset", "injected")],
)
def test_the_path_carries_the_default_of_the_namespace(webhook: Webhook, path: str, reason: str) -> None:
    answer = response(webhook.post(review(pod(None)), path))
    assert answer["auditAnnotations"]["reason"] == reason
    assert ("patch" in answer) is ("patchType" in answer) is (reason == "injected")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"operation": "UPDATE"}, "not-a-pod-create"),
        ({"operation": "DELETE", "object_": None}, "not-a-pod-create"),
        ({"resource": {"group": "apps", "version": "v1", "resource": "pods"}}, "not-a-pod-create"),
        ({"resource": {"group": "", "version": "v1", "resource": "services"}}, "not-a-pod-create"),
        ({"subResource": "binding"}, "subresource"),
    ],
)
def test_what_creates_no_pod_is_let_through(webhook: Webhook, request_: dict[str, Any], reason: str) -> None:
    answer = response(webhook.post(review(request_.pop("object_", pod()), **request_)))
    assert answer == {"uid": UID, "allowed": True, "auditAnnotations": {"reason": reason}}


def test_a_dry_run_is_answered_in_the_same_way(webhook: Webhook) -> None:
    assert webhook.post(review(pod(), dryRun=True)) == webhook.post(review(pod(), dryRun=False))


def test_a_bad_pod_is_denied_with_a_status(webhook: Webhook) -> None:
    answer = response(webhook.post(review(pod("sidcar"))))
    assert answer["allowed"] is False
    assert answer["status"]["code"] == 400
    assert answer["status"]["reason"] == "BadRequest"
    assert '"sidcar"' in answer["status"]["message"]
    assert answer["auditAnnotations"] == {"reason": "unknown-value"}


@pytest.mark.parametrize(
    ("body", "status", "names"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b'{"kind": "\xff"}', 400, "not JSON"),
        (b'{"a": "\\ud800"}', 400, "not JSON"),
        (b'{"a":' * 100_000, 400, "not JSON"),
        (b"[]", 400, "the body: must be an object"),
        (b"{}", 400, "not an AdmissionReview"),
        (b'{"kind": "Pod"}', 400, "not an AdmissionReview"),
        (review(pod()).replace(b"k8s.io/v1", b"k8s.io/v2"), 400, "apiVersion"),
        (review(pod()).replace(b'"request"', b'"requested"'), 400, "request"),
        (review(pod(), uid=""), 400, "request.uid"),
        (review(pod(), uid=7), 400, "request.uid"),
        (review(pod(), resource=None), 400, "request.resource"),
        (review(pod(), operation=["CREATE"]), 400, "operation"),
        (review("x" * (7 * 1024 * 1024)), 413, "7340032 bytes"),
    ],
)
def test_what_is_no_review_is_a_client_error_that_says_why(
    webhook: Webhook, body: bytes, status: int, names: str
) -> None:
    found, text = webhook.post(body)
    assert (found, names in text.decode()) == (status, True), text


def test_a_chunked_body_is_limited_while_it_is_read(webhook: Webhook) -> None:
    with contextlib.closing(webhook.connect()) as connection:
        chunks = (b" " * 65536 for _ in range(200))
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            connection.request("POST", "/mutate", chunks, headers, encode_chunked=True)
        assert connection.getresponse().status == 413


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonx", "application/yaml"])
def test_only_json_is_taken(webhook: Webhook, content_type: str) -> None:
    status, text = webhook.post(review(pod()), **{"Content-Type": content_type})
    assert (status, text) == (415, b"Content-Type must be application/json\n")


def test_a_charset_beside_the_content_type_does_not_matter(webhook: Webhook) -> None:
    assert webhook.post(review(pod()), **{"Content-Type": "application/json; charset=utf-8"})[0] == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/mutate", 405), ("POST", "/mutate/other", 404)])
def test_other_methods_and_paths_are_refused(webhook: Webhook, method: str, path: str, status: int) -> None:
    with contextlib.closing(webhook.connect()) as connection:
        connection.request(method, path, b"{}", {"Content-Type": "application/json"})
        assert connection.getresponse().status == status


def test_a_connection_is_kept_and_no_server_is_named(webhook: Webhook) -> None:
    with contextlib.closing(webhook.connect()) as connection:
        for _ in range(3):
            connection.request("POST", "/mutate?timeout=5s", review(pod()), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.version == 11
            assert answer.getheader("Server") is None
            assert answer.getheader("Content-Type") == "application/json"
            assert connection.sock is not None, "the server closed the connection"


def test_a_pod_of_500_containers_is_injected(webhook: Webhook) -> None:
    containers = [
        {"name": f"c{i}", "image": "busybox", "env": [{"name": f"E{j}", "value": "x"} for j in range(20)]}
        for i in range(500)
    ]
    answer = response(webhook.post(review(pod(containers=containers))))
    operations = json.loads(base64.b64decode(answer["patch"]))
    assert sum(operation["path"].endswith("/volumeMounts") for operation in operations) == 500


def test_old_tls_is_refused(webhook: Webhook) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", webhook.port)) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw)


def test_one_line_is_logged_per_decision_and_nothing_of_the_pod(serve: Serve) -> None:
    with serve() as webhook:
        webhook.post(review(pod()))
        line = webhook.wait_for_log("decision")
        webhook.post(review(pod("sidcar")))
        webhook.post(review(7))
        webhook.post(b"{")
    assert line.pop("duration_ms") > 0
    del line["time"]
    assert line == {
        "event": "decision",
        "level": "info",
        "uid": UID,
        "namespace": "ci",
        "generate_name": "build-",
        "owner": "Job/build",
        "outcome": "injected",
        "reason": "injected",
        "mode": "sidecar",
        "isolation": "none",
    }
    reasons = [line["reason"] for line in webhook.log() if line["event"] == "decision"]
    assert reasons == ["injected", "unknown-value", "malformed-pod"]
    assert SECRET not in webhook.log_file.read_text()


def test_what_is_odd_in_metadata_is_not_logged(serve: Serve) -> None:
    with serve() as webhook:
        for metadata in (
            [],
            {"name": {}, "ownerReferences": [[]]},
            {"ownerReferences": [{"kind": {}, "name": SECRET}]},
        ):
            assert webhook.post(review({**pod(), "metadata": metadata}))[0] == 200
    assert SECRET not in webhook.log_file.read_text()


def test_health_readiness_and_metrics_are_on_their_own_port(serve: Serve) -> None:
    with serve() as webhook:
        assert webhook.get_health("/healthz") == (200, "ok\n")
        assert webhook.get_health("/readyz") == (200, "ok\n")
        webhook.post(review(pod()))
        webhook.post(b"{")
        status, text = webhook.get_health("/metrics")
    assert status == 200
    for line in (
        'dind_webhook_requests_total{isolation="none",mode="sidecar",outcome="injected",reason="injected"} 1.0',
        'dind_webhook_http_errors_total{code="400"} 1.0',
        "dind_webhook_request_duration_seconds_count 1.0",
        "dind_webhook_build_info{",
        "process_resident_memory_bytes",
    ):
        assert line in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(serve: Serve, number: int) -> None:
    with serve() as webhook:
        webhook.process.send_signal(number)
        assert webhook.process.wait(10) == 0
    assert webhook.log()[-1]["event"] == "stopped"


def test_a_second_signal_does_not_wait_for_connections(serve: Serve) -> None:
    with serve() as webhook, contextlib.closing(webhook.connect()) as connection:
        connection.putrequest("POST", "/mutate")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")
        time.sleep(0.3)
        webhook.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert webhook.process.poll() is None, "it did not wait for the request"
        webhook.process.send_signal(signal.SIGTERM)
        assert webhook.process.wait(10) == 1, "it says that a request was cut off"


def test_a_setting_that_is_wrong_is_said_with_its_origin() -> None:
    command = [PROGRAM, "serve", "--dev", "--port", "-1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    expected = "error: server.port: must be at least 0 (flag)\n"
    assert (run.returncode, run.stderr) == (2, expected)


def test_the_body_limit_is_a_setting(serve: Serve) -> None:
    with serve(BODY_LIMIT=2048) as webhook:
        assert webhook.post(review("x" * 2048))[0] == 413


def test_a_port_in_use_is_said_in_a_sentence(webhook: Webhook, pair: tuple[Path, Path]) -> None:
    arguments = ["--tls-cert-file", pair[0], "--tls-key-file", pair[1], "--host", "127.0.0.1", "--health-port", "0"]
    run = subprocess.run(
        [PROGRAM, "serve", *arguments, "--port", str(webhook.port)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    expected = f"error: server.port: cannot listen on 127.0.0.1:{webhook.port}: Address already in use\n"
    assert (run.returncode, run.stderr) == (2, expected)


def test_serving_without_a_certificate_is_refused() -> None:
    run = subprocess.run([PROGRAM, "serve"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert run.returncode == 2
    assert "--dev" in run.stderr


def test_dev_serves_at_once_on_loopback(tmp_path: Path) -> None:
    log_file = tmp_path / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", "--dev", "--port", "0", "--health-port", "0"], stderr=log)
    try:
        port = _port_in(log_file)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, context=context)) as connection:
            connection.request("POST", "/mutate", review(pod()), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert response((answer.status, answer.read()))["auditAnnotations"]["reason"] == "injected"
    finally:
        process.terminate()
        process.wait(10)


def _port_in(log_file: Path) -> int:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for word in log_file.read_text().split():
            if word.startswith("port="):
                return int(word.removeprefix("port="))
        time.sleep(0.02)
    raise AssertionError(log_file.read_text())


def test_the_level_of_the_log_changes_while_it_runs(webhook: Webhook) -> None:
    uids = [f"level-{level}" for level in ("info", "warning", "info again")]
    try:
        for level, uid in zip(("info", "warning", "info"), uids, strict=True):
            assert _put_level(webhook, level) == 200
            webhook.post(review(pod(), uid=uid))
            # The server writes the log line after the response: after one more response, an expected line must exist.
            webhook.get_health("/loglevel")
    finally:
        _put_level(webhook, "info")
    eventually(
        lambda: [line["uid"] for line in webhook.log_lines("decision") if line["uid"] in uids] == [uids[0], uids[2]]
    )


def _put_level(webhook: Webhook, level: str) -> int:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", webhook.health_port, timeout=5)) as connection:
        connection.request("PUT", "/loglevel", level)
        return connection.getresponse().status
