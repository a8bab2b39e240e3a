"""Variables of the Docker client that containers still set for a previous daemon.

| variable | effect on a container that gets Docker |
|---|---|
| `DOCKER_HOST` of the injected daemon | none |
| another `DOCKER_HOST` | kept, with a warning: the container talks to that daemon |
| `DOCKER_TLS_VERIFY`, `DOCKER_TLS` | denied: every command of the client would fail (docker/cli, cli/context/docker) |
| `DOCKER_CERT_PATH` alone | a warning: docker-py and the Go client then use TLS, but `docker` does not |
| `DOCKER_CONTEXT` | none: the client does not use it with `DOCKER_HOST` |

If the operator sets `replace_docker_variables`, another `DOCKER_HOST` is replaced and the variables for TLS are emptied
instead, with a warning.
"""

from collections.abc import Iterator

from dind_webhook.injection.additions import Additions
from dind_webhook.injection.decision import Denial, Reason
from dind_webhook.injection.docker_paths import SOCKET_LINK_NAME, SOCKET_NAME, UNIX_SCHEME
from dind_webhook.injection.message_parts import quote, warn_of_names
from dind_webhook.injection.policy import Policy
from dind_webhook.model import Container, Operation, Pod, VariableShape, Volume, clean_path, replace

_DOCKER_HOST = "DOCKER_HOST"
# Not empty, they make the client use TLS, which no socket of a sidecar or node has.
TLS_VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_TLS")
_CERT_PATH = "DOCKER_CERT_PATH"
_EMPTIED_VARIABLES = (*TLS_VARIABLES, _CERT_PATH)
_TCP = "tcp://"
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def deny_tls_variables(pod: Pod, additions: Additions, policy: Policy) -> Denial | None:
    """Return a denial if a variable makes a client use TLS with the injected daemon, or None."""
    if policy.replace_docker_variables:
        return None
    for client in additions.clients:
        for name in TLS_VARIABLES:
            if _is_set(client.env.get(name)) and not _uses_other_daemon(client, pod, additions):
                return Denial(
                    Reason.TLS_VARIABLE,
                    f"container {quote(client.name)} sets {name}, so its Docker client would require TLS, which the "
                    "injected daemon does not use; remove the variable, and DOCKER_CERT_PATH",
                )
    return None


def replace_variables(client: Container, pod: Pod, additions: Additions) -> Iterator[Operation]:
    """Yield the operations that make the variables of a client lead to the injected daemon."""
    for index, variable in enumerate(client.raw.env or ()):
        if variable.name == _DOCKER_HOST and _uses_other_daemon(client, pod, additions):
            yield replace(f"{client.pointer}/env/{index}", additions.client_env)
        elif variable.name in _EMPTIED_VARIABLES and _is_set(variable):
            yield replace(f"{client.pointer}/env/{index}", {"name": variable.name, "value": ""})


def warn_of_other_daemons(pod: Pod, additions: Additions, policy: Policy) -> Iterator[str]:
    """Yield a warning if clients talk to another daemon than the injected one, or may use TLS."""
    others = [client.name for client in additions.clients if _uses_other_daemon(client, pod, additions)]
    if others:
        verb = "is replaced" if policy.replace_docker_variables else "is kept"
        yield warn_of_names(f"{_DOCKER_HOST} has another value and {verb} in", others)
    with_certificates = [
        client.name for client in additions.clients if client.name not in others and _is_set(client.env.get(_CERT_PATH))
    ]
    if with_certificates and not policy.replace_docker_variables:
        yield warn_of_names(
            f"{_CERT_PATH} makes some clients use TLS, which the daemon does not, in", with_certificates
        )


def _uses_other_daemon(client: Container, pod: Pod, additions: Additions) -> bool:
    if _DOCKER_HOST not in client.env:
        return False
    return not _is_injected_daemon(_value_of(client, _DOCKER_HOST), client, pod, additions)


def _is_set(variable: VariableShape | None) -> bool:
    """Return whether a variable is not empty. Nobody knows the value that a Secret or ConfigMap gives to it."""
    return variable is not None and bool(variable.value or variable.value_from)


def _value_of(client: Container, name: str) -> str:
    """Return the value of a variable, or an empty text if the container does not set it itself."""
    return (client.env[name].value or "") if name in client.env else ""


def _is_injected_daemon(address: str, client: Container, pod: Pod, additions: Additions) -> bool:
    """Return whether a DOCKER_HOST names the injected daemon: its socket, or the TCP address that the pod asks for."""
    if address.startswith(UNIX_SCHEME):
        return _is_injected_socket(clean_path(address.removeprefix(UNIX_SCHEME)), client, pod, additions)
    if additions.tcp is None or not address.startswith(_TCP):
        return False
    host, _, port = address.removeprefix(_TCP).rstrip("/").rpartition(":")
    # Containers of a pod share its network, so loopback leads to the daemon, whatever its address is.
    return port == str(additions.tcp.port) and host in {additions.tcp.host, *_LOOPBACK_HOSTS}


def _is_injected_socket(path: str, client: Container, pod: Pod, additions: Additions) -> bool:
    """Return whether a path is that of the injected socket in a client.

    The client may mount the socket as a file too: at the path of the link that we add, or where it mounted the node's
    socket (`socket_replacement`).
    """
    injected: str = additions.client_env["value"]
    links = [mount.path for mount in additions.client_mounts if mount.sub_path]
    if path in {clean_path(injected.removeprefix(UNIX_SCHEME)), *links}:
        return True
    (run_volume, *_) = additions.volumes
    host_path = run_volume["hostPath"]["path"] if "hostPath" in run_volume else None
    return any(
        (mount.volume, mount.sub_path) == (run_volume["name"], SOCKET_LINK_NAME)
        or (host_path is not None and _leads_to(pod.volumes.get(mount.volume), f"{host_path}/{SOCKET_NAME}"))
        for mount in client.mounts
        if mount.path == path
    )


def _leads_to(volume: Volume | None, path: str) -> bool:
    return volume is not None and volume.kind == "hostPath" and volume.path == path
