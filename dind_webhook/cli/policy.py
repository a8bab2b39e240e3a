"""`dind-webhook policy`."""

import os
from pathlib import Path

from dind_webhook.cli.output import ObjectsOutput, print_objects
from dind_webhook.errors import ApiError
from dind_webhook.kube import KubeClient
from dind_webhook.model import parse_version
from dind_webhook.mutating_policy import MINIMUM_VERSION, render_policies
from dind_webhook.settings import load_policy


def run_policy(
    config: Path | None,
    name: str,
    output: ObjectsOutput,
    kubeconfig: Path | None,
    context: str | None,
) -> int:
    """Print the policies of the operator's settings; return the exit code.

    With a kubeconfig or a context, check first that the API server has such policies. Raise ApiError if it is too old.
    """
    if kubeconfig or context:
        _check_version(KubeClient(kubeconfig, context).version())
    print_objects(render_policies(load_policy(config, os.environ), name), output)
    return 0


def _check_version(version: str) -> None:
    if parse_version(version) >= MINIMUM_VERSION:
        return
    minimum = ".".join(map(str, MINIMUM_VERSION))
    raise ApiError(
        f"the API server has version {version}, and MutatingAdmissionPolicy is in Kubernetes {minimum} and newer",
        "install the webhook instead",
    )
