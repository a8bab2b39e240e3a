"""Plans how a pod stops mounting the node's Docker socket.

Only the exact socket of Docker can be replaced: of a directory above it, nobody knows what else the containers use.
"""

from collections.abc import Iterator

from dind_webhook.injection import DATA_ROOT, UNIX_SCHEME, NodeSocket, abbreviate, quote
from dind_webhook.migration.removal import CLEAN_DEFAULT_SOCKET, Removal, variable_pointers
from dind_webhook.migration.usage import SocketVolume, Usage
from dind_webhook.model import Container, Mount, Pod, clean_path, is_under


def plan_socket_removal(pod: Pod, usage: Usage) -> Removal:
    """Return the plan that removes the socket of the node, or the problems that are in its way."""
    mounted_names = {mount.volume for each in pod.all_containers for mount in each.mounts}
    problems = [
        *(problem for volume in usage.sockets for problem in _check_volume(volume, mounted_names)),
        *_check_other_host_paths(pod),
    ]
    names = {volume.name for volume in usage.sockets}
    docker_names = {each.name for each in usage.sockets if each.socket == NodeSocket("Docker", is_exact=True)}
    pointers = {f"/spec/volumes/{volume.position}" for volume in usage.sockets}
    users = usage.socket_users(pod)
    for user in users:
        mounts = [(index, mount) for index, mount in enumerate(user.mounts) if mount.volume in names]
        pointers |= {f"{user.pointer}/volumeMounts/{index}" for index, _ in mounts}
        if _docker_host_leads_to(user, [mount for _, mount in mounts]):
            pointers |= variable_pointers(user, "DOCKER_HOST")
        problems += _check_user(user, [mount for _, mount in mounts if mount.volume in docker_names])
    return Removal(frozenset(pointers), tuple(user.name for user in users), problems=tuple(problems))


def _check_volume(volume: SocketVolume, mounted_names: set[str]) -> Iterator[str]:
    place = f"volume {quote(volume.name)} mounts {abbreviate(volume.path)} of the node"
    if not volume.socket.is_exact:
        yield (
            f"{place}, through which its containers reach the socket of {volume.socket.runtime} and more; find out "
            "what else they use there, and mount only that"
        )
    elif volume.socket.runtime != "Docker":
        yield (
            f"{place}, the socket of {volume.socket.runtime}, which the injected daemon cannot replace; find out "
            "what its containers do with it"
        )
    elif volume.name not in mounted_names:
        yield f"{place}, but no container mounts the volume; remove it if nothing else needs it"


def _check_other_host_paths(pod: Pod) -> Iterator[str]:
    for volume in pod.volumes.values():
        path = clean_path(volume.path) if volume.kind == "hostPath" else ""
        place = f"volume {quote(volume.name)} mounts {abbreviate(volume.path)} of the node"
        if path == DATA_ROOT or is_under(path, DATA_ROOT):
            yield f"{place}, the files of the node's own Docker; find out what its containers do with them"
        elif path.endswith(("/bin/docker", "/docker-compose")):
            yield f"{place}, the node's own Docker client; use an image that contains one"


def _check_user(user: Container, mounts: list[Mount]) -> Iterator[str]:
    for mount in mounts:
        if mount.sub_path or mount.sub_path_expr:
            yield f"container {quote(user.name)} mounts a part of volume {quote(mount.volume)} (subPath)"
        elif mount.path != CLEAN_DEFAULT_SOCKET and not _docker_host_leads_to(user, [mount]):
            yield (
                f"container {quote(user.name)} mounts the socket at {abbreviate(mount.mount_path)}, and no DOCKER_HOST "
                "shows what uses it there; let it use /var/run/docker.sock"
            )
    variable = user.env.get("DOCKER_HOST")
    if variable and not _docker_host_leads_to(user, mounts) and not _is_default_socket(variable.value):
        yield (
            f"container {quote(user.name)} has another DOCKER_HOST ({abbreviate(variable.value or 'not in the file')}) "
            "beside the socket; remove the variable if the container should use the injected daemon"
        )


def _docker_host_leads_to(user: Container, mounts: list[Mount]) -> bool:
    """Return whether DOCKER_HOST names the socket at one of these mounts, at a path where no tool looks by itself."""
    variable = user.env.get("DOCKER_HOST")
    if variable is None or not variable.value or not variable.value.startswith(UNIX_SCHEME):
        return False
    path = clean_path(variable.value.removeprefix(UNIX_SCHEME))
    return path != CLEAN_DEFAULT_SOCKET and any(mount.path == path for mount in mounts)


def _is_default_socket(address: str | None) -> bool:
    return bool(address) and clean_path(str(address).removeprefix(UNIX_SCHEME)) == CLEAN_DEFAULT_SOCKET
