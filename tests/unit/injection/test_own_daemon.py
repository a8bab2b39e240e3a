"""Pods that run a Docker daemon of their own, as people write them, and pods that only look like it."""

import re
from typing import Any

import pytest
from pods import a_container, a_pod

from dind_webhook.injection import (
    DAEMON_PROGRAMS,
    MAY_BE_DAEMON_IMAGE,
    MAY_BE_UNPRIVILEGED_DAEMON_IMAGE,
    MAY_START_DAEMON,
    Mode,
    Policy,
    Reason,
    inject,
    own_daemon,
)
from dind_webhook.model import JsonObject

_PRIVILEGED = {"securityContext": {"privileged": True}}
_DATA_ROOT = {"volumeMounts": [{"name": "graph", "mountPath": "/var/lib/docker"}]}
_SCRIPT = "set -e\nmkdir -p /cache\nDOCKER_RAMDISK=1 dockerd --host=unix:///tmp/d.sock >/tmp/log 2>&1 &\nrun tests"

_DAEMONS: list[tuple[JsonObject, str]] = [
    ({"image": "docker:29-dind", **_PRIVILEGED}, "image docker:29-dind"),
    ({"image": "docker:dind"}, "image docker:dind"),
    ({"image": "docker:29.8.2-dind-rootless"}, "image docker:29.8.2-dind-rootless"),
    ({"image": "docker:dind@sha256:" + "0" * 64}, "image docker:dind@sha256:"),
    ({"image": "mirror.example:5000/dockerhub/library/docker:24.0-dind-alpine3.18"}, "image mirror.example"),
    ({"image": "docker:27-dind", "args": ["--mtu=1400"]}, "image docker:27-dind"),
    ({"image": "docker:27-dind", "args": ["dockerd", "--mtu=1400"]}, "its args"),
    ({"image": "docker:29", **_PRIVILEGED}, "image docker:29"),
    ({"image": "docker", **_PRIVILEGED}, "image docker"),
    ({"image": "codefresh/dind:26.1.4", **_PRIVILEGED}, "image codefresh/dind:26.1.4"),
    ({"image": "summerwind/actions-runner-dind:v2.311.0", "args": ["run"], **_PRIVILEGED}, "image summerwind/"),
    ({"image": "ghcr.io/example/runner:2.3-dind", **_PRIVILEGED}, "image ghcr.io/example/runner:2.3-dind"),
    ({"image": "registry.example/ubuntu:dind27", **_PRIVILEGED}, "image registry.example/ubuntu:dind27"),
    ({"image": "karlkfi/concourse-dcind", **_PRIVILEGED}, "image karlkfi/concourse-dcind"),
    ({"image": "registry.example/docker-in-docker:3", **_PRIVILEGED}, "image registry.example/docker-in-docker:3"),
    ({"image": "plugins/docker", **_PRIVILEGED}, "image plugins/docker"),
    ({"image": "registry.example/docker:28", **_PRIVILEGED}, "image registry.example/docker:28"),
    ({"image": "docker:dind-rootless", "command": ["sh", "-c", "dockerd-entrypoint.sh"]}, "its command"),
    ({"command": ["bash", "-c", "(dockerd >/tmp/log 2>&1 &)\nmake"], **_PRIVILEGED}, "its command"),
    ({"command": ["bash", "-c", "if ! dockerd --version; then exit 1; fi"], **_PRIVILEGED}, "its command"),
    ({"command": ["sh", "-c", "timeout 60 dockerd & make"], **_PRIVILEGED}, "its command"),
    ({"command": ["sh", "-c", "service docker restart; make"], **_PRIVILEGED}, "its command"),
    ({"command": ["sh", "-c", "systemctl enable --now docker"], **_PRIVILEGED}, "its command"),
    ({"command": ["/usr/local/share/docker-init.sh", "make"]}, "its command"),
    ({"command": ["dind", "dockerd", "--debug"], **_PRIVILEGED}, "its command"),
    ({**_PRIVILEGED, "env": [{"name": "START_DOCKER_SERVICE", "value": "true"}]}, "variable START_DOCKER_SERVICE"),
    ({"image": "registry.example/engine:1", "command": ["dockerd-entrypoint.sh"]}, "its command"),
    ({"image": "registry.example/engine:1", "command": ["/usr/local/bin/dockerd", "-H", "unix:///x"]}, "its command"),
    ({"command": ["sh", "-c", _SCRIPT], **_PRIVILEGED}, "its command"),
    ({"command": ["sh", "-c"], "args": ["nohup dockerd & sleep 5; make"], **_PRIVILEGED}, "its command"),
    ({"command": ["bash", "-ec", "sudo -E /usr/bin/dockerd&\nmake"], **_PRIVILEGED}, "its command"),
    ({"command": ["sh", "-c", "service docker start && make"], **_PRIVILEGED}, "its command"),
    ({"command": ["sh", "-c", "/etc/init.d/docker start; make"], **_PRIVILEGED}, "its command"),
    ({"command": ["tini", "--", "dockerd"], **_PRIVILEGED}, "its command"),
    ({**_PRIVILEGED, **_DATA_ROOT}, 'privileged, with volume "graph" at /var/lib/docker'),
    ({**_PRIVILEGED, "env": [{"name": "DOCKER_IN_DOCKER_ENABLED", "value": "true"}]}, "variable DOCKER_IN_DOCKER"),
    ({**_PRIVILEGED, "env": [{"name": "DOCKER_IN_DOCKER", "value": "start"}]}, "variable DOCKER_IN_DOCKER"),
]
_CLIENTS: list[JsonObject] = [
    {"image": "docker:29-cli"},
    {"image": "docker:29.8.2-cli-alpine3.22", **_PRIVILEGED},
    {"image": "docker:git", **_PRIVILEGED},
    {"image": "docker:29"},
    {"image": "docker:29-dind", "command": ["cat"], "tty": True},
    {"image": "docker:29-dind", "args": ["docker", "build", "."]},
    {"image": "docker:29", "args": ["sleep", "infinity"], **_PRIVILEGED},
    {"image": "registry.example/dind/builder:1", **_PRIVILEGED},
    {"image": "registry.example/blindind:1"},
    {"image": "$(IMAGE)"},
    {"image": ""},
    {"image": None, "command": None, "args": None},
    {"command": []},
    {"command": ["sh", "-c", "until docker info; do echo waiting for dockerd; sleep 1; done"], **_PRIVILEGED},
    {"command": ["sh", "-c", "dockerd & make"]},
    {"command": ["sh", "-c", "pgrep dockerd || cat /var/log/dockerd"], **_PRIVILEGED},
    {"command": ["sh", "-c", "dockerd-ctl start"], **_PRIVILEGED},
    {"command": ["sh", "-c", "# then dockerd starts\nmake  # dockerd"], **_PRIVILEGED},
    {"command": ["sh", "-c", "echo 'waiting (dockerd not ready)'"], **_PRIVILEGED},
    {"command": ["sh", "-c", "case $1 in dockerd) exit;; esac"], **_PRIVILEGED},
    {"command": ["pgrep", "-f", "dockerd"], **_PRIVILEGED},
    {"image": "ghcr.io/example/dind-webhook:1", "args": ["migrate", "-f", "."], **_PRIVILEGED},
    {"image": "registry.example/dind-tests:1"},
    {"image": "registry.example/runner:no-dind", **_PRIVILEGED},
    {"image": "registry.example/runner:without-dind", **_PRIVILEGED},
    {"image": "grafana/docker:1", **_PRIVILEGED},
    _DATA_ROOT,
    {**_PRIVILEGED, "volumeMounts": [{"name": "graph", "mountPath": "/var/lib/docker", "readOnly": True}]},
    {**_PRIVILEGED, "volumeMounts": [{"name": "graph", "mountPath": "/var/lib/docker/containers"}]},
    {**_PRIVILEGED, "env": [{"name": "DOCKER_IN_DOCKER_ENABLED", "value": "false"}]},
    {"env": [{"name": "DOCKER_IN_DOCKER_ENABLED", "value": "true"}]},
]


