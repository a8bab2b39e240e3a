"""Plans how a pod stops running a Docker daemon of its own that was written by hand.

A container of the official image in a simple form can be replaced. Each setting that has no effect on the injected
daemon is a problem, named with the option to use instead.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from dind_webhook.injection import (
    DATA_ROOT,
    MAX_SCRIPT_LENGTH,
    OWNED_FLAGS,
    PREFIX,
    SHAREABLE_KINDS,
    UNIX_SCHEME,
    OwnDaemon,
    abbreviate,
    join_first,
    quote,
)
from dind_webhook.migration.removal import CLEAN_DEFAULT_SOCKET, Removal, as_list, json_of, variable_pointers
from dind_webhook.model import (
    Container,
    JsonObject,
    Mount,
    Pod,
    as_object,
    clean_path,
    is_loopback,
    is_under,
    parse_image,
)

_PROGRAMS = ("dockerd", "dockerd-entrypoint.sh")
_FLAG = re.compile(r"--?([A-Za-z][\w-]*)(?:=(.*))?", re.DOTALL)
# Flags without a value, after which the next word is a flag again
_SWITCHES = frozenset({"tls", "tlsverify", "debug", "D", "experimental", "live-restore", "ipv6"})
_LISTENING = frozenset({"host", "H", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey"})
# Members of a container that injection replaces, or that have no meaning without the container
_REPLACED_MEMBERS = frozenset({
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "restartPolicy",
    "securityContext",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeMounts",
})  # fmt: skip
_PORTS = (2375, 2376)
_CERTIFICATE_DIRECTORY = "/certs"
_CLIENT_VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_TLS_CERTDIR")
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_RESOURCE_OPTIONS = {"requests": "request", "limits": "limit"}
# A client that names these needs TCP, the certificates or the process of the daemon.
_DEPENDENCY = re.compile(r"(?<!\d)237[56](?!\d)|/certs/|dockerd")
_TCP = re.compile(r"(?:tcp|https?)://(\[[^\]]*\]|[^:/]*)(?::\d+)?/?")


class _Mounted(NamedTuple):
    """A mount of the daemon, and the other containers that mount the same volume, each with the index of its mount."""

    mount: Mount
    kind: str
    others: tuple[tuple[Container, int, Mount], ...]


def plan_daemon_removal(template: JsonObject, pod: Pod, daemon: OwnDaemon) -> Removal:
    """Return the plan that removes the container of a daemon, or the problems that are in its way."""
    container = pod.containers_by_name[daemon.container]
    form_problem = _describe_other_form(container, daemon)
    if form_problem:
        return Removal(problems=(form_problem,))
    others = _mounts_of_others(pod, container)
    mounted = [_describe_mount(pod, mount, others) for mount in container.mounts]
    directories = _socket_directories(container)
    hidden = [each for each in mounted if _is_private(each, directories)]
    clients = _plan_clients(pod, container, hidden)
    options, option_problems = _options_of(template, container, mounted)
    return Removal(
        frozenset({container.pointer, *_volume_pointers(pod, container, hidden)}),
        annotations=tuple(options),
        problems=(
            *_check_members(template, pod, container),
            *_check_clients(pod, container, clients),
            *_check_flags(container),
            *(problem for each in mounted if (problem := _describe_mount_problem(container, each, directories))),
            *option_problems,
        ),
    ).join(clients)


def _describe_other_form(container: Container, daemon: OwnDaemon) -> str:
    """Return why a container is not a daemon of the official image in a simple form, or an empty text."""
    name = f"container {quote(container.name)}"
    words = _words(container)
    if words and not words[0].startswith("-") and words[0].rpartition("/")[2] not in _PROGRAMS:
        return f"{name} starts a Docker daemon itself ({daemon.evidence}); let it use the injected daemon instead"
    try:
        image = parse_image(container.raw.image or "")
    except ValueError:
        image = None
    if image is None or image.path.rpartition("/")[2] != "docker":
        return (
            f"{name} runs a Docker daemon of its own ({daemon.evidence}), not with the official image; find out what "
            "else it does, and let it use the injected daemon"
        )
    if "rootless" in image.tag or not container.is_privileged:
        return f"{name} runs a Docker daemon without privileges, but the injected daemon is privileged"
    return ""


def _words(container: Container) -> list[str]:
    return [*(container.raw.command or ()), *(container.raw.args or ())]


def _flags(container: Container) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each flag of dockerd; other words are yielded as they are, with no value."""
    words = [word for word in _words(container) if word.rpartition("/")[2] not in _PROGRAMS]
    while words:
        word = words.pop(0)
        match = _FLAG.fullmatch(word)
        if match is None:
            yield word, ""
            continue
        name, value = match[1], match[2]
        if value is None:
            has_value = name not in _SWITCHES and words and not words[0].startswith("-")
            value = words.pop(0) if has_value else ""
        yield name, value


