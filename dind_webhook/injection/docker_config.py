"""The configuration directory of the Docker client: with the credentials of a Secret, with a proxy, or a writable one.

| the pod has | configuration directory |
|---|---|
| a Secret, and perhaps a proxy | `DOCKER_CONFIG`: the Secret, which may have `proxies`; it cannot be written |
| a proxy | `DOCKER_CONFIG`: beside the socket, where the start script of the daemon writes config.json |
| neither, and a client may have the home `/` | `/.docker`: a directory of its own that each user can write |
| neither, and a client's root file system is read-only | its own; buildx has such a directory at `/.docker` |

`DOCKER_AUTH_CONFIG` cannot bring the Secret beside a proxy: Docker's client refuses the member `username` in it, which
`kubectl create secret docker-registry` writes.

A container that sets `DOCKER_CONFIG`, or mounts something at `…/.docker`, has a configuration: it gets no variables,
and a warning. All others get `BUILDX_CONFIG` too: otherwise buildx keeps its state in a subdirectory of
`DOCKER_CONFIG`, and fails if it cannot write there.

containerd gives the home `/` to a user that `/etc/passwd` of the image lacks, such as any `runAsUser`. Such a user
cannot make `/.docker`, so `docker build` and `docker login` fail. No variable helps without harm (decision 0043). CRI-O
makes the working directory the home, which nobody knows here: then the user needs a `HOME` in the pod.

With a read-only root file system, no user can make `~/.docker`, wherever the home is. Two variables let `docker build`
work without it, and leave what the image has there in force (decision 0052).
"""

import re
from collections.abc import Iterator

from dind_webhook.injection.additions import NO_DIRECTORIES, Additions, ConfigDirectories
from dind_webhook.injection.message_parts import warn_of_names
from dind_webhook.injection.options import ClientConfig, Options
from dind_webhook.model import Container, JsonObject, Mount, Pod, clean_path, is_under

# Below /etc, where no socket-dir can be.
DOCKER_CONFIG_DIRECTORY = "/etc/dind-config"
# The start script of the daemon makes it in the directory of the socket.
WRITTEN_CONFIG_NAME = "docker-config"
# The directory of the client if its home is /
ROOT_CONFIG_DIRECTORY = "/.docker"
_DOCKER_CONFIG = "DOCKER_CONFIG"
_HOME = "HOME"
_BUILDX_CONFIG = "BUILDX_CONFIG"
_BUILDX_VARIABLES: list[JsonObject] = [
    {"name": _BUILDX_CONFIG, "value": f"{ROOT_CONFIG_DIRECTORY}/buildx"},
    # Otherwise a build from a registry with tokens ends if BuildKit's client cannot make `~/.docker` for its seed.
    {"name": "BUILDKIT_NO_CLIENT_TOKEN", "value": "1"},
]
# The homes of users in most images
HOMES = "/root|/home(/[^/]+)?"
_HOMES = re.compile(HOMES)
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
    """Return the variables for the configuration of a client that it does not set itself."""
    return [variable for variable in _config_variables(client, additions) if variable["name"] not in client.env]


def _config_variables(client: Container, additions: Additions) -> list[JsonObject]:
    config = additions.client_config
    if config is None:
        return _BUILDX_VARIABLES if client.name in additions.config_directories.buildx_clients else []
    if _has_own_config(client, config):
        return []
    return [
        {"name": _DOCKER_CONFIG, "value": config.directory},
        # One for each container: their users may differ, and buildx makes directories that only one can write.
        {"name": _BUILDX_CONFIG, "value": f"{config.socket_dir}/buildx-{client.name}"},
    ]


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