@pytest.mark.parametrize(("container", "evidence"), _DAEMONS)
def test_the_expressions_for_other_engines_match_every_daemon(container: JsonObject, evidence: str) -> None:
    if evidence.startswith("its"):
        words = [*container.get("command", ()), *container.get("args", ())]
        program = words[0].rpartition("/")[2]
        assert program in DAEMON_PROGRAMS or any(re.search(MAY_START_DAEMON, word) for word in words)
    elif evidence.startswith("image"):
        pattern = MAY_BE_DAEMON_IMAGE if "securityContext" in container else MAY_BE_UNPRIVILEGED_DAEMON_IMAGE
        assert re.search(pattern, container["image"])


@pytest.mark.parametrize("image", sorted(own_daemon._DAEMON_IMAGES))  # noqa: SLF001
def test_the_expressions_for_other_engines_match_every_image_of_a_plugin(image: str) -> None:
    assert re.search(MAY_BE_DAEMON_IMAGE, f"registry.example/{image}:1")


def _pod_with(
    container: JsonObject, place: str, annotation: str | None = "sidecar", name: str = "engine"
) -> JsonObject:
    added = a_container(name, **container)
    containers = [a_container("build")]
    spec: dict[str, Any] = {"containers": containers, "volumes": [{"name": "graph", "emptyDir": {}}]}
    if place == "container":
        containers.append(added)
    else:
        spec["initContainers"] = [{**added, "restartPolicy": "Always"} if place == "native sidecar" else added]
    return a_pod(annotation, **spec)