def _check_flags(container: Container) -> Iterator[str]:
    for name, _ in _flags(container):
        if name not in _LISTENING:
            option = OWNED_FLAGS.get(name, "dockerd-args")
            instead = f"use annotation {PREFIX}{option}" if option else "remove it"
            yield f"container {quote(container.name)} starts dockerd with {abbreviate(name)}; {instead}"


def _check_members(template: JsonObject, pod: Pod, container: Container) -> Iterator[str]:
    name, json = f"container {quote(container.name)}", json_of(template, container)
    if all(each.name == container.name for each in pod.containers):
        yield (
            f"{name} is the only one: other pods use its Docker daemon over the network; give these pods a daemon of "
            f"their own with {PREFIX}inject"
        )
    for variable in container.env:
        if variable != "DOCKER_HOST" and variable not in _CLIENT_VARIABLES:
            yield f"{name} sets variable {abbreviate(variable)}; use annotation {PREFIX}env"
    ports = [as_object(port).get("containerPort") for port in as_list(json.get("ports"))]
    if any(port not in _PORTS for port in ports):
        yield f"{name} has other ports than those of Docker"
    if json.get("tty") or json.get("stdin"):
        yield f"{name} has a terminal (tty, stdin); if jobs run commands in it, give them a container of their own"
    for member in json:
        if member not in _REPLACED_MEMBERS | {"tty", "stdin"}:
            yield f"{name} has {abbreviate(member)}, which the injected daemon does not have"


def _check_clients(pod: Pod, container: Container, clients: Removal) -> Iterator[str]:
    has_others = any(each.name != container.name for each in pod.containers)
    if has_others and not clients.clients and not clients.problems:
        yield (
            f"no other container shows how it reaches the Docker daemon of container {quote(container.name)}, by "
            "DOCKER_HOST or a shared volume; if jobs name its address, or run in that container, change them"
        )


def _socket_directories(container: Container) -> frozenset[str]:
    """Return the directories in which the daemon creates its socket."""
    hosts = [value for name, value in _flags(container) if name in {"host", "H"} and value.startswith(UNIX_SCHEME)]
    paths = [clean_path(host.removeprefix(UNIX_SCHEME)) for host in hosts] or [CLEAN_DEFAULT_SOCKET]
    return frozenset(path.rpartition("/")[0] for path in paths)


def _mounts_of_others(pod: Pod, container: Container) -> dict[str, list[tuple[Container, int, Mount]]]:
    """Return the mounts of the other containers by the names of the volumes, each with its container and its index."""
    mounts: dict[str, list[tuple[Container, int, Mount]]] = {}
    for other in pod.all_containers:
        if other.name != container.name:
            for index, mount in enumerate(other.mounts):
                mounts.setdefault(mount.volume, []).append((other, index, mount))
    return mounts


def _describe_mount(pod: Pod, mount: Mount, others: dict[str, list[tuple[Container, int, Mount]]]) -> _Mounted:
    volume = pod.volumes.get(mount.volume)
    return _Mounted(mount, volume.kind if volume else "", tuple(others.get(mount.volume, ())))


def _is_private(mounted: _Mounted, directories: frozenset[str]) -> bool:
    """Return whether a volume has only the certificates or the socket of the daemon, or no other user."""
    if mounted.kind != "emptyDir":
        return False
    path = mounted.mount.path
    is_certificates = path == _CERTIFICATE_DIRECTORY or is_under(path, _CERTIFICATE_DIRECTORY)
    return is_certificates or path in directories or not mounted.others


def _describe_mount_problem(container: Container, mounted: _Mounted, directories: frozenset[str]) -> str:
    """Return why a mount of the daemon cannot be removed, or an empty text."""
    mount, others = mounted.mount, mounted.others
    place = f"container {quote(container.name)} mounts volume {quote(mount.volume)} at {abbreviate(mount.mount_path)}"
    if mount.path == DATA_ROOT:
        is_own = mounted.kind == "emptyDir" and not others
        return "" if is_own else f"{place}; the injected daemon starts with an empty store, in a volume of its own"
    if _is_private(mounted, directories):
        return ""
    is_shared = mounted.kind in SHAREABLE_KINDS and any(theirs.path == mount.path for _, _, theirs in others)
    return "" if is_shared else f"{place}, which the injected daemon does not have"


def _volume_pointers(pod: Pod, container: Container, hidden: list[_Mounted]) -> Iterator[str]:
    """Yield the JSON pointers of the volumes that nobody mounts without the daemon."""
    hidden_names = {each.mount.volume for each in hidden}
    own_names = {mount.volume for mount in container.mounts} - _mounts_of_others(pod, container).keys()
    removed_names = hidden_names | own_names
    for index, raw in enumerate(pod.spec.volumes or ()):
        if raw["name"] in removed_names:
            yield f"/spec/volumes/{index}"


