"""Searches an object whose kind is not known, or that cannot be read as a pod, for what it would mount."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from dind_webhook.injection import DISABLED, INJECT, NodeSocket, abbreviate, find_own_daemon, join_first
from dind_webhook.migration.finding import LEFT_ON_PURPOSE, Finding, Verdict
from dind_webhook.migration.usage import find_socket
from dind_webhook.model import MAX_PATH_LENGTH, JsonObject, MalformedPodError, as_object, read_pod

# A path of the node in text inside an object: config.toml of GitLab's runner, configuration as code of Jenkins, or a
# pod in YAML. Whatever repeats is bounded, so the time is linear in the length of the text.
_HOST_PATH_IN_TEXT = re.compile(
    r"""host_?[pP]ath["']?[ \t]{0,8}[:=]\s{0,80}(?:path["']?[ \t]{0,8}[:=][ \t]{0,8})?["']?([/\\][\w./\\-]{1,255})"""
)
# Tables of config.toml of GitLab's runner: a volume whose path of the node is its mount_path unless it has a host_path,
# and a container beside each job. A table ends where the next one begins.
_RUNNER_VOLUME = re.compile(r"\.kubernetes\.volumes\.host_path[ \t]{0,8}\]\]([^\[]{0,2000})")
_MOUNT_PATH = re.compile(r"""mount_path[ \t]{0,8}=[ \t]{0,8}["']([/\\][\w./\\-]{1,255})["']""")
_RUNNER_SERVICE = re.compile(r"\.kubernetes\.services[ \t]{0,8}\]\]([^\[]{0,2000})")
_SERVICE_IMAGE = re.compile(r"""(?m:^)[ \t]{0,80}name[ \t]{0,8}=[ \t]{0,8}["']([^"'\s]{1,255})["']""")
_PRIVILEGED = re.compile(r"(?m:^)[ \t]{0,80}privileged[ \t]{0,8}=[ \t]{0,8}true\b")
# Configuration of a cluster on one machine, whose nodes mount the machine's files
_NODE_CONFIGURATION = "kind.x-k8s.io/"
_MAX_TEXT_LENGTH = 2**20
_MAX_MENTIONS = 20
# Members of a container that show a daemon (dind_webhook/injection/own_daemon.py)
_CONTAINER_MEMBERS = ("image", "command", "args", "env", "securityContext", "volumeMounts")


class _Mention(NamedTuple):
    """A path of the node and its socket, or the evidence of a daemon without one; and where the object names it."""

    name: str
    socket: NodeSocket | None
    place: str

    def __str__(self) -> str:
        verb = f"mounts {abbreviate(self.name)} of the node" if self.socket else f"runs a Docker daemon ({self.name})"
        return f"{verb} at {abbreviate(self.place)}"


def examine_unknown(resource: JsonObject) -> Finding | None:
    """Return the finding about an object of any kind that mounts a socket of the node, or runs a daemon, or None."""
    version = str(resource.get("apiVersion") or "")
    if version.startswith(_NODE_CONFIGURATION):
        return None
    mentions: list[_Mention] = []
    # Compose files and workflows of CI systems name images too, but no pod comes from them.
    for mention in _find_mentions(resource, with_daemons=bool(version)):
        mentions.append(mention)
        if len(mentions) == _MAX_MENTIONS:
            break
    if not mentions:
        return None
    sockets = {each.name: each.socket.runtime for each in mentions if each.socket}
    daemons = [each.name for each in mentions if each.socket is None]
    finding = Finding(
        (),
        tuple(sockets),
        tuple(dict.fromkeys(sockets.values())),
        daemons[0] if daemons else "",
        Verdict.NEEDS_A_PERSON,
        f"only pods and workloads are rewritten, and this object {join_first(mentions, str, ', ')}; change it by hand",
    )
    metadata = as_object(resource.get("metadata"))
    requests = [as_object(metadata.get(member)).get(INJECT) for member in ("annotations", "labels")]
    return finding._replace(verdict=Verdict.IS_NO_BUILD, reason=LEFT_ON_PURPOSE) if DISABLED in requests else finding


def _find_mentions(node: Any, *, with_daemons: bool) -> Iterator[_Mention]:
    """Yield the paths in an object in their order. The depth of a document is bounded, its size too."""
    waiting: list[tuple[Any, str]] = [(node, "")]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, dict):
            yield from _find_host_path(value, place)
            if with_daemons:
                yield from _find_daemon(value, place)
            members = [(member, f"{place}.{key}".lstrip(".")) for key, member in value.items()]
        elif isinstance(value, list):
            members = [(item, f"{place}[{index}]") for index, item in enumerate(value)]
        else:
            yield from _find_in_text(value, place)
            continue
        waiting += reversed(members)


def _find_host_path(value: JsonObject, place: str) -> Iterator[_Mention]:
    source = value.get("hostPath")
    path = as_object(source).get("path") if isinstance(source, dict) else source
    if isinstance(path, str) and 0 < len(path) <= MAX_PATH_LENGTH and (socket := find_socket(path)):
        yield _Mention(path, socket, f"{place}.hostPath".lstrip("."))


def _find_daemon(value: JsonObject, place: str) -> Iterator[_Mention]:
    image = value.get("image")
    if not isinstance(image, str) or len(image) > MAX_PATH_LENGTH:
        return
    try:
        evidence = _evidence_of_daemon({member: value[member] for member in _CONTAINER_MEMBERS if member in value})
    except MalformedPodError:
        # The other members are not those of a container.
        evidence = _evidence_of_daemon({"image": image})
    if evidence:
        yield _Mention(evidence, None, place)


def _evidence_of_daemon(container: JsonObject) -> str:
    """Return what shows that a container runs a Docker daemon, or an empty text; raise MalformedPodError."""
    daemon = find_own_daemon(read_pod({"spec": {"containers": [{"name": "container", **container}]}}), None)
    return daemon.evidence if daemon else ""


def _find_in_text(value: Any, place: str) -> Iterator[_Mention]:
    if not isinstance(value, str):
        return
    text = value[:_MAX_TEXT_LENGTH]
    if "ath" in text:
        yield from _find_paths_in_text(text, place)
    if ".kubernetes.services" in text:
        yield from _find_services(text, place)


def _find_paths_in_text(text: str, place: str) -> Iterator[_Mention]:
    paths = [match[1] for match in _HOST_PATH_IN_TEXT.finditer(text)]
    for table in _RUNNER_VOLUME.finditer(text):
        if not _HOST_PATH_IN_TEXT.search(table[1]):
            paths += [match[1] for match in _MOUNT_PATH.finditer(table[1])]
    for path in paths:
        if socket := find_socket(path):
            yield _Mention(path, socket, place)


def _find_services(text: str, place: str) -> Iterator[_Mention]:
    security = {"privileged": _PRIVILEGED.search(text) is not None}
    for table in _RUNNER_SERVICE.finditer(text):
        for match in _SERVICE_IMAGE.finditer(table[1]):
            if evidence := _evidence_of_daemon({"image": match[1], "securityContext": security}):
                yield _Mention(evidence, None, place)
