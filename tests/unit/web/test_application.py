"""When a decision is counted and logged."""

import asyncio
import json

from structlog.testing import capture_logs
from structlog.typing import EventDict

from app.injection import Policy
from app.web import Metrics, webhook_application

JSON = {b"content-type": b"application/json"}


def review(uid: str) -> bytes:
    request = {
        "uid": uid,
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {
            "metadata": {"annotations": {"dind.io/inject": "sidecar"}},
            "spec": {"containers": [{"name": "build"}]},
        },
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def counted(metrics: Metrics) -> float:
    return sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "dind_webhook_requests_total"
    )


def test_once_each_after_all_answers_that_were_made_at_one_time(policy: Policy) -> None:
    metrics = Metrics()

    async def ask() -> None:
        mutate = webhook_application(policy, metrics, 2**20).endpoints[b"/mutate"]
        for uids in (["a", "b"], ["c"]):
            before = len(log)
            assert [mutate(JSON, review(uid)).status for uid in uids] == [200] * len(uids)
            assert len(log) == before
            await asyncio.sleep(0)
            assert [line["uid"] for line in log[before:]] == uids

    with capture_logs() as log:
        asyncio.run(ask())
    assert counted(metrics) == 3


def test_a_line_that_cannot_be_written_costs_no_count_and_no_other_line(policy: Policy) -> None:
    metrics = Metrics()

    def write(_logger: object, _method: str, line: EventDict) -> EventDict:
        if line["uid"] == "a":
            raise OSError("no space left on device")
        return line

    async def ask() -> None:
        mutate = webhook_application(policy, metrics, 2**20).endpoints[b"/mutate"]
        for uids in (["a", "b"], ["c"]):
            for uid in uids:
                mutate(JSON, review(uid))
            await asyncio.sleep(0)

    with capture_logs([write]) as log:
        asyncio.run(ask())
    assert [line["uid"] for line in log] == ["b", "c"]
    assert counted(metrics) == 3
