"""Images of agents are recognised by their whole names, and those of runners by whole words of their names."""

import pytest

from dind_webhook.migration.known_images import AGENTS, find_agent, is_runner


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("gcr.io/cadvisor/cadvisor:v0.49.1", "cAdvisor"),
        ("datadog/agent:7", "the Datadog agent"),
        ("gcr.io/datadoghq/agent:7.50.0-jmx", "the Datadog agent"),
        ("registry.example:5000/mirror/fluent/fluentd-kubernetes-daemonset:v1", "Fluentd"),
        ("docker.elastic.co/beats/filebeat:8.1.0@sha256:" + "0" * 64, "a Beat of Elastic"),
        ("containrrr/watchtower", "Watchtower"),
        ("traefik:v3.0", "Traefik"),
        ("portainer/agent", "Portainer"),
        ("tecnativa/docker-socket-proxy:latest", "a proxy of the socket"),
        ("{{ .Values.registry }}/cadvisor:latest", "cAdvisor"),
        ("ci.example:5000/mirror/cadvisor", "cAdvisor"),
        ("prom/node-exporter", "a monitoring agent"),
        ("fluent/fluentd-kubernetes-daemonset:v1", "Fluentd"),
        ("quay.io/cilium/cilium:v1.16", "a network plugin"),
        ("docker.io/calico/node:v3.28", "a network plugin"),
        ("icr.io/instana/agent", "a monitoring agent"),
        ("stackrox.io/collector:3", "a security agent"),
    ],
)
def test_an_agent_is_recognised(image: str, name: str) -> None:
    agent = find_agent(image)
    assert agent is not None
    assert agent.name == name


@pytest.mark.parametrize(
    "image",
    [
        "",
        "docker:cli",
        "registry.example/build:1",
        "registry.example/mytraefik",
        "build:traefik",
        "aquasec/trivy",
        "calico/go-build",
        "quay.io/cilium/cilium-builder",
        "registry/ci/traefik/builder",
        "registry.example/ci/traefik",
        "acme/fluentd-image-builder",
        "acme/builders/fluentd",
        "acme/fluentd-tests",
        "cadvisor/e2e",
        "portainer/base",
    ],
)
def test_another_image_is_none(image: str) -> None:
    assert find_agent(image) is None


@pytest.mark.parametrize(
    "image", ["gitlab/gitlab-runner:v17", "jenkins/inbound-agent", "woodpeckerci/woodpecker-agent"]
)
def test_a_runner_is_no_agent(image: str) -> None:
    assert is_runner(image)
    assert find_agent(image) is None


def test_every_agent_says_what_to_use_instead() -> None:
    assert all(agent.name and agent.images and agent.instead for agent in AGENTS)
    names = [image for agent in AGENTS for image in agent.images]
    assert len(names) == len(set(names))
    assert all(image == image.lower() for image in names)
