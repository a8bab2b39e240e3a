"""The injection as a Python user would write it: a FastAPI route handler, a copy of the pod, a patch by difference."""

import base64
import copy
import json
import logging
import os
from pathlib import Path
from typing import Any

import jsonpatch
from fastapi import FastAPI
from fastapi.responses import JSONResponse

ADDITIONS = json.loads(Path(os.environ["ADDITIONS"]).read_text("utf-8"))
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
SHAREABLE = ("emptyDir", "persistentVolumeClaim", "ephemeral")

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
log = logging.getLogger("webhook")
app = FastAPI()


@app.post("/mutate")
async def mutate(review: dict[str, Any]) -> JSONResponse:
    request = review["request"]
    response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
    pod = request["object"]
    if pod["metadata"].get("annotations", {}).get("dind.io/inject") == "sidecar":
        changed = copy.deepcopy(pod)
        add_docker(changed)
        patch = jsonpatch.make_patch(pod, changed)
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(patch.to_string().encode()).decode()
    log.info("decision uid=%s namespace=%s", request["uid"], request["namespace"])
    return JSONResponse({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})


def add_docker(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    starting = [
        container for container in spec.get("initContainers") or [] if container.get("restartPolicy") != "Always"
    ]
    clients = [*starting, *spec["containers"]]
    daemon = copy.deepcopy(ADDITIONS["container"])
    daemon["volumeMounts"] += shared(spec, clients)
    for client in clients:
        add_to_client(client)
    spec["initContainers"] = [daemon, *(spec.get("initContainers") or [])]
    spec["volumes"] = [*(spec.get("volumes") or []), *ADDITIONS["volumes"]]
    security = spec.setdefault("securityContext", {})
    groups = security.setdefault("supplementalGroups", [])
    if ADDITIONS["group"] not in groups:
        groups.append(ADDITIONS["group"])
    annotations = pod["metadata"].setdefault("annotations", {})
    for key, value in ADDITIONS["annotations"].items():
        annotations.setdefault(key, value)
    annotations.setdefault(DEFAULT_CONTAINER, spec["containers"][0]["name"])


def add_to_client(container: dict[str, Any]) -> None:
    env = container.setdefault("env", [])
    if all(variable["name"] != ADDITIONS["clientEnv"]["name"] for variable in env):
        env.append(ADDITIONS["clientEnv"])
    mounts = container.setdefault("volumeMounts", [])
    taken = {mount["mountPath"] for mount in mounts}
    mounts += [mount for mount in ADDITIONS["clientMounts"] if mount["mountPath"] not in taken]


def shared(spec: dict[str, Any], clients: list[dict[str, Any]]) -> list[dict[str, Any]]:
    shareable = {
        volume["name"]
        for volume in spec.get("volumes") or []
        if any(source in volume for source in SHAREABLE) or volume["name"].startswith("kube-api-access-")
    }
    found: dict[str, dict[str, Any]] = {}
    for client in clients:
        for mount in client.get("volumeMounts") or []:
            if mount["name"] not in shareable:
                continue
            there = found.get(mount["mountPath"])
            if there is None:
                found[mount["mountPath"]] = copy.deepcopy(mount)
            elif there.get("readOnly") and not mount.get("readOnly"):
                del there["readOnly"]
    return sorted(found.values(), key=lambda mount: mount["name"].startswith("kube-api-access-"))
