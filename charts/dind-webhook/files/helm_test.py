"""What `helm test` runs: ask the API server for a pod, dry-run, and look whether it has Docker."""
# ruff: noqa: INP001  # a script

import json
import os
import sys
import time
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

NAMESPACE = os.environ["TEST_NAMESPACE"]
MODE = os.environ["TEST_MODE"]
CONTAINER = os.environ["TEST_CONTAINER"]
VOLUME = os.environ["TEST_VOLUME"]
SECONDS = int(os.environ["TEST_SECONDS"])

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "helm-test-", "annotations": {"dind.io/inject": MODE}},
    "spec": {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        # Never pulled: a dry run creates no pod.
        "containers": [{"name": "build", "image": "build:0"}],
    },
}


def problem(pod: Any) -> str | None:
    """Return what a pod lacks of a working Docker daemon, None where it lacks nothing."""
    spec = pod["spec"]
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    mounts = {mount["name"] for mount in spec["containers"][0].get("volumeMounts", [])}
    inits = {container["name"]: container.get("restartPolicy") for container in spec.get("initContainers", [])}
    names = {container["name"] for container in spec["containers"]}
    if not (VOLUME in volumes and VOLUME in mounts):
        return (
            f"the pod came back without volume {VOLUME}: the webhook was not called. "
            f"Is namespace {NAMESPACE} labelled dind.io/inject, and is failurePolicy Ignore while the webhook is down?"
        )
    if MODE == "sidecar" and CONTAINER in inits and inits[CONTAINER] != "Always":
        return f"init container {CONTAINER} lost its restartPolicy: another webhook drops fields that it does not know"
    if MODE == "sidecar" and CONTAINER not in inits and CONTAINER not in names:
        return f"the pod came back without container {CONTAINER}"
    return None


def try_create(api: client.ApiClient) -> Any:
    """Return the API server's answer, whatever its status: the image lacks the client's classes of resources."""
    request = api.param_serialize(
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/pods",
        query_params=[("dryRun", "All")],
        header_params={"Accept": "application/json", "Content-Type": "application/json"},
        body=POD,
        auth_settings=["BearerToken"],
    )
    return api.call_api(*request, _request_timeout=30)


def main() -> str:
    """Return a success message when a pod has Docker; exit with 1 if none has it in time."""
    config.load_config()
    api = client.ApiClient()
    end = time.monotonic() + SECONDS
    while True:
        try:
            answer = try_create(api)
            text = answer.read().decode()
            refused = f"the API server refused the pod: {answer.status} {text or answer.reason}"
            failure = problem(json.loads(text)) if answer.status in (200, 201) else refused
        except (client.ApiException, HTTPError, OSError) as error:
            failure = f"the API server does not answer: {error}"
        if failure is None:
            return f"a pod with dind.io/inject: {MODE} has Docker"
        if time.monotonic() > end:
            sys.exit(f"failed for {SECONDS} s, at last: {failure}")
        time.sleep(2)


if __name__ == "__main__":
    sys.stdout.write(f"{main()}\n")
