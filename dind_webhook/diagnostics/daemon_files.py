"""The ConfigMaps and Secrets of which daemons get files, as the volumes of injected pods name them."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from dind_webhook.diagnostics.snapshot import DryRun, ObjectId, has_finished, namespace_of
from dind_webhook.injection import (
    CA_DIRECTORY,
    DAEMON_CONFIG_DIRECTORY,
    DOCKER_CONFIG_DIRECTORY,
    REGISTRY_SECRET_KEY,
    Policy,
)
from dind_webhook.model import JsonObject

_KINDS = {"configMap": "ConfigMap", "secret": "Secret"}


class FileReference(NamedTuple):
    """A file of a daemon, and the key that it comes from; without a key, a directory with all keys."""

    source: ObjectId
    key: str | None
    path: str


def file_references(
    pods: Iterable[JsonObject], dry_runs: Iterable[DryRun], policy: Policy
) -> Iterator[tuple[JsonObject, FileReference]]:
    """Yield each pod of a snapshot with each file that its daemon and its clients get.

    The pods of the dry-runs have what new pods get.
    """
    for namespace, pod in chain(
        ((run.namespace, run.pod) for run in dry_runs if run.pod),
        ((namespace_of(pod), pod) for pod in pods if not has_finished(pod)),
    ):
        for reference in _references_of(pod, namespace, policy):
            yield pod, reference


def _references_of(pod: JsonObject, namespace: str, policy: Policy) -> Iterator[FileReference]:
    for volume in pod["spec"].get("volumes") or []:
        if volume["name"] == policy.ca_volume and volume.get("configMap"):
            source = ObjectId(namespace, "ConfigMap", volume["configMap"].get("name", ""))
            yield FileReference(source, None, CA_DIRECTORY)
        if volume["name"] == policy.registry_volume and volume.get("secret"):
            source = ObjectId(namespace, "Secret", volume["secret"].get("secretName", ""))
            yield FileReference(source, REGISTRY_SECRET_KEY, f"{DOCKER_CONFIG_DIRECTORY}/config.json")
        if volume["name"] == policy.files_volume and volume.get("projected"):
            for projection in volume["projected"].get("sources") or []:
                yield from _projected_files(projection, namespace)


def _projected_files(projection: JsonObject, namespace: str) -> Iterator[FileReference]:
    for member, kind in _KINDS.items():
        content = projection.get(member) or {}
        for item in content.get("items") or []:
            source = ObjectId(namespace, kind, content.get("name", ""))
            yield FileReference(source, item["key"], f"{DAEMON_CONFIG_DIRECTORY}/{item['path']}")


def daemon_command(pod: JsonObject, policy: Policy) -> list[str]:
    """Return the command and the arguments of the daemon of an injected pod."""
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    daemon: JsonObject = next((container for container in containers if container["name"] == policy.container_name), {})
    return [*(daemon.get("command") or []), *(daemon.get("args") or [])]
