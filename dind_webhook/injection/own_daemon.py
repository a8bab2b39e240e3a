"""Recognises containers that run a Docker daemon of the pod's own.

Two daemons in one pod break each other: they share the network namespace, with one bridge `docker0` and one set of
firewall rules. An official image also takes the DOCKER_HOST that clients get as the address to listen on.
"""

import re
from typing import NamedTuple

from dind_webhook.injection.decision import Denial, Reason
from dind_webhook.injection.docker_paths import DATA_ROOT
from dind_webhook.injection.message_parts import abbreviate, quote
from dind_webhook.model import Container, ImageReference, Pod, parse_image

# dockerd, its wrappers in the official image and in devcontainers, and the wrapper of the images before that one
DAEMON_PROGRAMS = frozenset({"dockerd", "dockerd-entrypoint.sh", "dockerd-rootless.sh", "docker-init.sh", "wrapdocker"})
# Programs that look for words, or for processes by name
_SEARCHES = frozenset({"command", "echo", "grep", "killall", "pgrep", "pkill", "printf", "type", "which"})
# One of these programs where a shell script has a command, perhaps after other words, options or variables, or a start
# of the service. Whatever repeats ends in a character that it cannot contain, and contains no beginning of the pattern:
# so the time is linear in the length of the text.
_STARTS_DAEMON = re.compile(
    r"(?:^|[\n;&|])[ \t]*"
    r"(?:(?:[({!]|if\b|while\b|until\b|then\b|do\b|else\b|exec\b|nohup\b|sudo\b|setsid\b|env\b|time\b|dind\b"
    r"|timeout[ \t]+[\w.]+)[ \t]*)*"
    r"(?:(?:-[\w=./-]*|\w+=[\w./:,-]*)[ \t]+)*"
    r"(?:(?:[\w.-]*/)*(?:dockerd(?:-entrypoint\.sh|-rootless\.sh)?|docker-init\.sh|wrapdocker)(?![\w.)-])"
    r"|(?:rc-)?service[ \t]+docker[ \t]+(?:re)?start\b|/etc/init\.d/docker[ \t]+(?:re)?start\b"
    r"|systemctl[ \t]+(?:(?:re)?start|enable[ \t]+--now)[ \t]+docker\b)"
)
# For engines without lookarounds: RE2 expressions that match each word that starts a daemon, each image that may start
# one by itself, and each image that may do so without privileges. They match others too.
MAY_START_DAEMON = r"dockerd|docker-init\.sh|wrapdocker|docker[ \t]+(?:re)?start|(?:start|--now)[ \t]+docker"
MAY_BE_DAEMON_IMAGE = (
    r"(?:^|/)docker(?:$|[:@])|dc?ind|docker-in-docker|plugins/(?:docker|ecr|gcr)|plugin-docker-buildx|envbox"
)
MAY_BE_UNPRIVILEGED_DAEMON_IMAGE = r"(?:^|/)docker:[^/]*(?:dc?ind|docker-in-docker)"
_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n]*")
# In how much of a script a daemon is looked for
MAX_SCRIPT_LENGTH = 32768
# In the last part of an image's name, or in its tag
_DIND = re.compile(r"(?:^|[^a-z0-9])(?<!no-)(?<!without-)(?:dc?ind\d*|docker-in-docker)(?:$|[^a-z0-9])")
# Images that start a daemon if they are privileged, though their names do not say so. Also those of this project's name
# that do not.
_DAEMON_IMAGES = frozenset(
    {"plugins/docker", "plugins/ecr", "plugins/gcr", "woodpeckerci/plugin-docker-buildx", "coder/envbox"}
)
_OTHER_IMAGES = frozenset({"dind-webhook"})
# Tags of the official image without a daemon
_CLIENT_TAG = re.compile(r"(?:^|-)(?:cli|git)(?:$|-)")
# Variables that make images of Prow, TeamCity and self-hosted GitHub runners start a daemon
DAEMON_VARIABLES = ("DOCKER_IN_DOCKER_ENABLED", "DOCKER_IN_DOCKER", "START_DOCKER_SERVICE")
_FALSE_VALUES = frozenset({"", "0", "false", "no"})


class OwnDaemon(NamedTuple):
    """A container that runs a Docker daemon, and the member of the container that shows it."""

    container: str
    evidence: str


