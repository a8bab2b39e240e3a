"""The playground over HTTP: its responses, and the requests that it refuses."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from dind_webhook.playground.application import playground_application

POD = "kind: Pod\nmetadata: {annotations: {dind.io/inject: sidecar}}\nspec:\n  containers:\n  - name: a\n"
JSON = {"Content-Type": "application/json"}


class Client:
    """Sends requests to an application, like a browser on this machine."""

    def __init__(self) -> None:
        self._application = playground_application("injection: {modes: [sidecar]}\n", {})

    def get(self, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._send("GET", path, **request))

    def post(self, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._send("POST", path, **request))

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8088") as client:
            return await client.request(method, path, **request)


@pytest.fixture
def client() -> Client:
    return Client()


def test_the_page_and_its_parts_are_served(client: Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>dind-webhook playground</title>" in page.text
    for part, kind in (("page.js", "text/javascript"), ("playground.css", "text/css"), ("icon.svg", "image/svg+xml")):
        assert client.get(f"/{part}").headers["content-type"].startswith(kind)


def test_every_answer_keeps_itself_to_this_page(client: Client) -> None:
    for path in ("/", "/page.js", "/api/form", "/nowhere"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers


def test_the_form_begins_with_the_settings_of_the_file(client: Client) -> None:
    assert client.get("/api/form").json()["settings"] == "injection: {modes: [sidecar]}\n"


def test_a_question_gets_an_answer(client: Client) -> None:
    response = client.post("/api/answer", json={"manifest": POD})
    assert response.status_code == 200
    assert [pod["outcome"] for pod in response.json()["pods"]] == ["injected"]


def test_a_bad_manifest_gets_a_sentence(client: Client) -> None:
    response = client.post("/api/answer", json={"manifest": "a: [\n"})
    assert response.status_code == 422
    (problem,) = response.json()["problems"]
    assert problem["part"] == "manifest"
    assert problem["text"].startswith("manifest: line 2, column 1: ")


@pytest.mark.parametrize("host", ["127.0.0.1:8088", "localhost:8088", "localhost", "[::1]:8088", "127.1.2.3"])
def test_names_of_this_machine_are_answered(host: str, client: Client) -> None:
    assert client.get("/api/form", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.0.2.7:8088", "", "[::1", "127.0.0.1.nip.example", "0.0.0.0"]
)
def test_other_names_are_turned_away(host: str, client: Client) -> None:
    response = client.get("/api/form", headers={"Host": host})
    assert response.status_code == 421
    assert "localhost" in response.text


def test_pages_of_other_sites_get_no_answer(client: Client) -> None:
    question = json.dumps({"manifest": POD})
    other = client.post("/api/answer", content=question, headers={**JSON, "Origin": "http://evil.example"})
    assert other.status_code == 403
    own = client.post("/api/answer", content=question, headers={**JSON, "Origin": "http://127.0.0.1:8088"})
    assert own.status_code == 200


def test_what_other_sites_may_send_unasked_is_not_read(client: Client) -> None:
    response = client.post("/api/answer", content=json.dumps({"manifest": POD}), headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


def test_a_question_beyond_the_limit_is_not_read(client: Client) -> None:
    response = client.post("/api/answer", content=b" " * (1024 * 1024 + 1), headers=JSON)
    assert response.status_code == 413


def test_nothing_but_the_page_is_served(client: Client) -> None:
    for path in ("/../application.py", "/%2e%2e/application.py", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 404
