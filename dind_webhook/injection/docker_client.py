"""The Docker client that containers get with the option `client`: the program on their PATH, with buildx and compose.

The daemon's container, or the init container that waits for the node's daemon, fills an emptyDir with links, or with
copies of its own client. The other containers mount two of its directories:

| directory | mounted at |
|---|---|
| `bin`: `docker` and `docker-compose` | the directory that the option names |
| `cli-plugins` | where the client of every image looks for plugins |

The links lead into an image volume (KEP-4639), which all of them mount at one path, so nothing is copied. Copies are
for clusters without such volumes, for nodes that mount them `noexec`, and for pods in a user namespace or sandbox.

The directory with the client in the image cannot be mounted itself: in the official image it also has a program
`docker-entrypoint.sh`, and the entrypoints of many images are called so (decision 0048).
"""

import re
from collections.abc import Iterator

from dind_webhook.injection.additions import Additions
from dind_webhook.injection.message_parts import warn_of_names
from dind_webhook.injection.policy import Policy
from dind_webhook.model import Container, JsonObject, Mount, clean_path

# Where the client of every image looks for plugins, after /usr/local/lib/docker/cli-plugins
PLUGIN_DIRECTORY = "/usr/local/libexec/docker/cli-plugins"
# Below /usr/local/libexec, where neither a socket-dir nor a shared volume can be.
CLIENT_VOLUME_DIRECTORY = "/usr/local/libexec/dind/client"
CLIENT_IMAGE_DIRECTORY = "/usr/local/libexec/dind/image"
# The directory of the volume that becomes the directory of the client
_COMMANDS = "bin"

# It fills the emptyDir, if that is there, and needs only POSIX sh and busybox.
COMMENTED_CLIENT_SCRIPT = rf"""# Put the Docker client where the others mount it: links into an image volume, or copies.
put_client() {{
  client={CLIENT_VOLUME_DIRECTORY} image={CLIENT_IMAGE_DIRECTORY} put='ln -sf'
  [ -d "$client" ] || return 0
  # Container runtimes may mount an image volume so that its programs cannot run.
  while read -r _ path _ options; do
    case $path$options in "$image"*noexec*) image= ;; esac
  done < /proc/self/mounts
  if [ ! "$image" ] || [ ! -d "$image" ]; then image= put='cp -f'; fi
  mkdir -p "$client/bin" "$client/cli-plugins" || return
  for directory in usr/local/bin usr/bin bin; do
    if [ -f "$image/$directory/docker" ]; then
      $put "$image/$directory/docker" "$client/bin/docker" || return
      break
    fi
  done
  for directory in usr/libexec usr/lib usr/local/libexec usr/local/lib; do
    for file in "$image/$directory/docker/cli-plugins"/docker-*; do
      if [ -f "$file" ]; then $put "$file" "$client/cli-plugins/${{file##*/}}" || return; fi
    done
  done
  if [ -e "$client/cli-plugins/docker-compose" ]; then
    ln -sf {PLUGIN_DIRECTORY}/docker-compose "$client/bin/docker-compose" || return
  fi
  [ -e "$client/bin/docker" ]
}}
put_client || echo 'cannot give the other containers a Docker client' >&2
"""
CLIENT_SCRIPT = re.sub(r"(^|\n) *#[^\n]*", "", COMMENTED_CLIENT_SCRIPT).lstrip()


def client_volumes(policy: Policy, image: str, *, has_image_volume: bool) -> tuple[JsonObject, ...]:
    """Return the volumes of the client. `image` is the daemon's, unless the operator has named another."""
    volume: JsonObject = {"name": policy.client_volume, "emptyDir": {}}
    if not has_image_volume:
        return (volume,)
    source = {"reference": policy.client_image or image}
    if policy.image_pull_policy:
        source["pullPolicy"] = policy.image_pull_policy
    return (volume, {"name": policy.client_image_volume, "image": source})


def client_mounts_of(policy: Policy, directory: str, *, has_image_volume: bool) -> tuple[Mount, ...]:
    """Return the mounts of a container with the client on the PATH, in `directory`."""
    return (
        Mount.at(directory, policy.client_volume, _COMMANDS, read_only=True),
        Mount.at(PLUGIN_DIRECTORY, policy.client_volume, "cli-plugins", read_only=True),
        *_image_mounts(policy, has_image_volume=has_image_volume),
    )


def is_client_directory(mount: Mount, policy: Policy) -> bool:
    """Return whether a mount of injection is the directory that the option names."""
    return (mount.volume, mount.sub_path) == (policy.client_volume, _COMMANDS)


def warn_of_paths_without_client(additions: Additions, policy: Policy) -> Iterator[str]:
    """Yield a warning if containers set a PATH without the directory of the client."""
    for mount in additions.client_mounts:
        if is_client_directory(mount, policy):
            names = [client.name for client in additions.clients if _lacks_path(client, mount.path)]
            if names:
                yield warn_of_names(f"PATH lacks {mount.mount_path}, where docker is, in", names)


def _lacks_path(client: Container, directory: str) -> bool:
    """Return whether a container sets a PATH without a directory. Nobody knows what a reference stands for."""
    path = client.env.get("PATH")
    if path is None or path.value_from is not None or "$(" in (value := path.value or ""):
        return False
    return directory not in {clean_path(item) for item in value.split(":") if item}


def client_source_mounts(policy: Policy, *, has_image_volume: bool) -> tuple[Mount, ...]:
    """Return the mounts of the container that runs `put_client`."""
    volume = Mount.at(CLIENT_VOLUME_DIRECTORY, policy.client_volume)
    return (volume, *_image_mounts(policy, has_image_volume=has_image_volume))


def _image_mounts(policy: Policy, *, has_image_volume: bool) -> tuple[Mount, ...]:
    if not has_image_volume:
        return ()
    return (Mount.at(CLIENT_IMAGE_DIRECTORY, policy.client_image_volume, read_only=True),)
