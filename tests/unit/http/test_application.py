"""The application counts and logs each decision."""

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from dind_webhook.http import FairQueue, Metrics, webhook_application
from dind_webhook.injection import Policy
from dind_webhook.model import JsonObject

JSON = {b"content-type": b"application/json"}


def review(uid: str, metadata: JsonObject | None = None, spec: JsonObject | None = None) -> bytes:
    request = {
        "uid": uid,
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {
            "metadata": {"annotations": {"dind.io/inject": "sidecar"}, **(metadata or {})},
            "spec": {"containers": [{"name": "build"}], **(spec or {})},
        },
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def logged(policy: Policy, body: bytes, *, logs_user: bool = False) -> EventDict:
    """Return the log line of one request."""

    async def send_review() -> None:
        application = webhook_application(policy, Metrics(), 2**20, FairQueue(), logs_user=logs_user)
        application.endpoints[b"/mutate"](JSON, body)
        await asyncio.sleep(0)

    with capture_logs() as log:
        asyncio.run(send_review())
    (line,) = log
    return line


def counted(metrics: Metrics) -> float:
    return sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "dind_webhook_requests_total"
    )


def test_once_each_after_all_answers_that_were_made_at_one_time(policy: Policy) -> None:
    metrics = Metrics()

    async def send_review() -> None:
        mutate = webhook_application(policy, metrics, 2**20, FairQueue()).endpoints[b"/mutate"]
        for uids in (["a", "b"], ["c"]):
            before = len(log)
            assert [mutate(JSON, review(uid)).status for uid in uids] == [200] * len(uids)
            assert len(log) == before
            await asyncio.sleep(0)
            assert [line["uid"] for line in log[before:]] == uids

    with capture_logs() as log:
        asyncio.run(send_review())
    assert counted(metrics) == 3


def test_lines_that_cannot_be_written_cost_no_count_and_no_later_line(policy: Policy) -> None:
    metrics = Metrics()

    def write(_logger: object, _method: str, line: EventDict) -> EventDict:
        if line["uid"] == "a":
            raise OSError("no space left on device")
        return line

    async def send_review() -> None:
        mutate = webhook_application(policy, metrics, 2**20, FairQueue()).endpoints[b"/mutate"]
        for uids in (["a", "b"], ["c"]):
            for uid in uids:
                mutate(JSON, review(uid))
            await asyncio.sleep(0)

    with capture_logs([write]) as log:
        asyncio.run(send_review())
    assert [line["uid"] for line in log] == ["c"]
    assert counted(metrics) == 3


@pytest.mark.parametrize("spec", [{}, {"containers": 17}])
def test_a_line_says_whose_pod_it_was_even_where_its_spec_cannot_be_read(policy: Policy, spec: JsonObject) -> None:
    line = logged(policy, review("a", {"generateName": "build-"}, spec))
    assert (line["generate_name"], line["outcome"]) == ("build-", "denied" if spec else "injected")


def test_nothing_is_said_of_metadata_that_cannot_be_read(policy: Policy) -> None:
    line = logged(policy, review("a", {"generateName": "build-", "labels": 17}))
    assert line["reason"] == "malformed-pod"
    assert "generate_name" not in line


def of_user(user: Any) -> bytes:
    body = json.loads(review("a"))
    body["request"]["userInfo"] = user
    return json.dumps(body).encode()


def test_the_user_is_logged_only_where_the_operator_wants_it(policy: Policy) -> None:
    body = of_user({"username": "alice", "uid": "7", "groups": ["ci"], "extra": {"a": ["b"]}})
    assert "alice" not in str(logged(policy, body))
    assert logged(policy, body, logs_user=True)["user"] == "alice"


@pytest.mark.parametrize(
    ("user", "name"), [(None, ""), ({}, ""), ({"username": None}, ""), ({"username": "x" * 999}, "x" * 253)]
)
def test_the_name_of_a_user_is_bounded_and_may_be_absent(policy: Policy, user: Any, name: str) -> None:
    assert logged(policy, of_user(user), logs_user=True)["user"] == name
