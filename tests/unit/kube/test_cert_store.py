"""KubeCertStore with the real Kubernetes client and a fake API server on loopback."""

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from fake_api_server import ApiServer, Fault, api_server
from fake_cluster import CONFIGURATION, ENTRIES, NAMESPACE, SECRET, Cluster
from structlog.testing import capture_logs
from webhook_process import eventually

from dind_webhook.errors import ApiError, ConflictError, SettingsError
from dind_webhook.kube import KubeCertStore, cert_store

CALLS = ["read_secret", "read_bundles", "write_secret", "write_bundles", "watch_secret", "watch_bundles"]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server(Cluster()) as server:
        yield server


@pytest.fixture
def kube(api: ApiServer, tmp_path: Path) -> KubeCertStore:
    return KubeCertStore(NAMESPACE, SECRET, CONFIGURATION, api.write_kubeconfig(tmp_path / "kubeconfig"))


def call(kube: KubeCertStore, name: str) -> None:
    arguments = {"write_secret": ({"a": b"1"}, None), "write_bundles": ({ENTRIES[0]: b"1"}, "1")}.get(name, ())
    list(getattr(kube, name)(*arguments) or ())


def test_what_is_not_there_is_none(api: ApiServer, kube: KubeCertStore) -> None:
    assert kube.read_secret() is None
    api.cluster.delete("webhooks")
    assert kube.read_bundles() is None


def test_a_secret_is_made_read_and_replaced(kube: KubeCertStore) -> None:
    kube.write_secret({"a": b"1", "b": b"\xff"}, None)
    first = kube.read_secret()
    assert first is not None
    assert first.data == {"a": b"1", "b": b"\xff"}
    kube.write_secret({"a": b"2", "b": b""}, first.version)
    second = kube.read_secret()
    assert second is not None
    assert (second.data, second.version == first.version) == ({"a": b"2", "b": b""}, False)


def test_a_secret_that_the_chart_made_empty_is_filled(api: ApiServer, kube: KubeCertStore) -> None:
    api.cluster.apply_secret({"metadata": {}, "type": "Opaque", "data": {}}, "helm", force=False)
    empty = kube.read_secret()
    assert empty is not None
    assert empty.data == {}
    kube.write_secret({"a": b"1"}, empty.version)
    assert api.cluster.secret() == {"a": b"1"}


def test_of_two_that_make_the_secret_one_is_told_of_a_conflict(api: ApiServer, kube: KubeCertStore) -> None:
    kube.write_secret({"a": b"1"}, None)
    with pytest.raises(ConflictError, match=f"writing Secret {NAMESPACE}/{SECRET}: 409"):
        kube.write_secret({"a": b"2"}, None)
    assert api.cluster.secret() == {"a": b"1"}


def test_of_two_that_replace_it_the_second_is_told_of_a_conflict(api: ApiServer, kube: KubeCertStore) -> None:
    kube.write_secret({"a": b"1"}, None)
    stored = kube.read_secret()
    assert stored is not None
    kube.write_secret({"a": b"2"}, stored.version)
    with pytest.raises(ConflictError):
        kube.write_secret({"a": b"3"}, stored.version)
    assert api.cluster.secret() == {"a": b"2"}


def test_bundles_are_set_one_by_one_and_the_rest_of_the_entries_stays(api: ApiServer, kube: KubeCertStore) -> None:
    before = api.cluster.get("webhooks")["webhooks"]
    stored = kube.read_bundles()
    assert stored is not None
    assert stored.data == dict.fromkeys(ENTRIES, b"")
    kube.write_bundles({ENTRIES[1]: b"CA"}, stored.version)
    assert api.cluster.bundles() == [b"", b"CA"]
    before[1]["clientConfig"]["caBundle"] = base64.b64encode(b"CA").decode()
    assert api.cluster.get("webhooks")["webhooks"] == before
    with pytest.raises(ConflictError, match="writing MutatingWebhookConfiguration"):
        kube.write_bundles({ENTRIES[0]: b"CA"}, stored.version)