@pytest.mark.parametrize(("container", "evidence"), _DAEMONS)
@pytest.mark.parametrize("place", ["container", "init container", "native sidecar"])
@pytest.mark.parametrize("mode", Mode)
def test_a_pod_that_asks_and_has_a_daemon_is_denied(
    container: JsonObject, evidence: str, place: str, mode: Mode, policy: Policy
) -> None:
    decision = inject(_pod_with(container, place, mode), None, policy)
    assert decision.reason is Reason.OWN_DAEMON
    assert decision.message.startswith(f'container "engine" runs a Docker daemon of its own ({evidence}')


@pytest.mark.parametrize("container", [container for container, _ in _DAEMONS])
def test_a_daemon_with_the_injected_name_is_no_injected_one(container: JsonObject, policy: Policy) -> None:
    assert inject(_pod_with(container, "native sidecar", name="dind"), None, policy).reason is Reason.OWN_DAEMON


@pytest.mark.parametrize("container", _CLIENTS)
@pytest.mark.parametrize("place", ["container", "init container"])
def test_a_container_that_runs_no_daemon_is_a_client(container: JsonObject, place: str, policy: Policy) -> None:
    assert inject(_pod_with(container, place), None, policy).reason is Reason.INJECTED


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        ";",
        " ",
        "exec ",
        "exec -a ",
        "sudo X=1 ",
        "X=(",
        ";X=;",
        "a/",
        ";a/",
        "-",
        ";-",
        "; -a",
        "service docker ",
    ],
)
def test_scripts_of_any_text_are_searched_to_their_end(text: str, policy: Policy) -> None:
    """A pattern whose time is not linear in the length of the text takes minutes for these."""
    script = (text * 32_000)[:32_000]
    words = [f"{script} docker"] * 50 + [f"{script[:-20]}\ndockerd\n"]
    pod = _pod_with({"command": ["sh", "-c", *words[:50]], **_PRIVILEGED}, "container")
    assert inject(pod, None, policy).reason is Reason.INJECTED
    pod = _pod_with({"command": ["sh", "-c", *words], **_PRIVILEGED}, "container")
    assert inject(pod, None, policy).reason is Reason.OWN_DAEMON
