"""The lifecycle of an install: upgrades, restarts and renewals must not cost a pod or its Docker."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from cluster.cluster import Cluster
from cluster.release import Helm
from kube import Kube, Manifest, Namespace, RefusedError, until
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import NotFoundError
from pod_streams import create_pods
from releases import Release, install_release
from workloads import pod

pytestmark = pytest.mark.any_node

# A long timeout: a slow response of a busy machine must not count as a lost pod.
TWO = {"replicas": 2, "webhook": {"timeoutSeconds": 30}}

lifecycle = pytest.mark.xdist_group("life")


@pytest.fixture(scope="module")
def release(kube: Kube, helm: Helm) -> Iterator[Release]:
    with install_release(kube, helm, TWO) as release:
        yield release


@pytest.fixture
def build_namespace(release: Release) -> Iterator[Namespace]:
    """Wait until all replicas are ready, and yield a namespace for the pods."""
    until("both replicas", lambda: all_replicas_are_ready(release))
    with release.namespace_of() as namespace:
        yield namespace


@pytest.mark.xdist_group("a release comes and goes")
def test_a_release_comes_changes_is_tested_goes_back_and_leaves_nothing(kube: Kube, helm: Helm) -> None:
    with install_release(kube, helm, TWO) as release:
        with release.namespace_of() as namespace, create_pods(namespace):
            release.upgrade(
                {
                    "settings": {"injection": {"defaults": {"mtu": "1400"}}},
                    "test": {"namespace": namespace.name},
                }
            )
            until("the new setting", lambda: "--mtu=1400" in flags(namespace))
            release.helm("testing the release", "test", release.helm.release, "--timeout=3m")
            release.helm("going back", "rollback", release.helm.release, "1", "--wait", "--timeout=3m")
            until("the old setting", lambda: "--mtu=1400" not in flags(namespace))
        assert f"MutatingWebhookConfiguration {release.fullname}" in release.everything()
        release.helm.uninstall()
        until("everything to be gone", lambda: not release.everything(), lambda: str(release.everything()))


@pytest.mark.xdist_group("a release comes and goes")
def test_helm_test_passes_with_the_policies_of_the_api_server(kube: Kube, helm: Helm) -> None:
    with install_release(kube, helm, {"engine": "policy"}) as release:
        assert f"MutatingWebhookConfiguration {release.fullname}" not in release.everything()
        with release.namespace_of(answers=False) as namespace:
            until("the policies to act", lambda: _is_injected(namespace))
        release.helm("testing the release", "test", release.helm.release, "--timeout=3m")


@lifecycle
def test_a_rolling_restart_loses_no_pod(release: Release, build_namespace: Namespace) -> None:
    before = replicas(release)
    with create_pods(build_namespace):
        restart(release)
        until("other replicas", lambda: all_replicas_are_ready(release) and not before & replicas(release))


@lifecycle
def test_a_replica_that_is_deleted_answers_for_a_while_and_costs_no_pod(
    release: Release, build_namespace: Namespace
) -> None:
    with create_pods(build_namespace):
        deleted = min(replicas(release))
        release.kube.core.delete_namespaced_pod(deleted, release.helm.namespace)
        # Nodes that see the deletion late still send connections to the pod. Here the second node sees it too early for
        # the stream to lose a pod, so ask the pod itself.
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert accepts_connections(release, deleted)
            time.sleep(0.1)
        until("another replica", lambda: all_replicas_are_ready(release) and deleted not in replicas(release))


@lifecycle
def test_a_secret_that_is_deleted_is_put_back_and_costs_no_pod(release: Release, build_namespace: Namespace) -> None:
    with create_pods(build_namespace):
        delete_secret_and_wait_until_restored(release)


@pytest.mark.xdist_group("certificates")
def test_certificates_and_cas_that_are_renewed_cost_no_pod(kube: Kube, helm: Helm) -> None:
    lifetimes = {"leafLife": "90s", "caLife": "270s"}
    with (
        install_release(kube, helm, {**TWO, "tls": {"selfManaged": lifetimes}}) as release,
        release.namespace_of() as namespace,
    ):
        first = secret(release)
        served: dict[str, set[float]] = {name: set() for name in replicas(release)}

        def read_expiries() -> dict[str, float]:
            name = "dind_webhook_certificate_expiry_timestamp_seconds"
            now = {replica: metric(release, replica, name) for replica in served}
            for replica, expiry in now.items():
                served[replica].add(expiry)
            return now

        def has_new_ca() -> bool:
            read_expiries()
            return secret(release)["ca.crt"] != first["ca.crt"]

        def renewed() -> bool:
            read_expiries()
            return all(len(found) >= 3 for found in served.values())

        with create_pods(namespace):
            until("a new CA", has_new_ca, lambda: str(served), seconds=400)
            before = read_expiries()
            # API servers that see the new CA late do not trust its certificates yet. The API server here sees it at
            # once, so check the delay itself.
            time.sleep(5)
            assert read_expiries() == before
            until("three certificates of each replica", renewed, lambda: str(served))


# The last test of this module: while it waits for a test that takes minutes, all other tests wait too.
@lifecycle
@pytest.mark.node
@pytest.mark.serial
def test_a_restart_of_the_api_server_costs_no_pod(release: Release, build_namespace: Namespace, node: Cluster) -> None:
    """Only connections that the API server refuses during the restart are tried again."""
    with create_pods(build_namespace, may_be_unreachable=True) as pods:
        node.restart("apiserver")
        until("the API server to be missed", lambda: pods.unreachable > 0)
        pods.wait_for_more_pods()
        delete_secret_and_wait_until_restored(release)


def all_replicas_are_ready(release: Release) -> bool:
    """Return whether all replicas are ready and no other pod of the webhook exists."""
    status = release.kube.get("Deployment", release.fullname, release.helm.namespace, "apps/v1")
    wanted = status["spec"]["replicas"]
    return len(replicas(release)) == wanted and status["status"].get("readyReplicas") == wanted


def replicas(release: Release) -> set[str]:
    """Return the names of the webhook's pods, including terminating ones."""
    selector = f"app.kubernetes.io/instance={release.helm.release},app.kubernetes.io/component=webhook"
    found = release.kube.core.list_namespaced_pod(release.helm.namespace, label_selector=selector).items
    return {pod.metadata.name for pod in found}


