"""Install, upgrade, roll back and uninstall on a real API server. No pod must start, so the cluster needs no node."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from helm import CHART, HELMS, OVERLAYS, SCENARIOS, helm, kustomize, render
from kubernetes import client
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.resource import ResourceList

# The release of a test must not select pods of other tests.
APART = (
    "--set=webhook.namespaceSelector[0].key=kubernetes.io/metadata.name",
    "--set=webhook.namespaceSelector[0].operator=In",
    "--set=webhook.namespaceSelector[0].values={nowhere}",
)
CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()


def dry_run(dynamic: DynamicClient, o: dict[str, Any], namespace: str) -> None:
    """Apply an object with dry-run and strict field validation. Create service accounts for real: pods need theirs."""
    resource = dynamic.resources.get(api_version=o["apiVersion"], kind=o["kind"])
    # The hooks of helm test name a namespace that exists only during a test.
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
        dry_run(dynamic, o, namespace)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_the_api_server_takes_every_object_of_the_manifests(
    overlay: Path, dynamic: DynamicClient, namespace: str
) -> None:
    for o in kustomize(overlay):
        dry_run(dynamic, o, namespace)


class Release:
    """A release with a unique name, managed by one version of helm."""

    def __init__(self, helm: str, kubeconfig: Path, namespace: str) -> None:
        self.name = f"dind-webhook-{helm}-{token_hex(3)}"
        self.namespace = namespace
        self._helm = helm
        self._cluster = ("--kubeconfig", kubeconfig, "--namespace", namespace)

    def helm(self, command: str, *arguments: str | Path) -> None:
        done = helm(self._helm, command, self.name, *arguments, *self._cluster)
        assert done.returncode == 0, done.stderr


def everything_of(dynamic: DynamicClient, release: str) -> set[str]:
    """Return kind and name of all objects of a release, in all namespaces."""
    listed = [r for r in dynamic.resources.search() if not isinstance(r, ResourceList) and "list" in r.verbs]
    found = [o for r in listed for o in r.get(label_selector=f"app.kubernetes.io/instance={release}").items]
    return {f"{o.kind} {o.metadata.name}" for o in found}


@pytest.fixture(params=HELMS)
def release(request: pytest.FixtureRequest, kubeconfig: Path, namespace: str) -> Iterator[Release]:
    """Yield a release that is not installed yet, and uninstall it after the test."""
    release = Release(request.param, kubeconfig.absolute(), namespace)
    yield release
    release.helm("uninstall", "--ignore-not-found")


def test_a_release_comes_changes_goes_back_and_leaves_nothing(
    release: Release, api: client.ApiClient, dynamic: DynamicClient
) -> None:
    admission, core = client.AdmissionregistrationV1Api(api), client.CoreV1Api(api)
    name, namespace = release.name, release.namespace
    daemons = f"DaemonSet {name}-dind"

    def webhooks() -> list[Any]:
        return list(admission.read_mutating_webhook_configuration(name).webhooks)

    release.helm("install", CHART, *APART)
    # Write the CA as `dind-webhook certs` does, which would need a node.
    bundles = [{"name": hook.name, "clientConfig": {"caBundle": CA}} for hook in webhooks()]
    admission.patch_mutating_webhook_configuration(name, {"webhooks": bundles}, field_manager="dind-webhook")
    core.patch_namespaced_secret(f"{name}-certs", namespace, {"data": {"ca.crt": CA}}, field_manager="dind-webhook")

    release.helm("upgrade", CHART, *APART, "--set=webhook.timeoutSeconds=3", "--set=daemonset.enabled=true")
    assert [(hook.timeout_seconds, hook.client_config.ca_bundle) for hook in webhooks()] == [(3, CA)] * 3
    assert daemons in everything_of(dynamic, name)

    release.helm("rollback", "1")
    assert [(hook.timeout_seconds, hook.client_config.ca_bundle) for hook in webhooks()] == [(5, CA)] * 3
    assert daemons not in everything_of(dynamic, name)
    assert core.read_namespaced_secret(f"{name}-certs", namespace).data == {"ca.crt": CA}

    release.helm("uninstall")
    assert not _until_nothing_is_left(dynamic, name)


def _until_nothing_is_left(dynamic: DynamicClient, release: str) -> set[str]:
    """Return the objects that remain after a timeout: controllers delete their objects with a delay."""
    end = time.monotonic() + 120
    while (left := everything_of(dynamic, release)) and time.monotonic() < end:
        time.sleep(1)
    return left
