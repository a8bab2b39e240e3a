"""The injection as an admission handler of kopf, served by kopf's own webhook server."""

import os
from typing import Any

import kopf
from aiohttp import web
from pod_injection import ADDITIONS, add_docker

PODS = {
    "name": "pods",
    "singularName": "pod",
    "namespaced": True,
    "kind": "Pod",
    "verbs": ["create", "get", "list", "patch", "watch"],
}
DISCOVERY = {
    "/api": {"versions": ["v1"]},
    "/apis": {"groups": []},
    "/api/v1": {"groupVersion": "v1", "resources": [PODS]},
}


@kopf.on.startup()
async def configure(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Serve the files of the benchmark, and discovery: kopf asks an API server for its resources when it starts."""
    settings.admission.server = kopf.WebhookServer(
        addr=os.environ["HOST"],
        port=int(os.environ["PORT"]),
        certfile=os.environ["TLS_CERT"],
        pkeyfile=os.environ["TLS_KEY"],
    )
    runner = web.AppRunner(web.Application(), handle_signals=False)
    runner.app.router.add_get("/{path:.*}", lambda request: discover(request.path))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    memo.api_server = f"http://127.0.0.1:{runner.addresses[0][1]}"


async def discover(path: str) -> web.Response:
    return web.json_response(DISCOVERY[path]) if path in DISCOVERY else web.Response(status=404)


@kopf.on.login()
def login(memo: kopf.Memo, **_: Any) -> kopf.ConnectionInfo:
    return kopf.ConnectionInfo(server=memo.api_server)


@kopf.on.mutate("pods", operation="CREATE", annotations={"dind.io/inject": "sidecar"})
async def mutate(spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
    if all(one["name"] != ADDITIONS["container"]["name"] for one in spec.get("initContainers") or []):
        patch.fns.append(add_docker)
