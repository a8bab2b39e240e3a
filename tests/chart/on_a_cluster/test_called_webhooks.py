"""The pods for which the API server calls each webhook entry. No server runs, so each call is a refusal."""

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from dry_run_api import MIRROR, DryRunApi, pod
from helm import render
from kubernetes import client

# The API server calls webhooks in the order of their configurations' names.
NAME = f"aa-chart-test-{token_hex(3)}"
OTHERS = pod()
OTHERS["metadata"]["annotations"] = {"example.com/of": "others"}
OTHERS["metadata"]["labels"] = {"app": "of-others"}


@pytest.fixture(scope="module", autouse=True)
def configuration(api: client.ApiClient, dry_run_api: DryRunApi) -> Iterator[None]:
    """Install the webhook configuration for the namespaces of these tests, with a Service that does not exist."""
    admission = client.AdmissionregistrationV1Api(api)
    only = {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": list(dry_run_api.namespaces.values()),
    }
    values = {"fullnameOverride": NAME, "webhook": {"namespaceSelector": [only]}}
    (ours,) = [o for o in render(values) if o["kind"] == "MutatingWebhookConfiguration"]
    admission.create_mutating_webhook_configuration(ours)
    try:
        dry_run_api.until_refused("enabled", pod("sidecar"), "failed calling webhook")
        yield
    finally:
        admission.delete_mutating_webhook_configuration(NAME)


CALLED = [
    # namespace, pod, called entry
    ("plain", pod("sidecar"), None),
    ("plain", pod("sidcar"), None),
    ("enabled", pod(), None),
    ("enabled", OTHERS, None),
    ("enabled", pod("sidecar"), "enabled"),
    ("enabled", pod("daemonset"), "enabled"),
    ("enabled", pod("sidcar"), "enabled"),
    ("enabled", pod(""), "enabled"),
    ("enabled", pod("disabled"), None),
    ("enabled", pod(None, "sidecar"), "enabled"),
    ("enabled", pod(None, "disabled"), None),
    ("enabled", pod("disabled", "sidecar"), None),
    ("enabled", pod("sidecar", "disabled"), "enabled"),
    ("enabled", MIRROR, None),
    ("sidecar", pod(), "sidecar"),
    ("sidecar", OTHERS, "sidecar"),
    ("sidecar", pod("daemonset"), "sidecar"),
    ("sidecar", pod("disabled"), None),
    ("sidecar", pod(None, "disabled"), None),
    ("sidecar", pod("sidecar", "disabled"), "sidecar"),
    ("sidecar", MIRROR, None),
    ("daemonset", pod(), "daemonset"),
    ("daemonset", pod("disabled"), None),
]


@pytest.mark.parametrize(("namespace", "manifest", "entry"), CALLED)
def test_only_pods_that_docker_is_for_depend_on_the_webhook(
    dry_run_api: DryRunApi, namespace: str, manifest: dict[str, Any], entry: str | None
) -> None:
    message = dry_run_api.refusal(namespace, manifest)
    if entry is None:
        assert not message
    else:
        assert f'failed calling webhook \\"{entry}.inject.dind.io\\"' in message
