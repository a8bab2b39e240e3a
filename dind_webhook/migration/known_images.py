"""Images that are known to use the node's container runtime for something else than builds, and what to use instead."""

import re
from typing import NamedTuple


class KnownAgent(NamedTuple):
    """A program that watches or manages the node, its images, and what it can use instead.

    Each image is the last component of a repository's name, or the last two components.
    """

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
        ("datadog/agent", "datadog/cluster-agent", "datadog/docker-dd-agent", "datadog-agent", "datadoghq/agent"),
        "set DD_CRI_SOCKET_PATH to the socket of the node's CRI runtime",
    ),
    KnownAgent(
        "Fluentd",
        (
            "fluentd",
            "fluentd-elasticsearch",
            "fluentd-gcp",
            "fluentd-hec",
            "fluentd-kubernetes-daemonset",
            "fluentd-kubernetes-sumologic",
            "kubernetes-fluentd",
        ),
        _LOGS,
    ),
    KnownAgent(
        "Fluent Bit",
        (
            "aws-for-fluent-bit",
            "fluent-bit",
            "fluent-bit-plugin-loki",
            "fluentbit",
            "mirrored-fluent-fluent-bit",
            "newrelic-fluentbit-output",
        ),
        _LOGS,
    ),
    KnownAgent(
        "a Beat of Elastic",
        (
            "auditbeat",
            "auditbeat-oss",
            "elastic-agent",
            "elastic-agent-complete",
            "filebeat",
            "filebeat-oss",
            "metricbeat",
            "metricbeat-oss",
            "packetbeat",
            "packetbeat-oss",
        ),
        _LOGS,
    ),
    KnownAgent("Promtail", ("promtail", "grafana/agent", "grafana/alloy"), _LOGS),
    KnownAgent("Vector", ("timberio/vector",), _LOGS),
    KnownAgent("Logspout", ("logspout", "logspout-logstash", "logspout-loggly"), _LOGS),
    KnownAgent("a log collector", ("sumologic/collector", "logdna-agent", "mezmo-agent", "loggly-docker"), _LOGS),
    KnownAgent("Telegraf", ("telegraf",), "use its plugins `kubernetes` and `kube_inventory`"),
    KnownAgent(
        "a monitoring agent",
        (
            "appdynamics/cluster-agent",
            "appdynamics/machine-agent",
            "appdynamics/machine-agent-analytics",
            "appdynamics/machine-agent-netviz",
            "cloudwatch-agent",
            "collectd",
            "docker-exporter",
            "dynatrace-operator",
            "glances",
            "honeycomb-kubernetes-agent",
            "instana/agent",
            "mirrored-prometheus-node-exporter",
            "netdata",
            "newrelic/infrastructure",
            "newrelic/infrastructure-bundle",
            "newrelic/infrastructure-k8s",
            "newrelic/nri-kubernetes",
            "node-exporter",
            "oneagent",
            "opentelemetry-collector",
            "opentelemetry-collector-contrib",
            "opentelemetry-collector-k8s",
            "sematext-agent-docker",
            "sematext/agent",
            "sematext/logagent",
            "signalfx-agent",
            "site24x7/docker-agent",
            "splunk-otel-collector",
            "statsd-agent",
            "sysdig/agent",
            "sysdig/agent-slim",
            "sysdig/host-analyzer",
            "sysdig/node-image-analyzer",
            "sysdig/sysdig",
            "weaveworks/scope",
            "zabbix-agent",
            "zabbix-agent2",
        ),
        _CRI,
    ),
    KnownAgent(
        "a security agent",
        (
            "aquasec/agent",
            "aquasec/enforcer",
            "collector-slim",
            "docker-bench-security",
            "falco",
            "falco-driver-loader",
            "falco-no-driver",
            "falcon-sensor",
            "kube-bench",
            "kube-hunter",
            "lacework/datacollector",
            "neuvector/allinone",
            "neuvector/controller",
            "neuvector/enforcer",
            "neuvector/manager",
            "neuvector/scanner",
            "stackrox.io/collector",
            "stackrox.io/main",
            "stackrox/collector",
            "stackrox/main",
            "tetragon",
            "threatstack/ts-docker",
            "threatstack/ts-docker2",
            "tracee",
            "twistlock/defender",
            "twistlock/private",
            "wazuh-agent",
        ),
        _CRI,
    ),
    KnownAgent(
        "Portainer",
        ("portainer", "portainer-ce", "portainer-ee", "portainer/agent"),
        "use Portainer's agent for Kubernetes, which needs no socket",
    ),
    KnownAgent(
        "Watchtower", ("watchtower", "ouroboros", "diun"), "it cannot update pods; let GitOps update their images"
    ),
    KnownAgent("Traefik", ("traefik",), "use Traefik's provider for Kubernetes, which needs no socket"),
    KnownAgent(
        "a proxy that Docker configures",
        ("nginx-proxy", "docker-gen", "caddy-docker-proxy", "acme-companion", "letsencrypt-nginx-proxy-companion"),
        "use an Ingress or a Gateway",
    ),
    KnownAgent(
        "a proxy of the socket",
        ("docker-socket-proxy", "linuxserver/socket-proxy", "wollomatic/socket-proxy"),
        "remove it together with what uses it",
    ),
    KnownAgent(
        "a viewer of containers",
        (
            "docker-ui",
            "dockersamples/visualizer",
            "dozzle",
            "gethomepage/homepage",
            "lazydocker",
            "rancher/agent",
            "rancher/rancher-agent",
            "shipyard",
            "swarmpit",
            "yacht",
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
        (
            "azure-cloud-node-manager",
            "cloud-node-manager",
            "hyperkube",
            "hyperkube-amd64",
            "kube-proxy",
            "kube-proxy-amd64",
            "kubelet",
            "kured",
            "node-problem-detector",
        ),
        _CRI,
    ),
    KnownAgent(
        "a network plugin",
        (
            "antrea-agent-ubuntu",
            "antrea-controller-ubuntu",
            "antrea-ubuntu",
            "calico-node",
            "calico/cni",
            "calico/csi",
            "calico/kube-controllers",
            "calico/node",
            "calico/pod2daemon-flexvol",
            "calico/typha",
            "cilium/cilium",
            "cilium/operator",
            "cilium/operator-generic",
            "cilium/startup-script",
            "flannel",
            "flannel-cni-plugin",
            "kube-router",
            "mirrored-calico-cni",
            "mirrored-calico-node",
            "mirrored-cilium-cilium",
            "mirrored-flannel-flannel",
            "mirrored-flannelcni-flannel",
            "multus-cni",
            "weave-kube",
            "weave-npc",
        ),
        _CRI,
    ),
    KnownAgent(
        "a tool that injects faults", ("chaos-daemon", "chaos-mesh", "pumba", "powerfulseal", "chaosblade-tool"), _CRI
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
_RUNNER = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, RUNNERS))})(?![a-z0-9])")
_BUILD_WORD = re.compile(r"(?<![a-z0-9])(?:build(?:er)?s?|runners?|ci)(?![a-z0-9])")


def find_agent(image: str) -> KnownAgent | None:
    """Return the program of an image that is known to be no build, or None."""
    repository = _repository(image)
    components = repository.split("/")
    names = components[1:] if len(components) > 1 and _is_domain(components[0]) else components
    # An image that builds an agent, or that CI made from it, may be named after the agent.
    if any(_BUILD_WORD.search(name) for name in names):
        return None
    ends = (components[-1], "/".join(components[-2:]))
    return next((agent for agent in AGENTS if any(end in agent.images for end in ends)), None)


def is_runner(image: str) -> bool:
    """Return whether an image is that of a known CI runner: whether its name has the runner's as whole words."""
    return _RUNNER.search(_repository(image)) is not None


def _repository(image: str) -> str:
    """Return an image reference without its tag and digest. A template of a reference is kept as it is."""
    name = image.lower().partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _is_domain(component: str) -> bool:
    """Return whether the first component of a reference is a registry, as in `parse_image`."""
    return "." in component or ":" in component or component == "localhost"
