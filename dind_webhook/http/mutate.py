"""The endpoint of `/mutate`: from the bytes of an AdmissionReview to the bytes of its answer.

The fast path (docs/decisions/0015) calls `answer` with a request that was read completely. As an ASGI endpoint, it
reads the body itself, and rejects a body that is too large as early as possible.
"""

from asyncio import Future, get_running_loop
from contextlib import suppress
from time import perf_counter
from typing import Any, TypeAlias

import structlog
from starlette.types import Receive, Scope, Send

from dind_webhook.admission import NamespaceRequest, Review, decide_review, decode_review, encode_review
from dind_webhook.errors import BadRequestError, frames_of
from dind_webhook.http.endpoint import EndpointResponse, Headers, is_json
from dind_webhook.http.fair_queue import FairQueue
from dind_webhook.http.metrics import Metrics
from dind_webhook.injection import Decision, Policy
from dind_webhook.logs import BatchLogger
from dind_webhook.model import MAX_NAME_LENGTH, MalformedPodError, MetadataShape, PodShape, read_metadata

# A review, its decision, and the seconds that the decision took
_AnsweredReview: TypeAlias = tuple[Review, Decision, float]


class MutateEndpoint:
    """The endpoint of one path; the path says what the namespace asks for."""

    def __init__(  # noqa: PLR0913  # one parameter for each thing that the endpoint uses
        self,
        policy: Policy,
        namespace: NamespaceRequest,
        metrics: Metrics,
        body_limit: int,
        queue: FairQueue,
        *,
        logs_user: bool = False,
    ) -> None:
        self._queue = queue
        self._policy = policy
        self._namespace = namespace
        self._metrics = metrics
        self._body_limit = body_limit
        self._logs_user = logs_user
        self._unrecorded_reviews: list[_AnsweredReview] = []
        self._log = structlog.get_logger()
        self._batch_log = BatchLogger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._receive_and_answer(scope, receive)
        if response:
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            await send({"type": "http.response.body", "body": response.body})

    async def _receive_and_answer(self, scope: Scope, receive: Receive) -> EndpointResponse | None:
        """Return the response, or None if the client disconnected before the end of its request."""
        if scope["method"] != "POST":
            return self._refuse(405, "use POST")
        try:
            self._check_head(dict(scope["headers"]))
            body = await self._read(receive)
        except BadRequestError as error:
            return self._refuse(error.status, str(error))
        return None if body is None else await self._answer_in_turn(str((scope["client"] or ("",))[0]), body)

    async def _answer_in_turn(self, address: str, body: bytearray) -> EndpointResponse:
        response: Future[EndpointResponse] = get_running_loop().create_future()

        def respond() -> None:
            if not response.cancelled():
                response.set_result(self._answer_body(body))

        self._queue.run(address, respond)
        return await response

    def answer(self, headers: Headers, body: bytes) -> EndpointResponse:
        """Answer a POST with its whole body."""
        try:
            self._check_head(headers)
        except BadRequestError as error:
            return self._refuse(error.status, str(error))
        return self._answer_body(body)

    def _answer_body(self, body: bytes | bytearray) -> EndpointResponse:
        try:
            return _answer(200, b"application/json", self._mutate(body))
        except BadRequestError as error:
            return self._refuse(error.status, str(error))
        except Exception as error:  # noqa: BLE001  # error boundary: a bug is a 500, and failurePolicy decides
            self._report(error)
            return self._refuse(500, "internal error")

    def _mutate(self, body: bytes | bytearray) -> bytes:
        started = perf_counter()
        review = decode_review(body)
        decision = decide_review(review, self._namespace, self._policy)
        encoded = encode_review(review, decision)
        # Count and log after the responses are sent, once for all requests of this turn of the event loop: the API
        # server need not wait for that.
        if not self._unrecorded_reviews:
            get_running_loop().call_soon(self._record)
        self._unrecorded_reviews.append((review, decision, perf_counter() - started))
        return encoded

    def _record(self) -> None:
        answered_reviews, self._unrecorded_reviews = self._unrecorded_reviews, []
        for _, decision, seconds in answered_reviews:
            self._metrics.count_decision(decision, seconds)
        # Lines that cannot be written are lost; later ones may be written.
        with suppress(OSError):
            self._batch_log.info(
                "decision",
                [
                    _log_fields(review, decision, seconds, logs_user=self._logs_user)
                    for review, decision, seconds in answered_reviews
                ],
            )

    async def _read(self, receive: Receive) -> bytearray | None:
        """Return the body, or None if the client disconnected before its end."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            self._check_size(len(body))
            if not message.get("more_body"):
                return body

    def _check_head(self, headers: Headers) -> None:
        if not is_json(headers.get(b"content-type", b"")):
            raise BadRequestError("Content-Type must be application/json", status=415)
        length = headers.get(b"content-length", b"")
        if length.isdigit():
            self._check_size(int(length))

    def _check_size(self, size: int) -> None:
        if size > self._body_limit:
            raise BadRequestError(f"the body is larger than {self._body_limit} bytes", status=413)

    def _refuse(self, status: int, text: str) -> EndpointResponse:
        self._metrics.count_http_error(status)
        refusal = _answer(status, b"text/plain; charset=utf-8", f"{text}\n".encode())
        if status == 405:
            refusal.headers.append((b"allow", b"POST"))
        return refusal

    def _report(self, error: Exception) -> None:
        self._log.error("bug", error=type(error).__name__, frames=frames_of(error))


def _log_fields(review: Review, decision: Decision, seconds: float, *, logs_user: bool) -> dict[str, Any]:
    """Return the log fields of a request: its uid, the pod's namespace, name and owner, the decision and its time.

    With `logs_user`, the fields have the user who sent the request too.
    """
    facts: dict[str, Any] = {"uid": review.uid[:64], "namespace": review.namespace[:MAX_NAME_LENGTH]}
    if logs_user:
        facts["user"] = review.user[:MAX_NAME_LENGTH]
    # A pod that cannot be read was denied for that reason, and has no fields.
    if isinstance(review.pod, PodShape):
        facts |= _owner_fields(review.pod.metadata)
    elif review.pod is not None:
        with suppress(MalformedPodError):
            facts |= _owner_fields(read_metadata(review.pod).raw)
    facts |= {"outcome": decision.outcome, "reason": decision.reason.slug}
    if decision.mode:
        facts["mode"] = decision.mode
    if decision.isolation:
        facts["isolation"] = decision.isolation
    facts["duration_ms"] = round(seconds * 1000, 3)
    return facts


def _owner_fields(metadata: MetadataShape | None) -> dict[str, str]:
    if metadata is None:
        return {}
    found = {}
    # A pod made by a controller has no name yet.
    name, prefix, owners = metadata.name, metadata.generate_name, metadata.owner_references
    if name:
        found["name"] = name[:MAX_NAME_LENGTH]
    elif prefix is not None:
        found["generate_name"] = prefix[:MAX_NAME_LENGTH]
    if owners and owners[0].kind and owners[0].name:
        found["owner"] = f"{owners[0].kind}/{owners[0].name}"[:MAX_NAME_LENGTH]
    return found


def _answer(status: int, content_type: bytes, body: bytes) -> EndpointResponse:
    return EndpointResponse(status, [(b"content-type", content_type), (b"content-length", b"%d" % len(body))], body)
