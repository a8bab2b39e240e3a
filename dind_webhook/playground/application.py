"""The playground over HTTP: the page, its form, and answers to questions. It stores nothing and logs nothing."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dind_webhook.http import is_json
from dind_webhook.model import is_loopback
from dind_webhook.playground import Refusal, answer_question, build_form

_STATIC = Path(__file__).parent / "static"
# Several times the size of any manifest that people write; the YAML parser takes seconds for it
_BODY_LIMIT = 1024 * 1024
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def playground_application(settings: str, environ: Mapping[str, str]) -> FastAPI:
    """Return the application; `settings` is the YAML in the form, `environ` may hold more settings."""
    application = FastAPI(title="dind-webhook playground", openapi_url=None, redirect_slashes=False)

    @application.get("/api/form")
    async def get_form() -> Response:
        return _json(build_form(settings, environ).model_dump_json())

    @application.post("/api/answer")
    async def post_question(request: Request) -> Response:
        # Pages of other sites may send text without a preflight request, but not this type (Fetch, CORS-safelisted).
        if not is_json(request.headers.get("content-type", "").encode("latin-1")):
            return PlainTextResponse("Content-Type must be application/json\n", 415)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _BODY_LIMIT:
                return PlainTextResponse(f"the question is larger than {_BODY_LIMIT} bytes\n", 413)
        answer = await run_in_threadpool(answer_question, bytes(body), environ)
        return _json(answer.model_dump_json(), 422 if isinstance(answer, Refusal) else 200)

    application.mount("/", StaticFiles(directory=_STATIC, html=True))
    application.add_middleware(_Guard)
    return application


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type=JSONResponse.media_type)


class _Guard:
    """Answers only pages of this server, and adds headers that isolate them from other sites.

    It refuses every host name but localhost, since other names may be made to resolve to this machine (DNS rebinding).
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_loopback(_hostname(host)):
            refusal = PlainTextResponse("the playground answers only as localhost\n", 421)
            await refusal(scope, receive, send_with_headers)
        elif headers.get("origin", f"http://{host}") != f"http://{host}":
            await PlainTextResponse("the playground does not answer pages of other sites\n", 403)(
                scope, receive, send_with_headers
            )
        else:
            await self._application(scope, receive, send_with_headers)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
