"""Images that are known to use the node's container runtime for something else than builds, and what to use instead."""

import re
from functools import lru_cache
from typing import NamedTuple


class KnownAgent(NamedTuple):
    """A program that watches or manages the node, parts of the names of its images, and what it can use instead."""

    name: str
    images: tuple[str, ...]
    instead: str


_LOGS = "read the files in /var/log/containers, which every container runtime writes"
_CRI = "give it the socket of the node's CRI runtime, or use the kubelet's API"
_KUBERNETES = "connect it to the API server of Kubernetes instead"
_KUBELET = "remove it: the kubelet does that itself"

AGENTS: tuple[KnownAgent, ...] = (
    KnownAgent("cAdvisor", ("cadvisor",), "use the kubelet's /metrics/cadvisor, or mount containerd's socket"),
    KnownAgent(
        "the Datadog agent",
        ("datadog/agent", "datadog/docker-dd-agent", "datadog-agent", "gcr.io/datadoghq/agent", "datadoghq/agent"),
        "set DD_CRI_SOCKET_PATH to the socket of the node's CRI runtime",
    ),
    KnownAgent("Fluentd", ("fluentd", "fluentd-kubernetes-daemonset"), _LOGS),
    KnownAgent("Fluent Bit", ("fluent-bit", "fluentbit"), _LOGS),
    KnownAgent("a Beat of Elastic", ("filebeat", "metricbeat", "auditbeat", "packetbeat", "elastic-agent"), _LOGS),
    KnownAgent("Promtail", ("promtail", "grafana/agent", "grafana/alloy"), _LOGS),
    KnownAgent("Vector", ("timberio/vector",), _LOGS),
    KnownAgent("Logspout", ("logspout",), _LOGS),
    KnownAgent("a log collector", ("sumologic", "logdna-agent", "logdna", "mezmo", "splunk-connect", "loggly"), _LOGS),
    KnownAgent("Telegraf", ("telegraf",), "use its plugins `kubernetes` and `kube_inventory`"),
    KnownAgent(
        "a monitoring agent",
        (
            "newrelic",
            "dynatrace",
            "oneagent",
            "instana",
            "appdynamics",
            "sysdig",
            "signalfx",
            "netdata",
            "glances",
            "weaveworks/scope",
            "zabbix-agent",
            "zabbix-agent2",
            "site24x7",
            "sematext",
            "honeycomb",
            "node-exporter",
            "collectd",
            "statsd-agent",
            "opentelemetry-collector",
            "opentelemetry-collector-contrib",
            "docker-exporter",
            "cloudwatch-agent",
        ),
        _CRI,
    ),
    KnownAgent(
        "a security agent",
        (
            "falco",
            "aquasec/enforcer",
            "aquasec/agent",
            "twistlock",
            "prismacloud",
            "stackrox",
            "collector-slim",
            "neuvector",
            "kube-hunter",
            "tracee",
            "tetragon",
            "lacework",
            "wazuh",
            "crowdstrike",
            "threatstack",
            "docker-bench-security",
            "kube-bench",
        ),
        _CRI,
    ),
    KnownAgent("Portainer", ("portainer",), "use Portainer's agent for Kubernetes, which needs no socket"),
    KnownAgent(
        "Watchtower", ("watchtower", "ouroboros", "diun"), "it cannot update pods; let GitOps update their images"
    ),
    KnownAgent("Traefik", ("traefik",), "use Traefik's provider for Kubernetes, which needs no socket"),
    KnownAgent(
        "a proxy that Docker configures",
        ("nginx-proxy", "docker-gen", "caddy-docker-proxy"),
        "use an Ingress or a Gateway",
    ),
    KnownAgent("a proxy of the socket", ("docker-socket-proxy",), "remove it together with what uses it"),
    KnownAgent(
        "a viewer of containers",
        (
            "dozzle",
            "lazydocker",
            "yacht",
            "rancher/agent",
            "swarmpit",
            "shipyard",
            "docker-ui",
            "dockersamples/visualizer",
            "gethomepage/homepage",
        ),
        _KUBERNETES,
    ),
    KnownAgent(
        "a cleaner of images",
        ("docker-gc", "docker-image-gc", "docker-cleanup", "docker-prune", "docker-janitor", "dockerd-gc"),
        _KUBELET,
    ),
    KnownAgent("a restarter of containers", ("autoheal", "docker-autoheal"), "use a liveness probe"),
    KnownAgent(
        "a part of Kubernetes",
        ("kubelet", "kube-proxy", "hyperkube", "node-problem-detector", "cloud-node-manager", "kured"),
        _CRI,
    ),
    KnownAgent(
        "a network plugin",
        ("calico", "cilium", "weave-kube", "weaveworks/weave-npc", "flannel", "kube-router", "multus-cni", "antrea"),
        _CRI,
    ),
    KnownAgent(
        "a tool that injects faults",
        ("chaos-daemon", "chaos-mesh", "pumba", "powerfulseal", "litmuschaos/go-runner", "chaosblade-tool"),
        _CRI,
    ),
)
# CI runners, which build with Docker even if a DaemonSet runs them
RUNNERS: tuple[str, ...] = (
    "gitlab-runner",
    "jenkins",
    "inbound-agent",
    "jnlp-slave",
    "jnlp-agent",
    "drone-runner-docker",
    "drone",
    "drone/agent",
    "woodpecker-agent",
    "act_runner",
    "act-runner",
    "actions-runner",
    "github-runner",
    "github-actions-runner",
    "buildkite/agent",
    "buildkite-agent",
    "concourse",
    "teamcity-agent",
    "azure-pipelines-agent",
    "vsts-agent",
    "circleci",
    "bamboo-agent",
    "gocd-agent",
    "forgejo/runner",
    "forgejo-runner",
)


def find_agent(image: str) -> KnownAgent | None:
    """Return the program of an image that is known to be no build, or None."""
    return next((agent for agent in AGENTS if _pattern(agent.images).search(_repository(image))), None)


def is_runner(image: str) -> bool:
    """Return whether an image is that of a known CI runner."""
    return _pattern(RUNNERS).search(_repository(image)) is not None


def _repository(image: str) -> str:
    """Return an image reference without its tag and digest. A template of a reference is kept as it is."""
    name = image.lower().partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


@lru_cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern that finds one of these names as whole words between separators."""
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, names))})(?![a-z0-9])")
