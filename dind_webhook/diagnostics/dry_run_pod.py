"""The pod of a dry-run."""

from dind_webhook.injection import INJECT, Mode, Policy
from dind_webhook.model import JsonObject

INIT_CONTAINER = "prepare"


def dry_run_pod(mode: Mode, policy: Policy) -> JsonObject:
    """Return a pod that requests Docker; its init container shows in which order containers start."""
    # The daemon's own image, so that policies for images allow the pod.
    image = policy.defaults.image
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "dind-webhook-check-", "annotations": {INJECT: mode.value}},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            # With a command, because the image alone would run a daemon of the pod's own.
            "initContainers": [{"name": INIT_CONTAINER, "image": image, "command": ["true"]}],
            "containers": [{"name": "build", "image": image, "command": ["true"]}],
        },
    }
