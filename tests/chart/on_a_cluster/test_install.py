"""Installing, changing and removing, on a real API server. No pod has to start, so the cluster needs no node."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helm import CHART, HELMS, OVERLAYS, SCENARIOS, helm, kustomize, render
from kubernetes import client
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError
from kubernetes.dynamic.resource import ResourceList

RELEASE = "dind-webhook"
# A release that is there for a test must not answer for pods of others.
APART = (
    "webhook.namespaceSelector[0].key=kubernetes.io/metadata.name",
    "webhook.namespaceSelector[0].operator=In",
    "webhook.namespaceSelector[0].values={nowhere}",
)
CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()


def try_out(dynamic: DynamicClient, o: dict[str, Any], namespace: str) -> None:
    """Have the API server judge an object, every field of it. Only accounts are kept: pods have to find theirs."""
    resource = dynamic.resources.get(api_version=o["apiVersion"], kind=o["kind"])
    # Hooks of a test are for a namespace that is only there during it.
    o = {**o, "metadata": {**o["metadata"], **({"namespace": namespace} if resource.namespaced else {})}}
    resource.server_side_apply(
        body=o,
        name=o["metadata"]["name"],
        namespace=namespace if resource.namespaced else None,
        field_manager="chart-test",
        **({} if o["kind"] == "ServiceAccount" else {"dry_run": "All"}),
        field_validation="Strict",
    )


@pytest.mark.parametrize("scenario", [path.read_text() for path in SCENARIOS], ids=[p.stem for p in SCENARIOS])
def test_the_api_server_takes_every_object(scenario: str, dynamic: DynamicClient, namespace: str) -> None:
    for o in render(scenario, namespace=namespace):
        try_out(dynamic, o, namespace)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_the_api_server_takes_every_object_of_the_manifests(
    overlay: Path, dynamic: DynamicClient, namespace: str
) -> None:
    for o in kustomize(overlay):
        try_out(dynamic, o, namespace)


def everything_of(dynamic: DynamicClient, release: str, namespace: str) -> Iterator[str]:
    """Yield what there is of a release, of any kind."""
    for resource in dynamic.resources.search():
        if isinstance(resource, ResourceList) or "list" not in resource.verbs:
            continue
        found = resource.get(label_selector=f"app.kubernetes.io/instance={release}").items
        yield from (f"{o.kind} {o.metadata.name}" for o in found if o.metadata.namespace in (None, namespace))


@pytest.mark.parametrize("name", HELMS)
def test_a_release_comes_changes_goes_back_and_leaves_nothing(
    name: str, kubeconfig: Path, api: client.ApiClient, dynamic: DynamicClient, namespace: str
) -> None:
    release = f"{RELEASE}-{name}"
    before = set(everything_of(dynamic, release, namespace))
    assert not before

    def run(*arguments: str | Path) -> None:
        done = helm(name, *arguments, "--kubeconfig", kubeconfig.absolute(), "--namespace", namespace)
        assert done.returncode == 0, done.stderr

    def webhooks() -> list[Any]:
        configuration = client.AdmissionregistrationV1Api(api).read_mutating_webhook_configuration(release)
        return list(configuration.webhooks)

    apart = [f"--set={value}" for value in APART]
    run("install", release, CHART, *apart)
    # As `dind-webhook certs` writes them, which needs a node to run.
    core = client.CoreV1Api(api)
    for hook in webhooks():
        configuration = {"webhooks": [{"name": hook.name, "clientConfig": {"caBundle": CA}}]}
        client.AdmissionregistrationV1Api(api).patch_mutating_webhook_configuration(
            release, configuration, field_manager="dind-webhook"
        )
    core.patch_namespaced_secret(f"{release}-certs", namespace, {"data": {"ca.crt": CA}}, field_manager="dind-webhook")

    run("upgrade", release, CHART, *apart, "--set=webhook.timeoutSeconds=3", "--set=daemonset.enabled=true")
    assert [(hook.timeout_seconds, hook.client_config.ca_bundle) for hook in webhooks()] == [(3, CA)] * 3
    assert f"DaemonSet {release}-dind" in set(everything_of(dynamic, release, namespace))

    run("rollback", release, "1")
    assert [(hook.timeout_seconds, hook.client_config.ca_bundle) for hook in webhooks()] == [(5, CA)] * 3
    assert f"DaemonSet {release}-dind" not in set(everything_of(dynamic, release, namespace))
    assert core.read_namespaced_secret(f"{release}-certs", namespace).data == {"ca.crt": CA}

    run("uninstall", release)
    left = _until_nothing_is_left(dynamic, release, namespace)
    assert not left
    with pytest.raises(NotFoundError):
        dynamic.resources.get(api_version="v1", kind="Secret").get(name=f"{release}-certs", namespace=namespace)


def _until_nothing_is_left(dynamic: DynamicClient, release: str, namespace: str) -> set[str]:
    """Return what is still there a while after it was deleted; the controllers' own objects take a moment."""
    end = time.monotonic() + 60
    while (left := set(everything_of(dynamic, release, namespace))) and time.monotonic() < end:
        time.sleep(1)
    return left
