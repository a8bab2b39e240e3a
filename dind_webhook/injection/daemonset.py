"""DaemonSet mode: the pod gets the socket of the node's own dind, which all pods of the node share."""

from dind_webhook.injection.additions import Additions
from dind_webhook.injection.constants import PREFIX
from dind_webhook.injection.decision import Denial, Mode, Reason
from dind_webhook.injection.docker_client import (
    CLIENT_SCRIPT,
    client_mounts_of,
    client_source_mounts,
    client_volumes,
)
from dind_webhook.injection.docker_config import find_config_directories, writable_config_volume
from dind_webhook.injection.docker_paths import DEFAULT_DIR_WARNING, is_default_socket_dir, unix_socket_address
from dind_webhook.injection.message_parts import warn_of_names
from dind_webhook.injection.mode_injector import ModeInjector
from dind_webhook.injection.options import Options
from dind_webhook.injection.policy import Policy
from dind_webhook.injection.qos import is_guaranteed_without
from dind_webhook.injection.selection import Selection
from dind_webhook.injection.service_account_token import token_mounts
from dind_webhook.injection.shared_volumes import SharedVolumes
from dind_webhook.injection.wait_script import wait_script
from dind_webhook.model import JsonObject, Mount, Pod, clean_path

# Any user except root. To reach the socket, a process needs only its group.
_WAIT_USER = 65532
_WAIT_REQUESTS = {"cpu": "10m", "memory": "32Mi"}
_WAIT_LIMITS = {"cpu": "500m", "memory": "128Mi"}


def _deny_options(options: Options, policy: Policy) -> Denial | None:
    if options.client and not options.wait:
        return Denial(
            Reason.INVALID_OPTION,
            f"{PREFIX}client cannot be combined with {PREFIX}wait: false in {Mode.DAEMONSET} mode: init container "
            f"{policy.wait_container_name} puts the client there; remove one of them",
        )
    if not (policy.host_path_read_only and is_default_socket_dir(options.socket_dir)):
        return None
    return Denial(
        Reason.INVALID_OPTION,
        f"socket-dir {options.socket_dir} cannot be combined with a read-only hostPath: the pod's service account "
        "token is mounted below it; the operator can set host_path_read_only: false or another socket-dir",
    )


def _build_additions(
    pod: Pod, options: Options, policy: Policy, selection: Selection, _shared: SharedVolumes
) -> Additions:
    """Return the additions of a pod in daemonset mode."""
    # A process needs no write access to the directory of a socket to connect to it.
    mount = Mount.at(options.socket_dir, policy.run_volume, read_only=policy.host_path_read_only)
    host_path: JsonObject = {"path": policy.host_path}
    if policy.host_path_type:
        host_path["type"] = policy.host_path_type
    docker_host = {"name": "DOCKER_HOST", "value": unix_socket_address(options.socket_dir)}
    warnings = []
    if selection.early_containers:
        names = [container.name for container in selection.early_containers]
        warnings.append(
            warn_of_names(f"these init containers run before {policy.wait_container_name} does its check", names)
        )
    if is_default_socket_dir(options.socket_dir):
        warnings.append(DEFAULT_DIR_WARNING)
    if clean_path(policy.host_path) == "/run" and not policy.host_path_read_only:
        warnings.append("every container of this pod can write the node's own /var/run")
    volumes: tuple[JsonObject, ...] = ({"name": policy.run_volume, "hostPath": host_path},)
    evictable: tuple[str, ...] = ()
    container_mounts: tuple[Mount, ...] = (mount,)
    client_mounts: tuple[Mount, ...] = (mount,)
    if options.client:
        # Whether a runtime can map the users of an image volume is not known.
        has_image_volume = policy.image_volumes and pod.spec.host_users is not False
        volumes += client_volumes(policy, policy.defaults.image, has_image_volume=has_image_volume)
        container_mounts += client_source_mounts(policy, has_image_volume=has_image_volume)
        client_mounts += client_mounts_of(policy, options.client, has_image_volume=has_image_volume)
        evictable += (policy.client_volume,)
    # Last, as in sidecar mode
    directories = find_config_directories(pod, selection.clients, policy.config_volume)
    if directories.mounts:
        volumes += (writable_config_volume(policy.config_volume),)
        evictable += (policy.config_volume,)
    # The group is that of the node's socket, so the operator sets it, whatever the pod says.
    group = policy.defaults.group
    return Additions(
        mode=Mode.DAEMONSET,
        volumes=volumes,
        container=_build_wait_container(docker_host, options, policy, pod) if options.wait else None,
        container_mounts=(*container_mounts, *token_mounts(pod)),
        as_container=False,
        clients=selection.clients,
        client_env=docker_host,
        client_mounts=client_mounts,
        client_config=None,
        config_directories=directories,
        proxy_variables=(),
        pod_members={},
        tcp=None,
        supplemental_group=group,
        evictable=evictable,
        # The pod waits on the nodes of the DaemonSet, which has a selector and tolerations of its own.
        node_selector={},
        tolerations=(),
        image_pull_secrets=policy.image_pull_secrets if options.wait else (),
        warnings=tuple(warnings),
    )


def _build_wait_container(docker_host: JsonObject, options: Options, policy: Policy, pod: Pod) -> JsonObject:
    group = policy.defaults.group
    failure = (
        f'echo "No Docker daemon answered at $DOCKER_HOST within {policy.wait_seconds} s: '
        f'is the dind DaemonSet pod of this node ready? ({PREFIX}wait)" >&2; exit 1'
    )
    script = wait_script("docker", policy.wait_seconds, "1", failure)
    if options.client:
        script = CLIENT_SCRIPT + script
    return {
        "name": policy.wait_container_name,
        # The daemon's image contains the client, and every node has already pulled the image.
        "image": policy.defaults.image,
        **({"imagePullPolicy": policy.image_pull_policy} if policy.image_pull_policy else {}),
        # The shell is process 1, which otherwise ignores SIGTERM. 0 would mean that the daemon answers.
        "command": ["sh", "-c", f"trap 'exit 143' TERM; {script}"],
        "env": [docker_host],
        # In a pod of the class Guaranteed, the requests must be equal to the limits.
        "resources": {"requests": _WAIT_LIMITS, "limits": _WAIT_LIMITS}
        if is_guaranteed_without(pod, policy.wait_container_name)
        else {"requests": _WAIT_REQUESTS, "limits": _WAIT_LIMITS},
        "securityContext": {
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": _WAIT_USER,
            "runAsGroup": _WAIT_USER if group is None else group,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


DAEMONSET = ModeInjector(
    deny_options=_deny_options,
    deny_host_namespaces=lambda _pod, _options, _policy: None,
    added_container_name=lambda options, policy: policy.wait_container_name if options.wait else None,
    starts_before_init_containers=lambda _options: True,
    share_volumes=lambda _pod, _clients, _options, _policy: SharedVolumes((), ()),
    build_additions=_build_additions,
)