def _plan_clients(pod: Pod, container: Container, hidden: list[_Mounted]) -> Removal:
    removal = Removal()
    # By place: a volume that the daemon mounts twice is hidden twice.
    hidden_mounts = {
        f"{other.pointer}/{index}": (other, index, theirs) for each in hidden for other, index, theirs in each.others
    }
    mounts_by_client: dict[str, list[tuple[int, Mount]]] = {}
    for other, index, theirs in hidden_mounts.values():
        mounts_by_client.setdefault(other.pointer, []).append((index, theirs))
    for client in pod.all_containers:
        if client.name == container.name:
            continue
        mounts = mounts_by_client.get(client.pointer, [])
        variables, problems = _plan_variables(client, [mount for _, mount in mounts])
        pointers = {f"{client.pointer}/volumeMounts/{index}" for index, _ in mounts} | variables
        problems += _check_dependencies(client, variables)
        names = (client.name,) if pointers else ()
        removal = removal.join(Removal(frozenset(pointers), names, problems=tuple(problems)))
    return removal


def _plan_variables(client: Container, mounts: list[Mount]) -> tuple[set[str], list[str]]:
    """Return the JSON pointers of the variables that lead to the daemon, and the problems with the others."""
    pointers: set[str] = set()
    problems = []
    for name in ("DOCKER_HOST", *_CLIENT_VARIABLES):
        if name not in client.env:
            continue
        value = client.env[name].value
        if value is None or (name == "DOCKER_HOST" and not _leads_to_daemon(value, mounts)):
            shown = abbreviate(value) if value else "set from elsewhere"
            problems.append(f"container {quote(client.name)} has {name} ({shown}), which may lead to another daemon")
        else:
            pointers |= variable_pointers(client, name)
    has_host = "DOCKER_HOST" in client.env
    for mount in mounts:
        is_socket = not (mount.path == _CERTIFICATE_DIRECTORY or is_under(mount.path, _CERTIFICATE_DIRECTORY))
        if is_socket and not has_host and not is_under(CLEAN_DEFAULT_SOCKET, mount.path):
            problems.append(
                f"container {quote(client.name)} mounts volume {quote(mount.volume)} of the daemon at "
                f"{abbreviate(mount.mount_path)}, and no DOCKER_HOST shows what uses it there"
            )
    return pointers, problems


def _leads_to_daemon(address: str, mounts: list[Mount]) -> bool:
    """Return whether an address is that of a daemon in the same pod."""
    if address.startswith(UNIX_SCHEME):
        path = clean_path(address.removeprefix(UNIX_SCHEME))
        return path == CLEAN_DEFAULT_SOCKET or any(is_under(path, mount.path) for mount in mounts)
    match = _TCP.fullmatch(address)
    return match is not None and is_loopback(match[1].strip("[]"))


def _check_dependencies(client: Container, removed: set[str]) -> Iterator[str]:
    texts = [(word, "its command") for word in _words(client)]
    for index, variable in enumerate(client.raw.env or ()):
        if f"{client.pointer}/env/{index}" not in removed and not variable.name.startswith("DOCKER_"):
            texts.append((variable.value or "", f"variable {abbreviate(variable.name)}"))
    for text, place in texts:
        if match := _DEPENDENCY.search(text[:MAX_SCRIPT_LENGTH]):
            yield (
                f"container {quote(client.name)} names {match[0].strip('/')} in {place}; let it use the socket, or see "
                f"annotation {PREFIX}tcp"
            )
            return


def _options_of(
    template: JsonObject, container: Container, mounted: list[_Mounted]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the annotations that keep the resources and the storage of the daemon, and the problems."""
    options, problems = _resource_options(json_of(template, container), container.name)
    for each in mounted:
        if each.mount.path != DATA_ROOT or each.kind != "emptyDir":
            continue
        source = _empty_dir(template, each.mount.volume)
        if source.get("medium"):
            problems.append(
                f"container {quote(container.name)} stores its data in memory; use annotation {PREFIX}storage-medium"
            )
        if source.get("sizeLimit") is not None:
            options.append((f"{PREFIX}storage-size", str(source["sizeLimit"])))
    return options, problems


def _empty_dir(template: JsonObject, name: str) -> JsonObject:
    volumes = [as_object(volume) for volume in as_list(template["spec"].get("volumes"))]
    return next((as_object(volume.get("emptyDir")) for volume in volumes if volume.get("name") == name), {})


def _resource_options(json: JsonObject, name: str) -> tuple[list[tuple[str, str]], list[str]]:
    resources = {kind: as_object(as_object(json.get("resources")).get(kind)) for kind in _RESOURCE_OPTIONS}
    # The API server's default for an absent request
    resources["requests"] = {**resources["limits"], **resources["requests"]}
    others = sorted({str(each) for amounts in resources.values() for each in amounts} - set(_RESOURCES))
    problems = []
    if others:
        problems.append(f"container {quote(name)} has resources that have no option: {join_first(others, abbreviate)}")
    options = [
        (f"{PREFIX}{resource}-{suffix}", str(resources[kind][resource]))
        for resource in _RESOURCES
        for kind, suffix in _RESOURCE_OPTIONS.items()
        if resource in resources[kind]
    ]
    return options, problems
