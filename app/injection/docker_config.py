"""The configuration directory of the Docker client, if it has the credentials of a Secret.

| the container | gets |
|---|---|
| sets `DOCKER_CONFIG`, or mounts something at `…/.docker` | no variables, and a warning: it has a configuration |
| any other | `DOCKER_CONFIG`, the directory with the Secret, and `BUILDX_CONFIG`, a directory that can be written |

buildx keeps its state in a subdirectory of `DOCKER_CONFIG` otherwise, and fails if it cannot write there.
"""

from collections.abc import Iterator

from app.injection.additions import Additions
from app.injection.message_parts import warn_of_names
from app.model import Container, JsonObject

# Below /etc, where no socket-dir can be.
DOCKER_CONFIG_DIRECTORY = "/etc/dind-config"
_DOCKER_CONFIG = "DOCKER_CONFIG"
_BUILDX_CONFIG = "BUILDX_CONFIG"
# The key of a Secret of the type kubernetes.io/dockerconfigjson
REGISTRY_SECRET_KEY = ".dockerconfigjson"  # noqa: S105  # a name


def registry_source(secret: str) -> JsonObject:
    """Return the source of the volume with the client's config.json."""
    items = [{"key": REGISTRY_SECRET_KEY, "path": "config.json"}]
    return {"secret": {"secretName": secret, "optional": True, "items": items}}


def missing_config_variables(client: Container, additions: Additions) -> list[JsonObject]:
    """Return the variables that lead a client to the Secret, or nothing if it has a configuration of its own."""
    directory = additions.buildx_directory
    if directory is None or _has_own_config(client):
        return []
    # One for each container: their users may differ, and buildx makes directories that only one can write.
    values = {_DOCKER_CONFIG: DOCKER_CONFIG_DIRECTORY, _BUILDX_CONFIG: f"{directory}/buildx-{client.name}"}
    return [{"name": name, "value": value} for name, value in values.items() if name not in client.env]


def warn_of_own_configs(additions: Additions) -> Iterator[str]:
    """Yield a warning if clients do not get the credentials because they have a configuration of their own."""
    if additions.buildx_directory is None:
        return
    if names := [client.name for client in additions.clients if _has_own_config(client)]:
        yield warn_of_names("the registry Secret is not used, because DOCKER_CONFIG or .docker is theirs, in", names)


def _has_own_config(client: Container) -> bool:
    variable = client.env.get(_DOCKER_CONFIG)
    if variable is not None and variable.value != DOCKER_CONFIG_DIRECTORY:
        return True
    return any("/.docker/" in f"{mount.path}/" for mount in client.mounts)