def test_a_watch_tells_of_what_is_there_and_of_each_change_to_it_alone(api: ApiServer, kube: KubeCertStore) -> None:
    told: list[None] = []
    ended = threading.Event()

    def watch() -> None:
        told.extend(kube.watch_bundles())
        ended.set()

    thread = threading.Thread(target=watch)
    api.watch_seconds = 1
    thread.start()
    eventually(lambda: told)
    kube.write_secret({"a": b"1"}, None)
    api.cluster.overwrite_bundles(b"1")
    api.cluster.delete("webhooks")
    assert ended.wait(10), "the API server ends a watch, and that is no error"
    assert len(told) == 3


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", [403, 410, 429, 500, 503, "away", "cut"])
def test_what_the_api_server_refuses_or_breaks_off_is_an_error_in_a_sentence(
    api: ApiServer, kube: KubeCertStore, fault: Fault, name: str
) -> None:
    with api.failing(fault), pytest.raises(ApiError) as told:
        call(kube, name)
    assert not isinstance(told.value, ConflictError)
    doing, _, what = str(told.value).partition(": ")
    assert doing.split()[0] in {"reading", "writing", "watching"}
    assert what.startswith((str(fault), "the API server cannot be reached: "))


@pytest.mark.parametrize("name", ["read_secret", "read_bundles"])
@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"7", b"{}", b'{"metadata": 7}'])
def test_an_answer_that_is_no_such_object_is_an_error_too(
    api: ApiServer, kube: KubeCertStore, answer: bytes, name: str
) -> None:
    with api.failing(answer), pytest.raises(ApiError, match="the answer is malformed"):
        call(kube, name)


def test_data_that_is_no_base64_is_an_error_too(api: ApiServer, kube: KubeCertStore) -> None:
    answer = {"metadata": {"resourceVersion": "1"}, "data": {"tls.key": "a"}}
    with api.failing(json.dumps(answer).encode()), pytest.raises(ApiError, match="the answer is malformed"):
        kube.read_secret()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}},
        {"type": "ADDED"},
        [],
    ],
    ids=["410", "no object", "no event"],
)
def test_a_watch_that_goes_wrong_ends_with_an_error(api: ApiServer, kube: KubeCertStore, event: object) -> None:
    with api.failing(json.dumps(event).encode() + b"\n", "watch"), pytest.raises(ApiError, match=f"watching {SECRET}"):
        list(kube.watch_secret())


def test_slow_answers_are_waited_for_and_slower_ones_given_up(
    api: ApiServer, kube: KubeCertStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with api.failing(0.3):
        assert kube.read_secret() is None
        monkeypatch.setattr(cert_store, "_TIMEOUT", (5, 0.1))
        with pytest.raises(ApiError, match="the API server cannot be reached: timed out"):
            kube.read_secret()


def test_an_api_server_that_nobody_reaches_is_away(tmp_path: Path) -> None:
    with api_server(Cluster()) as api:
        kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
    with pytest.raises(ApiError, match="the API server cannot be reached: Connection refused"):
        KubeCertStore(NAMESPACE, SECRET, CONFIGURATION, kubeconfig).read_secret()


def test_that_the_api_server_is_not_verified_is_said_once(api: ApiServer, tmp_path: Path) -> None:
    # Without this, the library's warning would fail the test.
    api.speak_tls(trustme.CA().issue_cert("127.0.0.1"))
    with capture_logs() as log:
        kube = KubeCertStore(NAMESPACE, SECRET, CONFIGURATION, api.write_kubeconfig(tmp_path / "kubeconfig"))
        for _ in range(2):
            assert kube.read_bundles()
    assert [(line["log_level"], line["file"]) for line in log] == [("warning", str(tmp_path / "kubeconfig"))]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "certs.kubeconfig: {} cannot be used: Invalid kube-config file."),
        ("", "certs.kubeconfig: {} cannot be used: Invalid kube-config."),
        ("a: [", "certs.kubeconfig: {} cannot be used: it is malformed ("),
        ("[]", "certs.kubeconfig: {} cannot be used: it is malformed ("),
    ],
)
def test_a_kubeconfig_that_is_none_is_said_in_a_sentence(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError) as told:
        KubeCertStore(NAMESPACE, SECRET, CONFIGURATION, path)
    assert str(told.value).startswith(problem.format(path))


def test_outside_of_a_pod_a_kubeconfig_is_needed() -> None:
    with pytest.raises(SettingsError, match="not set, and this is not a pod with a token"):
        KubeCertStore(NAMESPACE, SECRET, CONFIGURATION, None)
