"""Mirrors of registries (docs/decisions/0041).

| who | reads |
|---|---|
| dockerd 28 and newer | `hosts.toml` of each registry, which the start script writes |
| older ones and other image stores, for Docker Hub only | `--registry-mirror` |

The address of the node is known when the pod runs, so only the start script can use it.
"""

from collections.abc import Iterator

from dind_webhook.injection.message_parts import warn_of_names
from dind_webhook.injection.options import Mirror, Options
from dind_webhook.injection.start_script import MIRRORS_VARIABLE, NODE_VARIABLE
from dind_webhook.model import JsonObject

DOCKER_HUB = "docker.io"
ALL_REGISTRIES = "*"


def hosts_path(registry: str) -> str:
    """Return the path below /etc/docker of the file with the mirror of a registry."""
    return f"certs.d/{'_default' if registry == ALL_REGISTRIES else registry}/hosts.toml"


def mirrors_with_a_flag(options: Options) -> list[Mirror]:
    """Return the mirrors that are flags of dockerd: those of Docker Hub whose address is known."""
    return [
        mirror
        for mirror in options.registry_mirrors
        if mirror.registry == DOCKER_HUB and mirror.url and not mirror.is_on_node
    ]


def mirror_variables(options: Options) -> list[JsonObject]:
    """Return the variables with which the start script writes the files of the mirrors, or nothing without mirrors."""
    mirrors = options.registry_mirrors
    if not mirrors:
        return []
    variables: list[JsonObject] = [{"name": MIRRORS_VARIABLE, "value": ",".join(map(str, mirrors))}]
    if any(mirror.is_on_node for mirror in mirrors):
        # With the member that the API server adds: the strict policy compares it.
        source = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.hostIP"}}
        variables.append({"name": NODE_VARIABLE, "valueFrom": source})
    return variables


def warn_of_unwritten_mirrors(options: Options) -> Iterator[str]:
    """Yield a warning if there are mirrors that only the start script could make known."""
    flags = mirrors_with_a_flag(options)
    if others := [mirror.registry for mirror in options.registry_mirrors if mirror not in flags]:
        yield warn_of_names("the operator has turned start_script off, which mirrors need, of", others)
