"""Two releases side by side, as docs/canary.md says: a namespace moves between them, and no pod is lost."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

import pytest
from cluster.errors import ClusterError
from cluster.release import OTHER_RELEASE, Helm
from kube import Kube, Namespace, Pod, RefusedError, until
from pod_streams import PodStream, create_pods
from releases import Release, install_release
from workloads import FOREVER, pod

pytestmark = [pytest.mark.any_node, pytest.mark.xdist_group("canary")]

LABEL = "example.com/dind-release"
# A setting by which a pod shows the release that injected it
STABLE_FLAG, CANARY_FLAG, PROMOTED_FLAG = "--mtu=1300", "--mtu=1400", "--mtu=1450"
MOVES = 10


@dataclass(frozen=True)
class TwoReleases:
    """Two releases with different settings, and a namespace that belongs to one of them."""

    stable: Release
    canary: Release
    namespace: Namespace

    def move(self, label: str | None) -> None:
        """Set or remove the label that says which release serves the namespace."""
        self.namespace.kube.core.patch_namespace(self.namespace.name, {"metadata": {"labels": {LABEL: label}}})

    def served_with(self, flag: str) -> bool:
        """Return whether the daemon of a new pod, in a dry run, has a flag."""
        try:
            made = self.namespace.make(pod("true"), dry_run="All")
        except RefusedError:
            # kube-proxy updates the Service shortly after helm has seen the ready pod.
            return False
        return any(flag in one["args"] for one in made["spec"].get("initContainers", []) if one["name"] == "dind")


def _values(pair: str, operator: str, flag: str) -> dict[str, Any]:
    requirements = [
        {"key": OTHER_RELEASE, "operator": "In", "values": [pair]},
        {"key": LABEL, "operator": operator, "values": ["canary"]},
    ]
    return {
        # A long timeout: a slow response of a busy machine must not count as a lost pod.
        "webhook": {"namespaceSelector": requirements, "timeoutSeconds": 30},
        "settings": _settings(flag),
    }


def _settings(flag: str) -> dict[str, Any]:
    return {"injection": {"defaults": {"mtu": flag.partition("=")[2]}}}


@pytest.fixture(scope="module")
def releases(kube: Kube, helm: Helm) -> Iterator[TwoReleases]:
    pair = f"pair-{token_hex(3)}"
    with (
        install_release(kube, helm, _values(pair, "NotIn", STABLE_FLAG)) as stable,
        install_release(kube, helm, _values(pair, "In", CANARY_FLAG)) as canary,
        kube.namespace(**{OTHER_RELEASE: pair}) as namespace,
    ):
        two = TwoReleases(stable, canary, namespace)
        until("the current release to answer", lambda: two.served_with(STABLE_FLAG))
        yield two


def test_a_second_release_of_the_same_name_is_refused(releases: TwoReleases) -> None:
    twin = replace(releases.stable.helm, namespace=f"e2e-twin-{token_hex(3)}")
    try:
        with pytest.raises(ClusterError):
            twin.install(releases.stable.values)
        assert "invalid ownership metadata" in twin.log.read_text()
    finally:
        twin.uninstall()
        releases.stable.kube.remove_namespace(twin.namespace)
    assert releases.served_with(STABLE_FLAG)


def test_helm_test_of_each_release_is_answered_by_that_release(releases: TwoReleases) -> None:
    for release in (releases.stable, releases.canary):
        release.helm("testing the release", "test", release.helm.release, "--timeout=3m")
        assert f'"namespace":"{release.fullname}-test"' in _log(release)


def test_a_namespace_moves_back_and_forth_and_no_pod_is_lost(releases: TwoReleases) -> None:
    running = releases.namespace.run(pod(FOREVER, name="running")).ready()
    before = running.read()
    with create_pods(releases.namespace) as pods:
        for _ in range(MOVES):
            _move_and_wait(releases, "canary", CANARY_FLAG, pods)
            _move_and_wait(releases, None, STABLE_FLAG, pods)
    # The pod that ran all the time is the same, and has Docker.
    assert running.read()["metadata"]["uid"] == before["metadata"]["uid"]
    assert "Server:" in running.exec("docker version")


def test_a_promotion_loses_no_pod_and_a_label_that_is_left_gets_no_docker(releases: TwoReleases) -> None:
    releases.move("canary")
    until("the canary to answer", lambda: releases.served_with(CANARY_FLAG))
    with create_pods(releases.namespace):
        releases.stable.upgrade({"settings": _settings(PROMOTED_FLAG)})
        releases.move(None)
        until("the current release to answer", lambda: releases.served_with(PROMOTED_FLAG))
        releases.canary.helm.uninstall()
    releases.move("canary")
    until("no release to answer", lambda: not releases.served_with(PROMOTED_FLAG))
    made = releases.namespace.make(pod("true"), dry_run="All")
    assert "initContainers" not in made["spec"]


def _move_and_wait(releases: TwoReleases, label: str | None, flag: str, pods: PodStream) -> None:
    releases.move(label)
    until(f"the release with {flag} to answer", lambda: releases.served_with(flag))
    pods.wait_for_more_pods()


def _log(release: Release) -> str:
    """Return the log of the release's only replica."""
    selector = f"app.kubernetes.io/instance={release.helm.release},app.kubernetes.io/component=webhook"
    (replica,) = release.kube.core.list_namespaced_pod(release.helm.namespace, label_selector=selector).items
    return Pod(release.kube, release.helm.namespace, replica.metadata.name).log("webhook")
