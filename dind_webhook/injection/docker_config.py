"""The configuration directory of the Docker client: with the credentials of a Secret, with a proxy, or a writable one.

| the pod has | configuration directory |
|---|---|
| a Secret, and perhaps a proxy | `DOCKER_CONFIG`: the Secret, which may have `proxies`; it cannot be written |
| a proxy | `DOCKER_CONFIG`: beside the socket, where the start script of the daemon writes config.json |
| neither, and a client may have the home `/` | `/.docker`: a directory of its own that each user can write |

`DOCKER_AUTH_CONFIG` cannot bring the Secret beside a proxy: Docker's client refuses the member `username` in it, which
`kubectl create secret docker-registry` writes.

A container that sets `DOCKER_CONFIG`, or mounts something at `…/.docker`, has a configuration: it gets no variables,
and a warning. All others get `BUILDX_CONFIG` too: otherwise buildx keeps its state in a subdirectory of
`DOCKER_CONFIG`, and fails if it cannot write there.

Container runtimes give the home `/` to a user that `/etc/passwd` of the image lacks, such as any `runAsUser`. Such a
user cannot make `/.docker`, so `docker build` and `docker login` fail. No variable helps without harm (decision 0043).
"""

from collections.abc import Iterator, Mapping

from dind_webhook.injection.additions import Additions
from dind_webhook.injection.message_parts import warn_of_names
from dind_webhook.injection.options import ClientConfig, Options
from dind_webhook.model import Container, JsonObject, Mount, Pod

# Below /etc, where no socket-dir can be.
DOCKER_CONFIG_DIRECTORY = "/etc/dind-config"
# The start script of the daemon makes it in the directory of the socket.
WRITTEN_CONFIG_NAME = "docker-config"
# The directory of the client if its home is /
_ROOT_CONFIG_DIRECTORY = "/.docker"
_DOCKER_CONFIG = "DOCKER_CONFIG"
_HOME = "HOME"
_BUILDX_CONFIG = "BUILDX_CONFIG"
# The key of a Secret of the type kubernetes.io/dockerconfigjson
REGISTRY_SECRET_KEY = ".dockerconfigjson"  # noqa: S105  # a name


def registry_source(secret: str) -> JsonObject:
    """Return the source of the volume with the client's config.json."""
    items = [{"key": REGISTRY_SECRET_KEY, "path": "config.json"}]
    return {"secret": {"secretName": secret, "optional": True, "items": items}}


def client_config_of(options: Options, *, has_start_script: bool) -> ClientConfig | None:
    """Return the configuration of the clients of a pod with these options, or None if they get none."""
    if options.registry_secret:
        return ClientConfig(DOCKER_CONFIG_DIRECTORY, options.socket_dir, has_proxy=False)
    if options.proxy and has_start_script:
        return ClientConfig(f"{options.socket_dir}/{WRITTEN_CONFIG_NAME}", options.socket_dir, has_proxy=True)
    return None


def missing_config_variables(client: Container, additions: Additions) -> list[JsonObject]:
    """Return the variables that lead a client to its configuration, or nothing if it has one of its own."""
    config = additions.client_config
    if config is None or _has_own_config(client, config):
        return []
    variables: list[JsonObject] = [
        {"name": _DOCKER_CONFIG, "value": config.directory},
        # One for each container: their users may differ, and buildx makes directories that only one can write.
        {"name": _BUILDX_CONFIG, "value": f"{config.socket_dir}/buildx-{client.name}"},
    ]
    return [variable for variable in variables if variable["name"] not in client.env]


def warn_of_own_configs(additions: Additions) -> Iterator[str]:
    """Yield a warning if clients have a configuration of their own, and so not the credentials or the proxy."""
    config = additions.client_config
    if config is None:
        return
    names = [client.name for client in additions.clients if _has_own_config(client, config)]
    if names:
        what = "builds do not get the proxy" if config.has_proxy else "the registry Secret is not used"
        yield warn_of_names(f"{what}, because DOCKER_CONFIG or .docker is theirs, in", names)


def _has_own_config(client: Container, config: ClientConfig) -> bool:
    variable = client.env.get(_DOCKER_CONFIG)
    if variable is not None and variable.value != config.directory:
        return True
    return any(_is_config_path(mount) for mount in client.mounts)


def _is_config_path(mount: Mount) -> bool:
    return "/.docker/" in f"{mount.path}/"


def find_homeless_clients(pod: Pod, clients: tuple[Container, ...], volume: str) -> Mapping[str, Mount]:
    """Return the mounts, by client, for those that may have the home `/` without being root, and no configuration.

    Each client has a directory of its own in the volume of that name, so none reads the logins of another. kubelet
    gives a `subPath` the mode of the volume, in which all users can write.
    """
    shared = pod.spec.security_context
    # Most pods state no user.
    may_all = volume in pod.volumes or (
        shared is not None and (shared.run_as_user is not None or shared.run_as_non_root is not None)
    )
    return {
        client.name: Mount.at(_ROOT_CONFIG_DIRECTORY, volume, client.name)
        for client in clients
        if (may_all or client.raw.security_context is not None or _HOME in client.env)
        and _is_homeless(client, pod, volume)
    }


def _is_homeless(client: Container, pod: Pod, volume: str) -> bool:
    mounts = [mount for mount in client.mounts if _is_config_path(mount)]
    if mounts:
        # Another webhook may have changed the user since the mount was added.
        return all(mount.volume == volume for mount in mounts)
    if _DOCKER_CONFIG in client.env:
        return False
    home = client.env.get(_HOME)
    if home is not None:
        return home.value == "/"
    return pod.states_non_root(client)


def writable_config_volume(name: str) -> JsonObject:
    """Return the volume with the configurations of clients whose home is `/`."""
    return {"name": name, "emptyDir": {}}
