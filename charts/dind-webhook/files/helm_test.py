"""What `helm test` runs: ask the API server for a pod, dry-run, and look whether it has Docker."""
# ruff: noqa: INP001  # a script

import os
import sys
import time

from kubernetes import client, config

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


def problem(pod: client.V1Pod) -> str | None:
    """Return what a pod lacks of a working Docker daemon, None where it lacks nothing."""
    volumes = {volume.name for volume in pod.spec.volumes or []}
    mounts = {mount.name for mount in pod.spec.containers[0].volume_mounts or []}
    inits = {container.name: container.restart_policy for container in pod.spec.init_containers or []}
    names = {container.name for container in pod.spec.containers}
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


def main() -> str:
    """Return a success message when a pod has Docker; exit with 1 if none has it in time."""
    config.load_config()
    core = client.CoreV1Api()
    end = time.monotonic() + SECONDS
    while True:
        try:
            pod = core.create_namespaced_pod(NAMESPACE, POD, dry_run="All", _request_timeout=30)
            failure = problem(pod)
        except client.ApiException as error:
            failure = f"the API server refused the pod: {error.status} {error.body or error.reason}"
        except OSError as error:
            failure = f"the API server does not answer: {error}"
        if failure is None:
            return f"a pod with dind.io/inject: {MODE} has Docker"
        if time.monotonic() > end:
            sys.exit(f"failed for {SECONDS} s, at last: {failure}")
        time.sleep(2)


if __name__ == "__main__":
    sys.stdout.write(f"{main()}\n")
