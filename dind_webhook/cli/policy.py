"""`dind-webhook policy`."""

import os
from pathlib import Path

from dind_webhook.cli.output import ObjectsOutput, print_objects
from dind_webhook.errors import ApiError
from dind_webhook.kube import KubeClient
from dind_webhook.model import parse_version
from dind_webhook.mutating_policy import MINIMUM_VERSION, render_policies
from dind_webhook.settings import (
    CHECKSUM,
    ConfigMapSettings,
    find_config_map,
    make_policy,
    parse_settings,
    read_settings_file,
)


def run_policy(
    config: Path | None,
    name: str | None,
    output: ObjectsOutput,
    kubeconfig: Path | None,
    context: str | None,
) -> int:
    """Print the policies of the operator's settings; return the exit code.

    The settings may be in the chart's ConfigMap. Then the policies have the names that the chart gives them, and the
    checksum by which it recognises its settings.
    With a kubeconfig or a context, check first that the API server has such policies. Raise ApiError if it is too old.
    """
    if kubeconfig or context:
        _check_version(KubeClient(kubeconfig, context).version())
    text = read_settings_file(config) if config else ""
    place = "standard input" if str(config) == "-" else f"file {config}"
    found = find_config_map(text, place)
    loaded = parse_settings(found.text if found else text, place, os.environ)
    objects = render_policies(make_policy(loaded.settings.injection), name or _default_name(found))
    if found and found.checksum:
        for each in objects:
            each["metadata"]["annotations"] = {CHECKSUM: found.checksum}
    print_objects(objects, output)
    return 0


def _default_name(found: ConfigMapSettings | None) -> str:
    return f"{found.name}-policy" if found else "dind-webhook"


def _check_version(version: str) -> None:
    if parse_version(version) >= MINIMUM_VERSION:
        return
    minimum = ".".join(map(str, MINIMUM_VERSION))
    raise ApiError(
        f"the API server has version {version}, and MutatingAdmissionPolicy is in Kubernetes {minimum} and newer",
        "install the webhook instead",
    )
