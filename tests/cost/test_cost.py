"""Counts the bytecodes that the interpreter executes for a request: the same number on every machine, however busy.

The count leaves out work in C (JSON, TLS); `make bench` measures the time of everything.
"""

import asyncio
import base64
import copy
import importlib
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from types import FrameType, ModuleType
from typing import Any, TypeAlias

import jsonpatch
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message
from uvicorn import Config
from uvicorn.server import ServerState

from dind_webhook.http import ByteBudget, ConnectionRegistry, FairQueue, Metrics, ServerContext, webhook_application
from dind_webhook.http.fast_path import FastPathConnection
from dind_webhook.logs import configure_logs
from dind_webhook.settings import InjectionSettings, make_policy

_HEAD = b"POST /mutate?timeout=5s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"

SendReview: TypeAlias = Callable[[bytes], Awaitable[None]]
Connect: TypeAlias = Callable[[], SendReview]


class _RecordingTransport(asyncio.Transport):
    """Records the bytes that a connection writes."""

    written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture(scope="module")
def samples() -> ModuleType:
    return importlib.import_module("samples")


@pytest.fixture(autouse=True)
def _configure_server_logs(logs_as_before: None) -> None:  # noqa: ARG001  # restores the logs afterwards
    configure_logs("json", "info")


@pytest.fixture
def connect_webhook() -> Connect:
    """Return a function that opens a connection of our server, after TLS."""
    app = webhook_application(make_policy(InjectionSettings()), Metrics(), 7 * 2**20, FairQueue())
    config = Config(app, log_config=None)
    config.load()

    def connect() -> SendReview:
        transport = _RecordingTransport()
        context = ServerContext(60, 60, ConnectionRegistry(10), ByteBudget(12 * 2**20), endpoints=app.endpoints)
        connection = FastPathConnection(config, ServerState(), context, "127.0.0.1")
        connection.attach_socket(transport)
        connection.connection_made(transport)

        async def send(body: bytes) -> None:
            transport.written = b""
            connection.data_received(_HEAD % len(body) + body)
            while not transport.written:  # noqa: ASYNC110  # a task answers a long body, and no event tells when
                await asyncio.sleep(0)
            # The server logs and counts after the answer.
            await asyncio.sleep(0)
            assert transport.written.startswith(b"HTTP/1.1 200 ")

        return send

    return connect


@pytest.fixture(scope="module")
def connect_plain_handler(samples: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Connect:
    """Return a function that opens a FastAPI route handler that does the same work, as a Python user would write it."""
    additions = tmp_path_factory.mktemp("cost") / "additions.json"
    additions.write_text(json.dumps(samples.additions()), "utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ADDITIONS", str(additions))
        add_docker = importlib.import_module("pod_injection").add_docker
    log = logging.getLogger("plain")
    app = FastAPI()

    @app.post("/mutate")
    async def mutate(review: dict[str, Any]) -> JSONResponse:
        request = review["request"]
        response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
        pod = request["object"]
        if pod["metadata"].get("annotations", {}).get("dind.io/inject") == "sidecar":
            changed = copy.deepcopy(pod)
            add_docker(changed)
            patch = jsonpatch.make_patch(pod, changed).to_string().encode()
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
        log.info("decision uid=%s namespace=%s", request["uid"], request["namespace"])
        return JSONResponse({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})

    return lambda: partial(_send_to_app, app)


def count_bytecodes(connect: Connect, body: bytes) -> int:
    """Return how many bytecodes the server executes to answer, log and count a review, with warm caches."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    async def count_second_review() -> None:
        send = connect()
        await send(body)
        # Otherwise the queue would delay the second review because the first one took long.
        await asyncio.sleep(0.01)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            await send(body)
        finally:
            sys.settrace(before)

    asyncio.run(count_second_review())
    return count


async def _send_to_app(app: ASGIApp, body: bytes) -> None:
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
    # The server logs and counts after the answer.
    await asyncio.sleep(0)
    assert statuses == [200]


def test_a_review_costs_a_small_part_of_a_plain_route_handlers(
    connect_webhook: Connect, connect_plain_handler: Connect, samples: ModuleType
) -> None:
    body = samples.review(samples.SIZES["4.4 KB"])
    # A tenth below the real ratio: one more decision for each request must fail this test.
    assert count_bytecodes(connect_webhook, body) * 16 < count_bytecodes(connect_plain_handler, body)


def test_each_container_costs_the_same(connect_webhook: Connect, samples: ModuleType) -> None:
    small, middle, large = (
        count_bytecodes(connect_webhook, samples.encode_review(samples.pod(count))) for count in (100, 200, 300)
    )
    assert large - middle == pytest.approx(middle - small, rel=0.05)


def test_managed_fields_cost_nothing(connect_webhook: Connect, samples: ModuleType) -> None:
    few, many = (samples.encode_review(samples.with_managed_fields(samples.pod(2), labels)) for labels in (1, 1000))
    # The duration decides which bucket of a histogram is counted, so the numbers differ a little.
    assert count_bytecodes(connect_webhook, many) == pytest.approx(count_bytecodes(connect_webhook, few), rel=0.02)