def find_config_directories(pod: Pod, clients: tuple[Container, ...], volume: str) -> ConfigDirectories:
    """Return the directories for clients that cannot make `~/.docker`, as far as the pod tells.

    Each client has a directory of its own in the volume of that name, so none reads the logins of another. kubelet
    gives a `subPath` the mode of the volume, in which all users can write.
    """
    shared = pod.spec.security_context
    # Most pods state no user.
    may_all = volume in pod.volumes or (
        shared is not None and (shared.run_as_user is not None or shared.run_as_non_root is not None)
    )
    mounts: dict[str, Mount] = {}
    buildx_clients: list[str] = []
    for client in clients:
        if not (may_all or client.raw.security_context is not None or _HOME in client.env):
            continue
        lacks_directory = _lacks_buildx_directory(client, pod, volume)
        if lacks_directory or _is_homeless(client, pod, volume):
            mounts[client.name] = Mount.at(ROOT_CONFIG_DIRECTORY, volume, client.name)
        if lacks_directory:
            buildx_clients.append(client.name)
    return ConfigDirectories(mounts, frozenset(buildx_clients)) if mounts else NO_DIRECTORIES


def _is_homeless(client: Container, pod: Pod, volume: str) -> bool:
    """Return whether a client may have the home `/` without being root, and has no configuration of its own."""
    mounts = [mount for mount in client.mounts if _is_config_path(mount)]
    if mounts:
        # Another webhook may have changed the user since the mount was added.
        return any(mount.volume == volume for mount in mounts)
    if _value_of(client, _DOCKER_CONFIG) is not None:
        return False
    home = _value_of(client, _HOME)
    if home is None:
        return pod.states_non_root(client)
    return home != "" and clean_path(home) == "/"


def _lacks_buildx_directory(client: Container, pod: Pod, volume: str) -> bool:
    """Return whether the root file system of a client is read-only, and no volume lets buildx write its state.

    Without `HOME`, nobody knows the home. Then a volume at a usual home counts.
    """
    security = client.raw.security_context
    if security is None or security.read_only_root_filesystem is not True or _BUILDX_CONFIG in client.env:
        return False
    own = [mount for mount in client.mounts if mount.volume != volume]
    if any(_is_at_or_under(mount.path, ROOT_CONFIG_DIRECTORY) for mount in own):
        return False
    if (config := _value_of(client, _DOCKER_CONFIG)) is not None:
        return config != "" and _is_read_only(client, pod, config)
    if (home := _value_of(client, _HOME)) is not None:
        return home != "" and _is_read_only(client, pod, f"{home}{ROOT_CONFIG_DIRECTORY}")
    read_only: list[Mount] = []
    writable: list[Mount] = []
    for mount in own:
        if _is_config_path(mount) or _HOMES.fullmatch(mount.path):
            (read_only if pod.is_read_only(mount) else writable).append(mount)
    # A Secret at `.docker` of a writable home hides what is below it.
    return all(
        any(inner.path.endswith(ROOT_CONFIG_DIRECTORY) and is_under(inner.path, mount.path) for inner in read_only)
        for mount in writable
    )


def _is_read_only(client: Container, pod: Pod, path: str) -> bool:
    """Return whether buildx cannot write below a configuration directory, which a mount at `/.docker` would not hide.

    The innermost of the mounts above it decides.
    """
    directory = clean_path(path)
    if _is_at_or_under(directory, ROOT_CONFIG_DIRECTORY):
        return False
    covering = [mount for mount in client.mounts if _is_at_or_under(f"{directory}/buildx", mount.path)]
    return not covering or pod.is_read_only(max(covering, key=lambda mount: len(mount.path)))


def _is_at_or_under(path: str, parent: str) -> bool:
    return path == parent or is_under(path, parent)


def _value_of(client: Container, name: str) -> str | None:
    """Return the value of a variable, or None if it is not set or empty.

    It is "" if a Secret or ConfigMap gives the value, which nobody knows.
    """
    variable = client.env.get(name)
    if variable is None:
        return None
    return variable.value or ("" if variable.value_from else None)


def writable_config_volume(name: str) -> JsonObject:
    """Return the volume with the directories of clients that cannot make `~/.docker`."""
    return {"name": name, "emptyDir": {}}
