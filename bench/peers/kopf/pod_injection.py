"""The injection on plain dictionaries, as it is usually written in Python; it checks none of what dind-webhook checks."""

import copy
import json
import os
from pathlib import Path
from typing import Any

ADDITIONS = json.loads(Path(os.environ["ADDITIONS"]).read_text("utf-8"))
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
SHAREABLE = ("emptyDir", "persistentVolumeClaim", "ephemeral")


def add_docker(pod: dict[str, Any]) -> None:
    """Add a Docker daemon to a pod, in place."""
    spec = pod["spec"]
    starting = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") != "Always"]
    clients = [*starting, *spec["containers"]]
    daemon = copy.deepcopy(ADDITIONS["container"])
    daemon["volumeMounts"] += shared_mounts(spec, clients)
    for client in clients:
        add_to_client(client)
    spec["initContainers"] = [daemon, *(spec.get("initContainers") or [])]
    spec["volumes"] = [*(spec.get("volumes") or []), *ADDITIONS["volumes"]]
    groups = spec.setdefault("securityContext", {}).setdefault("supplementalGroups", [])
    if ADDITIONS["group"] not in groups:
        groups.append(ADDITIONS["group"])
    annotations = pod["metadata"].setdefault("annotations", {})
    for key, value in {**ADDITIONS["annotations"], DEFAULT_CONTAINER: spec["containers"][0]["name"]}.items():
        annotations.setdefault(key, value)
    labels = pod["metadata"].setdefault("labels", {})
    for key, value in ADDITIONS["labels"].items():
        labels.setdefault(key, value)


def add_to_client(container: dict[str, Any]) -> None:
    """Add DOCKER_HOST and the mounts of the socket to a container, unless it has them."""
    env = container.setdefault("env", [])
    if all(variable["name"] != ADDITIONS["clientEnv"]["name"] for variable in env):
        env.append(ADDITIONS["clientEnv"])
    mounts = container.setdefault("volumeMounts", [])
    taken = {mount["mountPath"] for mount in mounts}
    mounts += [mount for mount in ADDITIONS["clientMounts"] if mount["mountPath"] not in taken]


def shared_mounts(spec: dict[str, Any], clients: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the daemon's mounts of the clients' volumes, and of the token last; the first at a path wins."""
    shareable = {
        volume["name"]
        for volume in spec.get("volumes") or []
        if any(source in volume for source in SHAREABLE) or volume["name"].startswith("kube-api-access-")
    }
    shared: dict[str, dict[str, Any]] = {}
    for client in clients:
        for mount in client.get("volumeMounts") or []:
            if mount["name"] not in shareable:
                continue
            first = shared.setdefault(mount["mountPath"], copy.deepcopy(mount))
            if first.get("readOnly") and not mount.get("readOnly"):
                del first["readOnly"]
    return sorted(shared.values(), key=lambda mount: mount["name"].startswith("kube-api-access-"))
