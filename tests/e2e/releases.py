"""Install more releases of the chart with other values. Each selects only the namespaces of its test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from secrets import token_hex
from typing import Any

import workloads
from cluster import local_node, release
from cluster.paths import CHART
from cluster.release import Helm
from kube import Kube, Manifest, Namespace, Pod, RefusedError, until
from kubernetes.dynamic.resource import ResourceList


@dataclass(frozen=True)
class Release:
    """A release that a test installed."""

    kube: Kube
    helm: Helm
    values: dict[str, Any]

    @contextmanager
    def namespace_of(self, inject: str | None = "enabled", answers: bool = True, **labels: str) -> Iterator[Namespace]:
        """Yield a namespace that only this release selects. If `answers`, wait until the webhook responds."""
        with self.kube.namespace(inject, **{release.OTHER_RELEASE: self.helm.release}, **labels) as namespace:
            # kube-proxy updates the Service shortly after helm has seen the ready pod.
            if answers:
                until("the webhook to be reached", lambda: _answers(namespace))
            yield namespace

    def upgrade(self, values: dict[str, Any]) -> None:
        """Upgrade the release with these values merged over the current ones."""
        self.helm.install(merge(self.values, values))

    @property
    def fullname(self) -> str:
        """Return the name of the release's objects."""
        return f"{self.helm.release}-{CHART.name}"

    @property
    def host_path(self) -> str:
        """Return the directory on the node with the socket of the release's DaemonSet."""
        return f"/var/run/dind/{self.helm.namespace}-{self.helm.release}"

    def everything(self) -> set[str]:
        """Return kind and name of all objects of the release, in all namespaces."""
        kinds = [one for one in self.kube.objects.resources.search() if not isinstance(one, ResourceList)]
        listed = [one for one in kinds if "list" in one.verbs]
        selector = f"app.kubernetes.io/instance={self.helm.release}"
        found = [item for kind in listed for item in kind.get(label_selector=selector).items]
        return {f"{one.kind} {one.metadata.name}" for one in found}

    def daemon_pods(self) -> list[Manifest]:
        """Return the pods of the release's DaemonSet."""
        selector = f"app.kubernetes.io/instance={self.helm.release},app.kubernetes.io/component=dind"
        found = self.kube.core.list_namespaced_pod(self.helm.namespace, label_selector=selector)
        pods: list[Manifest] = self.kube.api.sanitize_for_serialization(found)["items"]
        return pods

    def daemon(self) -> Pod:
        """Wait until the release's DaemonSet has one pod, and return it."""
        until("the daemon's pod", lambda: bool(self._living_daemons()))
        (pod,) = self._living_daemons()
        return pod

    def replace_daemon(self) -> None:
        """Delete the pod of the release's DaemonSet, and wait until the next one is ready."""
        before = self.daemon()
        before.kube.core.delete_namespaced_pod(before.name, before.namespace)
        until("another daemon pod", lambda: [pod.name for pod in self._living_daemons()] not in ([], [before.name]))
        self.daemon().ready()

    def _living_daemons(self) -> list[Pod]:
        pods = [pod["metadata"] for pod in self.daemon_pods()]
        return [Pod(self.kube, pod["namespace"], pod["name"]) for pod in pods if "deletionTimestamp" not in pod]


@contextmanager
def install_release(kube: Kube, helm: Helm, values: dict[str, Any]) -> Iterator[Release]:
    """Install a release with the image of the main release, one replica, and these values. Uninstall it afterwards."""
    with install_chart(kube, helm, merge({"image": _image(kube)}, values)) as release:
        yield release


@contextmanager
def install_chart(kube: Kube, helm: Helm, values: dict[str, Any]) -> Iterator[Release]:
    """Install a release with a unique name and these values. Uninstall it afterwards."""
    name = f"r{token_hex(3)}"
    own = replace(helm, release=name, namespace=f"e2e-{name}")
    requirement = {"key": release.OTHER_RELEASE, "operator": "In", "values": [name]}
    common = {
        "replicas": 1,
        "webhook": {"namespaceSelector": [requirement]},
        "daemonset": {
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
            "gc": {"enabled": False},
            **(local_node.selection() if kube.on_second_node else {}),
        },
    }
    merged = merge(common, values)
    try:
        own.install(merged)
        yield Release(kube, own, merged)
    finally:
        own.uninstall()
        kube.remove_namespace(own.namespace)


def merge(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return values merged over other values, as helm merges them."""
    merged = dict(base)
    for key, value in more.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _answers(namespace: Namespace) -> bool:
    try:
        namespace.make(workloads.pod("true", name="asks"), dry_run="All")
    except RefusedError as error:
        # A denial is a response too.
        return error.status != HTTPStatus.INTERNAL_SERVER_ERROR
    return True


def _image(kube: Kube) -> dict[str, str]:
    deployment = kube.get("Deployment", release.NAME, release.NAMESPACE, "apps/v1")
    return release.image_values(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