def accepts_connections(release: Release, replica: str) -> bool:
    """Return whether a replica accepts a connection: it must respond to GET /mutate with 405."""
    try:
        release.kube.core.connect_get_namespaced_pod_proxy_with_path(
            f"https:{replica}:10250", release.helm.namespace, "mutate"
        )
    except ApiException as error:
        return error.status == HTTPStatus.METHOD_NOT_ALLOWED
    return False


def restart(release: Release) -> None:
    """Do what `kubectl rollout restart` does."""
    now = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    body = {"spec": {"template": {"metadata": {"annotations": now}}}}
    client.AppsV1Api(release.kube.api).patch_namespaced_deployment(release.fullname, release.helm.namespace, body)


def flags(namespace: Namespace) -> list[str]:
    """Return the daemon's flags in a new pod, from a dry run."""
    made = namespace.make(pod("true"), dry_run="All")
    (dind,) = [one for one in made["spec"]["initContainers"] if one["name"] == "dind"]
    return list(dind["args"])


def secret(release: Release) -> Manifest:
    found: Manifest = release.kube.get("Secret", f"{release.fullname}-certs", release.helm.namespace)["data"]
    return found


def delete_secret_and_wait_until_restored(release: Release) -> None:
    """Delete the Secret of the certificates, and wait until it exists again with the same content."""
    before = secret(release)
    release.kube.delete("Secret", f"{release.fullname}-certs", release.helm.namespace)

    def is_there() -> bool:
        with suppress(NotFoundError):
            return secret(release) == before
        return False

    until("the Secret to be put back", is_there)


def metric(release: Release, replica: str, name: str) -> float:
    page = release.kube.core.connect_get_namespaced_pod_proxy_with_path(
        f"{replica}:8080", release.helm.namespace, "metrics"
    )
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))


def _is_injected(namespace: Namespace) -> bool:
    try:
        made = namespace.make(pod("true", name="asks"), dry_run="All")
    except RefusedError:
        return False
    return "dind.io/status" in made["metadata"]["annotations"]
