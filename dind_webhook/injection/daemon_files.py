"""Files of ConfigMaps and Secrets for the daemon: its configuration, and CAs (docs/decisions/0036).

The objects are in the pod's namespace. All are optional, because kubelet would not start the pod without them.
"""

from itertools import pairwise

from dind_webhook.injection.options import DaemonFile
from dind_webhook.injection.start_script import START_COMMAND_NAME
from dind_webhook.model import JsonObject, is_under

# dockerd reads daemon.json and certs.d here.
DAEMON_CONFIG_DIRECTORY = "/etc/docker"
DAEMON_JSON = "daemon.json"
# Below /etc, so that no shared volume can be there.
CA_DIRECTORY = "/etc/ssl/dind"
CA_VARIABLE = "SSL_CERT_DIR"
# Go reads all files in these directories, and the system's bundle too (crypto/x509, root_unix.go).
CA_SEARCH_PATH = f"/etc/ssl/certs:{CA_DIRECTORY}"


def files_source(files: tuple[DaemonFile, ...]) -> JsonObject:
    """Return the source of the volume with these files: one projection for each."""
    return {"projected": {"sources": [_projection(file) for file in files]}}


def _projection(file: DaemonFile) -> JsonObject:
    items = [{"key": file.key, "path": file.path}]
    return {file.kind: {"name": file.name, "optional": True, "items": items}}


def ca_source(name: str) -> JsonObject:
    """Return the source of the volume with all keys of the ConfigMap with the CAs."""
    return {"configMap": {"name": name, "optional": True}}


def find_colliding_paths(paths: list[str]) -> tuple[str, str] | None:
    """Return two paths of which one is the other, or a directory above it, or None."""
    ordered = sorted(paths, key=lambda path: path.split("/"))
    for first, second in pairwise(ordered):
        if first == second or is_under(f"/{second}", f"/{first}"):
            return first, second
    return None


def find_conflicting_directives(configuration: JsonObject, command: list[str]) -> list[str]:
    """Return the members of a daemon.json that dockerd refuses beside its flags.

    dockerd refuses what is in the file and among its flags (`findConfigurationConflicts` in moby's daemon/config).
    Lists have the plural of the flag as their name. Members of `proxies` count as if they were outside of it. The start
    script adds --cgroup-parent.
    """
    flags = [argument.removeprefix("--").partition("=")[0] for argument in command if argument.startswith("--")]
    directives = {"cgroup-parent"} if START_COMMAND_NAME in command else set()
    for flag in flags:
        directives |= {flag, f"{flag}s", flag.removesuffix("y") + "ies"}
    nested = configuration.get("proxies")
    members = [*configuration, *(nested if isinstance(nested, dict) else ())]
    return [member for member in members if member in directives]