def find_own_daemon(pod: Pod, injected_name: str | None) -> OwnDaemon | None:
    """Return the first container that runs a Docker daemon of the pod's own, or None.

    `injected_name` is the name of the container that an earlier injection added, which is no daemon of the pod's own.
    """
    for container in pod.all_containers:
        if container.name != injected_name and (evidence := _find_evidence(container)):
            return OwnDaemon(container.name, evidence)
    return None


def deny_own_daemon(pod: Pod, injected_name: str | None) -> Denial | None:
    """Return a denial if a container runs a Docker daemon of the pod's own, or None."""
    daemon = find_own_daemon(pod, injected_name)
    if daemon is None:
        return None
    return Denial(
        Reason.OWN_DAEMON,
        f"container {quote(daemon.container)} runs a Docker daemon of its own ({daemon.evidence}), and a second one "
        "would break both; remove the container and the variables that lead to it, so that the pod gets the injected "
        "daemon; or keep it, with dind.io/inject: disabled",
    )


def _find_evidence(container: Container) -> str | None:
    """Return the member of a container which shows that it runs a Docker daemon, or None."""
    is_privileged = container.is_privileged
    command, arguments = container.raw.command or (), container.raw.args or ()
    image = container.raw.image or ""
    is_dind = _is_dind_image(image, is_privileged=is_privileged)
    if _runs_daemon((*command, *arguments), can_run_daemon=is_privileged or is_dind):
        return f"its {'command' if command else 'args'}"
    if not command and _starts_daemon_by_itself(image, tuple(arguments), is_privileged=is_privileged, is_dind=is_dind):
        return f"image {abbreviate(image)}"
    if not is_privileged:
        return None
    for mount in container.mounts:
        # Monitoring agents read the node's own data root.
        if mount.path == DATA_ROOT and not mount.read_only:
            return f"privileged, with volume {quote(mount.volume)} at {DATA_ROOT}"
    for name in DAEMON_VARIABLES:
        if name in container.env and (container.env[name].value or "").lower() not in _FALSE_VALUES:
            return f"variable {name}"
    return None


def _runs_daemon(words: tuple[str, ...], *, can_run_daemon: bool) -> bool:
    """Return whether a command line starts dockerd.

    If the container cannot run a daemon, only the first word counts: a script that names dockerd may wait for the
    daemon of another container.
    """
    if not words:
        return False
    program = words[0].rpartition("/")[2]
    if program in DAEMON_PROGRAMS:
        return True
    if not can_run_daemon or program in _SEARCHES:
        return False
    return any("docker" in word and _starts_daemon(word) for word in words[1:])


def _starts_daemon(script: str) -> bool:
    return _STARTS_DAEMON.search(_COMMENT.sub("", script[:MAX_SCRIPT_LENGTH])) is not None


def _is_dind_image(image: str, *, is_privileged: bool) -> bool:
    """Return whether the name of an image says that it has a daemon to start.

    Without privileges, only the official image can be meant: with a runtime that allows it, or rootless.
    """
    if "ind" not in image and "docker-in-docker" not in image:
        return False
    reference = _parse(image)
    if reference is None:
        return False
    name = reference.path.rpartition("/")[2]
    if name in _OTHER_IMAGES or not (is_privileged or name == "docker"):
        return False
    return _DIND.search(name) is not None or _DIND.search(reference.tag) is not None


def _starts_daemon_by_itself(image: str, arguments: tuple[str, ...], *, is_privileged: bool, is_dind: bool) -> bool:
    """Return whether an image starts dockerd if the container has no command but these arguments.

    The entrypoint of the official image starts dockerd unless the first argument is the name of another program. Its
    tags without `dind`, such as `docker:29`, are the same image, but many use them as a client only.
    """
    if not (is_privileged or is_dind):
        return False
    reference = _parse(image)
    if reference is None:
        return False
    if reference.path in _DAEMON_IMAGES:
        return True
    if reference.path.rpartition("/")[2] != "docker":
        return is_dind
    if arguments and not arguments[0].startswith("-"):
        return False
    # Another user of Docker Hub may call any image `docker`.
    is_official = reference.domain != "docker.io" or reference.path == "library/docker"
    return is_dind or (is_official and _CLIENT_TAG.search(reference.tag) is None)


def _parse(image: str) -> ImageReference | None:
    try:
        return parse_image(image)
    except ValueError:
        return None
