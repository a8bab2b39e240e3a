"""What a request costs, counted in bytecodes that the interpreter executes: the same on every machine, however busy.

Work in C (JSON, TLS) is not in it; `make bench` measures all of it in time.
"""

import asyncio
import importlib
import json
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest
from starlette.types import ASGIApp, Message

from app.model import JsonObject
from app.settings import InjectionSettings, make_policy
from app.web import Metrics, webhook_application

_BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def samples() -> ModuleType:
    return importlib.import_module("samples")


@pytest.fixture(scope="module")
def ours() -> ASGIApp:
    return webhook_application(make_policy(InjectionSettings()), Metrics(), 7 * 2**20)


@pytest.fixture(scope="module")
def plain(samples: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> ASGIApp:
    """Return what a Python user would write: a FastAPI route handler that does the same work."""
    additions = tmp_path_factory.mktemp("cost") / "additions.json"
    additions.write_text(json.dumps(samples.additions()), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADDITIONS", str(additions))
        app: ASGIApp = importlib.import_module("plain_fastapi").app
    return app


def bytecodes(app: ASGIApp, body: bytes) -> int:
    """Return how many bytecodes it takes to answer a review, and to log and count it, once caches are warm."""
    asyncio.run(_ask(app, body))
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    async def counted() -> None:
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            await _ask(app, body)
        finally:
            sys.settrace(before)

    asyncio.run(counted())
    return count


async def _ask(app: ASGIApp, body: bytes) -> None:
    statuses = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "https",
            "path": "/mutate",
            "raw_path": b"/mutate",
            "root_path": "",
            "query_string": b"timeout=5s",
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
        },
        receive,
        send,
    )
    # What is left for after the answer
    await asyncio.sleep(0)
    assert statuses == [200]


def with_managed_fields(pod: JsonObject, labels: int) -> JsonObject:
    fields = {f"f:label-{number}": {} for number in range(labels)}
    pod["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"] = fields
    return pod


def test_a_review_costs_a_small_part_of_a_plain_route_handlers(
    ours: ASGIApp, plain: ASGIApp, samples: ModuleType
) -> None:
    body = samples.review(samples.SMALL)
    assert bytecodes(ours, body) * 12 < bytecodes(plain, body)


def test_each_container_costs_the_same(ours: ASGIApp, samples: ModuleType) -> None:
    small, middle, large = (bytecodes(ours, samples.encode(samples.pod(count))) for count in (100, 200, 300))
    assert large - middle == pytest.approx(middle - small, rel=0.05)


def test_managed_fields_cost_nothing(ours: ASGIApp, samples: ModuleType) -> None:
    few, many = (samples.encode(with_managed_fields(samples.pod(2), labels)) for labels in (1, 1000))
    # But for which bucket of a histogram the time falls into
    assert bytecodes(ours, many) == pytest.approx(bytecodes(ours, few), rel=0.02)
