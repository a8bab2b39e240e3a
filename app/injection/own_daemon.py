"""Recognises containers that run a Docker daemon of the pod's own.

Two daemons in one pod break each other: they share the network namespace, with one bridge `docker0` and one set of
firewall rules. An official image also takes the DOCKER_HOST that clients get as the address to listen on.
"""

import re
from typing import NamedTuple

from app.injection.decision import Denial, Reason
from app.injection.docker_paths import DATA_ROOT
from app.injection.message_parts import abbreviate, quote
from app.model import Container, Pod, parse_image

# dockerd, its wrappers in the official image, and the wrapper of the images before that one
_PROGRAMS = frozenset({"dockerd", "dockerd-entrypoint.sh", "dockerd-rootless.sh", "wrapdocker"})
# One of these programs where a shell script has a command, perhaps after options or variables, or the start of the
# service. Whatever repeats ends in a character that it cannot contain, and contains no beginning of the pattern: so
# the time is linear in the length of the text.
_STARTS_DAEMON = re.compile(
    r"(?:^|[\n;&|({]|(?<![\w=./-])(?:exec|nohup|sudo|setsid|env|then|do|else)[ \t])"
    r"[ \t]*(?:(?:-[\w=./-]*|\w+=[\w./:,-]*)[ \t]+)*"
    r"(?:(?:[\w.-]*/)*(?:dockerd(?:-entrypoint\.sh|-rootless\.sh)?|wrapdocker)(?![\w.-])"
    r"|service[ \t]+docker[ \t]+start\b|/etc/init\.d/docker[ \t]+start\b|systemctl[ \t]+start[ \t]+docker\b)"
)
# In how much of a script a daemon is looked for
_MAX_SCRIPT_LENGTH = 32768
# In the last part of an image's name, or in its tag
_DIND = re.compile(r"(?:^|[^a-z0-9])dind(?:$|[^a-z0-9])")
# Tags of the official image without a daemon
_CLIENT_TAG = re.compile(r"(?:^|-)(?:cli|git)(?:$|-)")
# Images of Prow and TeamCity start a daemon if DOCKER_IN_DOCKER_ENABLED is true, or DOCKER_IN_DOCKER is start.
_DAEMON_VARIABLES = ("DOCKER_IN_DOCKER_ENABLED", "DOCKER_IN_DOCKER")
_FALSE_VALUES = frozenset({"", "0", "false", "no"})


class OwnDaemon(NamedTuple):
    """A container that runs a Docker daemon, and the member of the container that shows it."""

    container: str
    evidence: str


def find_own_daemon(pod: Pod, injected_name: str | None) -> OwnDaemon | None:
    """Return the first container that runs a Docker daemon of the pod's own, or None.

    `injected_name` is the name of the container that an earlier injection added, which is no daemon of the pod's own.
    """
    for container in (*pod.init_containers, *pod.containers):
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
    if _runs_daemon((*command, *arguments), is_privileged=is_privileged):
        return f"its {'command' if command else 'args'}"
    image = container.raw.image
    if image and not command and _is_daemon_image(image, tuple(arguments), is_privileged=is_privileged):
        return f"image {abbreviate(image)}"
    if not is_privileged:
        return None
    for mount in container.mounts:
        # Monitoring agents read the node's own data root.
        if mount.path == DATA_ROOT and not mount.read_only:
            return f"privileged, with volume {quote(mount.volume)} at {DATA_ROOT}"
    for name in _DAEMON_VARIABLES:
        if name in container.env and (container.env[name].value or "").lower() not in _FALSE_VALUES:
            return f"variable {name}"
    return None


def _runs_daemon(words: tuple[str, ...], *, is_privileged: bool) -> bool:
    """Return whether a command line starts dockerd.

    Without privileges, only the first word counts: a script that names dockerd may wait for the daemon of another
    container.
    """
    if not words:
        return False
    if words[0].rpartition("/")[2] in _PROGRAMS:
        return True
    if not is_privileged:
        return False
    return any("docker" in word and _STARTS_DAEMON.search(word[:_MAX_SCRIPT_LENGTH]) for word in words[1:])


def _is_daemon_image(image: str, arguments: tuple[str, ...], *, is_privileged: bool) -> bool:
    """Return whether an image starts dockerd if the container has no command but these arguments.

    The entrypoint of the official image starts dockerd unless the first argument is the name of another program. Its
    tags without `dind`, such as `docker:29`, are the same image, but many use them as a client only.
    """
    if "docker" not in image and "dind" not in image:
        return False
    try:
        reference = parse_image(image)
    except ValueError:
        return False
    name = reference.path.rpartition("/")[2]
    is_dind = _DIND.search(name) is not None or _DIND.search(reference.tag) is not None
    if name != "docker":
        return is_dind
    if arguments and not arguments[0].startswith("-"):
        return False
    return is_dind or (is_privileged and _CLIENT_TAG.search(reference.tag) is None)
