"""Install the chart in a cluster, with the webhook's image built from the work tree."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cluster import local_node, webhook_image
from cluster.cgroups import Cgroup
from cluster.cluster import Cluster
from cluster.commands import output_of, run
from cluster.paths import CHART, ROOT
from cluster.steps import step

NAME = "dind-webhook"
NAMESPACE = "docker-system"
# The label of namespaces that belong to another release, installed by a test. Its value is the name of that release.
OTHER_RELEASE = "e2e.dind.io/release"
# Permissions that an operator has to give, so that tests can use every option.
_OPTIONS = (
    "address-pools", "ca", "client", "containers", "cpu-limit", "cpu-request", "daemon-files", "dockerd-args", "env",
    "ephemeral-storage-limit", "ephemeral-storage-request", "group", "image", "insecure-registries", "isolation",
    "memory-limit", "memory-request", "metrics-port", "mtu", "no-proxy", "node-socket", "placement", "proxy",
    "registry-mirrors", "registry-secret", "share-volumes", "socket-dir", "storage-class", "storage-data-source",
    "storage-medium", "storage-size", "tcp", "wait",
)  # fmt: skip


@dataclass(frozen=True)
class Helm:
    """The helm command, for one release in a cluster."""

    program: Path
    kubeconfig: Path
    log: Path
    release: str = NAME
    namespace: str = NAMESPACE
    # Whether to wait for ready pods: without a node there are none.
    waits: bool = True
    # Values of the chart that choose the node of the webhook
    node_selection: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, kubeconfig: Path, logs: Path) -> "Helm":
        """Return the helm of the chart's tests for the main release. Build helm if it is missing."""
        with step("making sure of helm"):
            listing = output_of("building helm", [ROOT / "tests/install-go-tools.sh"], logs / "helm.log")
        tools = dict(line.split("=", 1) for line in listing.splitlines())
        return cls(Path(tools["helm4"]), kubeconfig, logs / "helm.log")

    def install(self, values: dict[str, Any]) -> None:
        """Install or upgrade the chart, and wait until its pods are ready if `waits`."""
        file = self.log.with_name(f"values-{self.release}.json")
        file.write_text(json.dumps(self.node_selection | values, indent=2))
        flags = ["--create-namespace", f"--values={file}", *(["--wait", "--timeout=3m"] if self.waits else [])]
        self("installing the chart", "upgrade", "--install", self.release, CHART, *flags)

    def uninstall(self) -> None:
        self("uninstalling the chart", "uninstall", self.release, "--ignore-not-found", "--wait")

    def __call__(self, what: str, *arguments: str | Path) -> None:
        """Run a helm command in the namespace of the release."""
        where = [f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}"]
        run(what, [self.program, *where, *arguments], self.log)


def values(image: dict[str, str], mirror: str | None) -> dict[str, Any]:
    """Return the chart's values for tests: all options are allowed, both modes are on, other values are defaults."""
    daemon = {"registry-mirrors": mirror} if mirror else {}
    return {
        "image": image,
        "webhook": {"namespaceSelector": [{"key": OTHER_RELEASE, "operator": "DoesNotExist"}]},
        "settings": {
            "injection": {
                "allowed_options": list(_OPTIONS),
                "allowed_images": ["docker:*"],
                "share_by_name": ["hostPath"],
                "defaults": daemon,
            }
        },
        "daemonset": {
            "enabled": True,
            "extraArgs": [f"--registry-mirror={mirror}"] if mirror else [],
            # Small requests, so that sidecars fit on a node with two cores, and a limit below the node's memory.
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "600Mi"}},
        },
    }


def image_values(image: str) -> dict[str, str]:
    """Return the chart's values for an image reference. The registry, which may have a port, is a separate value."""
    name, _, digest = image.partition("@")
    host, slash, path = name.partition("/")
    has_registry = bool(slash) and ("." in host or ":" in host or host == "localhost")
    repository, _, tag = (path if has_registry else name).partition(":")
    return {
        "registry": host if has_registry else "",
        "repository": repository,
        "tag": tag or "latest",
        "digest": digest,
    }


def install(cluster: Cluster, *, compiled: bool) -> None:
    """Build the image of the work tree, and install or upgrade the chart with it."""
    archive = cluster.state.root / "webhook.tar"
    # Only the second node has the image.
    helm = replace(Helm.of(cluster.kubeconfig, cluster.logs), node_selection=local_node.selection())
    # A build that is killed leaves this cgroup, so it is below that of the cluster.
    cgroup = Cgroup(f"{cluster.state.cgroup}/build")
    tag = webhook_image.build(cluster.cache, cluster.logs, archive, cgroup, compiled=compiled)
    with step("loading the webhook's image"):
        cluster.local_node.load(archive)
        archive.unlink()
    with step("installing the chart"):
        chart_values = values(image_values(f"{webhook_image.REPOSITORY}:{tag}"), f"http://{cluster.registry}")
        # The DaemonSet runs on both nodes.
        chart_values["daemonset"]["tolerations"] = helm.node_selection["tolerations"]
        helm.install(chart_values)
