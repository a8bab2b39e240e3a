"""Searches an object whose kind is not known, or that cannot be read as a pod, for what it would mount."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from app.injection import DISABLED, INJECT, NodeSocket, abbreviate, find_node_socket, join_first
from app.migration.finding import LEFT_ON_PURPOSE, Finding, Verdict
from app.model import MAX_PATH_LENGTH, JsonObject, as_object

# A path of the node in text inside an object: config.toml of GitLab's runner, configuration as code of Jenkins, or a
# pod in YAML. Whatever repeats is bounded, so the time is linear in the length of the text.
_HOST_PATH_IN_TEXT = re.compile(
    r"""host_?[pP]ath["']?[ \t]{0,8}[:=]\s{0,80}(?:path["']?[ \t]{0,8}[:=][ \t]{0,8})?["']?(/[\w./-]{1,255})"""
)
# Configuration of a cluster on one machine, whose nodes mount the machine's files
_NODE_CONFIGURATION = "kind.x-k8s.io/"
_MAX_TEXT_LENGTH = 2**20
_MAX_MENTIONS = 20


# The official image of Docker with a daemon, perhaps of a mirror
_DAEMON_IMAGE = re.compile(r"(?:[\w./:-]{0,200}/)?docker:[\w.-]{0,100}dind[\w.-]{0,100}(?:@sha256:[0-9a-f]{64})?")


class _Mention(NamedTuple):
    """A path of the node and the socket that it leads to, or the image of a daemon; and where the object names it."""

    name: str
    socket: NodeSocket | None
    place: str

    def __str__(self) -> str:
        verb = "mounts {} of the node" if self.socket else "runs image {}"
        return f"{verb.format(abbreviate(self.name))} at {abbreviate(self.place)}"


def examine_unknown(resource: JsonObject) -> Finding | None:
    """Return the finding about an object of any kind that mounts a socket of the node, or runs a daemon, or None."""
    version = str(resource.get("apiVersion") or "")
    if version.startswith(_NODE_CONFIGURATION):
        return None
    mentions: list[_Mention] = []
    # Compose files and workflows of CI systems name images too, but no pod comes from them.
    for mention in _find_mentions(resource, with_images=bool(version)):
        mentions.append(mention)
        if len(mentions) == _MAX_MENTIONS:
            break
    if not mentions:
        return None
    sockets = {each.name: each.socket.runtime for each in mentions if each.socket}
    images = [each.name for each in mentions if each.socket is None]
    finding = Finding(
        (),
        tuple(sockets),
        tuple(dict.fromkeys(sockets.values())),
        f"image {abbreviate(images[0])}" if images else "",
        Verdict.NEEDS_A_PERSON,
        f"only pods and workloads are rewritten, and this object {join_first(mentions, str, ', ')}; change it by hand",
    )
    metadata = as_object(resource.get("metadata"))
    requests = [as_object(metadata.get(member)).get(INJECT) for member in ("annotations", "labels")]
    return finding._replace(verdict=Verdict.IS_NO_BUILD, reason=LEFT_ON_PURPOSE) if DISABLED in requests else finding


def _find_mentions(node: Any, *, with_images: bool) -> Iterator[_Mention]:
    """Yield the paths in an object in their order. The depth of a document is bounded, its size too."""
    waiting: list[tuple[Any, str]] = [(node, "")]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, dict):
            yield from _find_host_path(value, place)
            if with_images:
                yield from _find_daemon_image(value, place)
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
    if isinstance(path, str) and 0 < len(path) <= MAX_PATH_LENGTH and (socket := find_node_socket(path)):
        yield _Mention(path, socket, f"{place}.hostPath".lstrip("."))


def _find_daemon_image(value: JsonObject, place: str) -> Iterator[_Mention]:
    image = value.get("image")
    if isinstance(image, str) and len(image) <= MAX_PATH_LENGTH and _DAEMON_IMAGE.fullmatch(image):
        yield _Mention(image, None, f"{place}.image".lstrip("."))


def _find_in_text(value: Any, place: str) -> Iterator[_Mention]:
    if not isinstance(value, str) or "ath" not in value:
        return
    for match in _HOST_PATH_IN_TEXT.finditer(value[:_MAX_TEXT_LENGTH]):
        if socket := find_node_socket(match[1]):
            yield _Mention(match[1], socket, place)
