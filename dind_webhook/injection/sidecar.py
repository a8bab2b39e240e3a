"""Sidecar mode: the pod gets its own Docker daemon."""

from dataclasses import dataclass, replace
from functools import lru_cache

from dind_webhook.injection.additions import NO_DIRECTORIES, Additions
from dind_webhook.injection.constants import PREFIX
from dind_webhook.injection.daemon_files import (
    CA_DIRECTORY,
    CA_SEARCH_PATH,
    CA_VARIABLE,
    DAEMON_CONFIG_DIRECTORY,
    ca_source,
    files_source,
)
from dind_webhook.injection.decision import Denial, Mode, Reason
from dind_webhook.injection.docker_client import client_mounts_of, client_source_mounts, client_volumes
from dind_webhook.injection.docker_config import (
    DOCKER_CONFIG_DIRECTORY,
    client_config_of,
    find_config_directories,
    registry_source,
    writable_config_volume,
)
from dind_webhook.injection.docker_paths import (
    DATA_ROOT,
    DEFAULT_DIR_WARNING,
    DEFAULT_SOCKET,
    SOCKET_LINK_NAME,
    SOCKET_NAME,
    is_default_socket_dir,
    unix_socket_address,
)
from dind_webhook.injection.isolation import METRICS_PORT, Profile, metrics_flag, pod_members, profile_of
from dind_webhook.injection.message_parts import truncate_warning, warn_of_names
from dind_webhook.injection.mirrors import (
    DOCKER_HUB,
    mirror_variables,
    mirrors_with_a_flag,
    warn_of_unwritten_mirrors,
)
from dind_webhook.injection.mode_injector import ModeInjector
from dind_webhook.injection.options import ClientConfig, DataSource, Isolation, Options, Placement, StorageMedium
from dind_webhook.injection.policy import Policy
from dind_webhook.injection.proxy import client_variables, daemon_variables
from dind_webhook.injection.qos import can_be_guaranteed, is_guaranteed_without
from dind_webhook.injection.selection import Selection
from dind_webhook.injection.service_account_token import token_mounts
from dind_webhook.injection.shared_volumes import SharedVolumes, share_volumes
from dind_webhook.injection.start_script import ISOLATION_VARIABLE, start_command
from dind_webhook.injection.wait_script import wait_script
from dind_webhook.model import JsonObject, Mount, Pod, parse_image, parse_quantity

METRICS_PORT_NAME = "dind-metrics"
SNAPSHOT_GROUP = "snapshot.storage.k8s.io"
_START_SECONDS = 180
# Insecure registries without a flag. Since Docker 29.10, the first --insecure-registry replaces this default.
_LOOPBACK_NETWORKS = ("127.0.0.0/8", "::1/128")
# Tags of the official image that were last built for Docker 19.03
_FROZEN_TAGS = ("stable", "edge", "test")


@dataclass
class _SharedAdditions:
    """The additions that all pods with these options share. They are cached and must never be changed."""

    volumes: tuple[JsonObject, ...]
    container: JsonObject
    mounts: tuple[Mount, ...]
    client_env: JsonObject
    client_mounts: tuple[Mount, ...]
    client_config: ClientConfig | None
    proxy_variables: tuple[JsonObject, ...]
    pod_members: JsonObject
    evictable: tuple[str, ...]
    warnings: tuple[str, ...]


def _build_additions(
    pod: Pod, options: Options, policy: Policy, selection: Selection, shared: SharedVolumes
) -> Additions:
    """Return the additions of a pod in sidecar mode."""
    is_native = options.placement is Placement.NATIVE
    is_limited = _is_on_disk(options) and _limits_ephemeral_storage(pod, policy)
    options = _fit_ephemeral_storage(options, policy, is_limited=is_limited)
    template = _build_template(options, policy)
    warnings = [*template.warnings, *shared.warnings]
    if is_limited and not options.ephemeral_storage_limit:
        warnings.append(
            f"the pod's ephemeral-storage limit counts the daemon's storage too: set {PREFIX}ephemeral-storage-limit"
        )
    if is_guaranteed_without(pod, policy.container_name) and not can_be_guaranteed(template.container):
        warnings.append(
            f"the pod loses class Guaranteed: {policy.container_name} needs requests equal to its CPU and memory limits"
        )
    if options.storage_data_source and _has_fs_group(pod):
        warnings.append(
            "spec.securityContext.fsGroup: kubelet gives that group every file in the copied storage, those of images "
            "too, unless fsGroupPolicy of the CSI driver is None"
        )
    if selection.early_containers:
        names = [container.name for container in selection.early_containers]
        warnings.append(warn_of_names("these init containers run before dind and cannot have Docker", names))
    if not is_native and pod.spec.restart_policy in ("Never", "OnFailure"):
        warnings.append("dind is an ordinary container here: the pod will not complete while it runs")
    volumes, evictable = template.volumes, template.evictable
    directories = NO_DIRECTORIES
    if template.client_config is None:
        directories = find_config_directories(pod, selection.clients, policy.config_volume)
    if directories.mounts:
        volumes += (writable_config_volume(policy.config_volume),)
        evictable += (policy.config_volume,)
    return Additions(
        mode=Mode.SIDECAR,
        volumes=volumes,
        container=template.container,
        container_mounts=(*template.mounts, *shared.mounts, *token_mounts(pod)),
        as_container=not is_native,
        clients=selection.clients,
        client_env=template.client_env,
        client_mounts=template.client_mounts,
        client_config=template.client_config,
        config_directories=directories,
        proxy_variables=template.proxy_variables,
        pod_members=template.pod_members,
        tcp=options.tcp,
        supplemental_group=options.group,
        evictable=evictable,
        node_selector=policy.node_selector,
        tolerations=policy.tolerations,
        image_pull_secrets=policy.image_pull_secrets,
        warnings=tuple(warnings),
    )


def _fit_ephemeral_storage(options: Options, policy: Policy, *, is_limited: bool) -> Options:
    """Return the options with the amounts of ephemeral storage that fit the daemon's storage and the pod.

    kubelet evicts a pod whose emptyDirs, logs and container layers together exceed the sum of its containers' limits,
    even if only one container states a limit (`podEphemeralStorageLimitEviction` in pkg/kubelet/eviction). `is_limited`
    tells whether one does.
    """
    if not (_is_on_disk(options) and policy.storage):
        # A limit without a request would be a request of the same amount.
        return options if options.ephemeral_storage_limit else replace(options, ephemeral_storage_request=None)
    if options.ephemeral_storage_limit or not options.storage_size or not is_limited:
        return options
    size, request = options.storage_size, options.ephemeral_storage_request
    # The API server refuses a request above the limit.
    is_enough = not request or parse_quantity(request) <= parse_quantity(size)
    return replace(options, ephemeral_storage_limit=size if is_enough else request)


def _is_on_disk(options: Options) -> bool:
    return options.storage_medium is StorageMedium.DISK and not options.has_storage_claim


def _has_fs_group(pod: Pod) -> bool:
    security = pod.spec.security_context
    return security is not None and security.fs_group is not None


def _limits_ephemeral_storage(pod: Pod, policy: Policy) -> bool:
    """Return whether one of the pod's own containers states an ephemeral-storage limit."""
    for container in pod.all_containers:
        resources = container.raw.resources
        is_limited = resources is not None and "ephemeral-storage" in (resources.limits or ())
        if is_limited and container.name != policy.container_name:
            return True
    return False


# The texts of options are bounded, so the cache is bounded too.
@lru_cache(maxsize=32)
def _build_template(options: Options, policy: Policy) -> _SharedAdditions:
    is_native = options.placement is Placement.NATIVE
    profile = profile_of(options.isolation, policy)
    has_socket_link = (
        is_native and policy.docker_sock and profile.has_exec and not is_default_socket_dir(options.socket_dir)
    )
    run_mount = Mount.at(options.socket_dir, policy.run_volume)
    link_mount = Mount.at(DEFAULT_SOCKET, policy.run_volume, SOCKET_LINK_NAME)
    volumes: tuple[JsonObject, ...] = ({"name": policy.run_volume, "emptyDir": {}},)
    mounts: tuple[Mount, ...] = (run_mount,)
    if policy.storage:
        volumes += ({"name": policy.storage_volume, **_build_storage_source(options)},)
        mounts += (Mount.at(DATA_ROOT, policy.storage_volume),)
    if options.daemon_files:
        volumes += ({"name": policy.files_volume, **files_source(options.daemon_files)},)
        mounts += (Mount.at(DAEMON_CONFIG_DIRECTORY, policy.files_volume, read_only=True),)
    if options.ca:
        volumes += ({"name": policy.ca_volume, **ca_source(options.ca)},)
        mounts += (Mount.at(CA_DIRECTORY, policy.ca_volume, read_only=True),)
    client_mounts: tuple[Mount, ...] = (run_mount, link_mount) if has_socket_link else (run_mount,)
    client_config = client_config_of(options, has_start_script=policy.start_script)
    if options.registry_secret:
        volumes += ({"name": policy.registry_volume, **registry_source(options.registry_secret)},)
        client_mounts += (Mount.at(DOCKER_CONFIG_DIRECTORY, policy.registry_volume, read_only=True),)
    if options.client:
        # Whether a runtime can map the users of an image volume, or a sandbox can mount one, is not known.
        has_image_volume = policy.image_volumes and options.isolation is Isolation.NONE
        volumes += client_volumes(policy, options.image, has_image_volume=has_image_volume)
        mounts += client_source_mounts(policy, has_image_volume=has_image_volume)
        client_mounts += client_mounts_of(policy, options.client, has_image_volume=has_image_volume)
    return _SharedAdditions(
        volumes,
        _build_container(options, policy, profile, is_native=is_native, has_socket_link=has_socket_link),
        mounts,
        {"name": "DOCKER_HOST", "value": unix_socket_address(options.socket_dir)},
        client_mounts,
        client_config,
        client_variables(options) if policy.proxy_clients else (),
        pod_members(options.isolation, policy),
        tuple(volume["name"] for volume in volumes if "emptyDir" in volume),
        tuple(_option_warnings(options, client_config, policy)),
    )


def _deny_options(options: Options, policy: Policy) -> Denial | None:
    if options.client is None or policy.start_script:
        return None
    return Denial(
        Reason.INVALID_OPTION,
        f"annotation {PREFIX}client: the start script of the daemon puts the client there, and this {policy.scope}'s "
        "operator has turned start_script off; remove the annotation, and use an image with the docker command",
    )


def _deny_host_namespaces(pod: Pod, options: Options, policy: Policy) -> Denial | None:
    if pod.spec.host_network is True and not policy.allow_host_network:
        return Denial(
            Reason.HOST_NETWORK,
            "spec.hostNetwork is true: the daemon would put its bridge and firewall rules on the node; "
            f"remove it, or use {PREFIX}inject: {Mode.DAEMONSET}",
        )
    if pod.spec.host_network is True and options.metrics_port is not None:
        return Denial(
            Reason.HOST_NETWORK,
            f"spec.hostNetwork is true: the daemon's metrics would be on port {options.metrics_port} of the node, for "
            f"everyone who reaches the node; remove it, or have {PREFIX}metrics-port unset",
        )
    if pod.spec.host_pid is True and not policy.allow_host_pid:
        return Denial(
            Reason.HOST_PID,
            "spec.hostPID is true: whoever uses the daemon could see and end every process of the node; "
            f"remove it, or use {PREFIX}inject: {Mode.DAEMONSET}",
        )
    if pod.spec.host_ipc is True and not policy.allow_host_ipc:
        return Denial(
            Reason.HOST_IPC,
            "spec.hostIPC is true: the daemon would share the node's IPC namespace; "
            f"remove it, or use {PREFIX}inject: {Mode.DAEMONSET}",
        )
    return None


def _build_storage_source(options: Options) -> JsonObject:
    if options.has_storage_claim:
        claim: JsonObject = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": options.storage_size}},
        }
        if options.storage_class:
            claim["storageClassName"] = options.storage_class
        if options.storage_data_source:
            claim["dataSource"] = _build_data_source(options.storage_data_source)
        return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
    empty_dir: JsonObject = {}
    if options.storage_medium is StorageMedium.MEMORY:
        empty_dir["medium"] = "Memory"
    if options.storage_size:
        empty_dir["sizeLimit"] = options.storage_size
    return {"emptyDir": empty_dir}


def _build_data_source(source: DataSource) -> JsonObject:
    reference: JsonObject = {"kind": source.kind, "name": source.name}
    # Claims are in the core group, which has no name.
    return {"apiGroup": SNAPSHOT_GROUP, **reference} if source.kind == "VolumeSnapshot" else reference


def _build_container(
    options: Options, policy: Policy, profile: Profile, *, is_native: bool, has_socket_link: bool
) -> JsonObject:
    container: JsonObject = {"name": policy.container_name, "image": options.image}
    if policy.image_pull_policy:
        container["imagePullPolicy"] = policy.image_pull_policy
    if is_native:
        container["restartPolicy"] = "Always"
    if policy.start_script:
        container["command"] = start_command()
    container["args"] = _dockerd_arguments(options, policy, profile)
    if env := _build_environment(options, policy, profile):
        container["env"] = env
    container.update(_build_ports(options))
    if resources := _build_resources(options):
        container["resources"] = resources
    container["securityContext"] = profile.security_context
    docker = ["docker", f"--host={unix_socket_address(options.socket_dir)}"]
    # The hook of the link waits for the daemon, and a probe after it would cost a second more: decision 0029.
    if is_native and policy.startup_probe and not has_socket_link:
        container["startupProbe"] = {
            **_probe_action(profile, [*docker, "version"]),
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": _START_SECONDS,
        }
    if has_socket_link:
        container["lifecycle"] = {
            "postStart": {"exec": {"command": ["sh", "-c", _link_script(docker, options.socket_dir)]}}
        }
    return container


def _build_environment(options: Options, policy: Policy, profile: Profile) -> list[JsonObject]:
    env = options.env
    if options.ca:
        env = (*env, (CA_VARIABLE, CA_SEARCH_PATH))
    env = (*env, *daemon_variables(options, writes_client_config=policy.start_script))
    if profile.needs_user_namespace:
        env = (*env, (ISOLATION_VARIABLE, options.isolation))
    variables: list[JsonObject] = [{"name": name, "value": value} for name, value in env]
    return variables + mirror_variables(options) if policy.start_script else variables


def _probe_action(profile: Profile, command: list[str]) -> JsonObject:
    if profile.has_exec:
        return {"exec": {"command": command}}
    # With the scheme, which the API server would add: the strict policy compares the probe.
    return {"httpGet": {"path": "/metrics", "port": METRICS_PORT, "scheme": "HTTP"}}


def _dockerd_arguments(options: Options, policy: Policy, profile: Profile) -> list[str]:
    # The first argument is dockerd itself. The image's entrypoint then opens no TCP port and creates no TLS keys, but
    # still removes stale pid files and chooses iptables.
    arguments = ["dockerd", f"--host={unix_socket_address(options.socket_dir)}"]
    if policy.docker_sock and not is_default_socket_dir(options.socket_dir):
        # For `docker run -v /var/run/docker.sock:…`: the daemon looks the path up in its own file system.
        arguments.append(f"--host=unix://{DEFAULT_SOCKET}")
    if options.tcp:
        arguments.append(f"--host=tcp://{options.tcp}")
        if policy.tls_flag:
            arguments.append("--tls=false")
    if options.group is not None:
        arguments.append(f"--group={options.group}")
    if options.mtu is not None:
        # The first flag reaches only the default bridge, the second the networks that users create.
        arguments.append(f"--mtu={options.mtu}")
        arguments.append(f"--default-network-opt=bridge=com.docker.network.driver.mtu={options.mtu}")
    arguments += [f"--registry-mirror={mirror.url}" for mirror in mirrors_with_a_flag(options)]
    if options.insecure_registries:
        registries = (*options.insecure_registries, *_LOOPBACK_NETWORKS)
        arguments += [f"--insecure-registry={registry}" for registry in registries]
    arguments += [f"--default-address-pool={pool}" for pool in options.address_pools]
    arguments += profile.dockerd_arguments
    # With kata, the profile has the flag already: `contradictions` denies another port.
    if options.metrics_port is not None and metrics_flag(options.metrics_port) not in arguments:
        arguments.append(metrics_flag(options.metrics_port))
    arguments += options.dockerd_args
    return arguments


def _build_ports(options: Options) -> JsonObject:
    if options.metrics_port is None:
        return {}
    # With the protocol, which the API server would add. The name is not a common one: a PodMonitor selects by it, and
    # the pod's own containers may have a port "metrics".
    return {"ports": [{"name": METRICS_PORT_NAME, "containerPort": options.metrics_port, "protocol": "TCP"}]}


def _build_resources(options: Options) -> JsonObject:
    amounts = {
        "requests": {
            "cpu": options.cpu_request,
            "memory": options.memory_request,
            "ephemeral-storage": options.ephemeral_storage_request,
        },
        "limits": {
            "cpu": options.cpu_limit,
            "memory": options.memory_limit,
            "ephemeral-storage": options.ephemeral_storage_limit,
        },
    }
    set_amounts = {kind: {name: text for name, text in texts.items() if text} for kind, texts in amounts.items()}
    return {kind: texts for kind, texts in set_amounts.items() if texts}


def _link_script(docker: list[str], socket_dir: str) -> str:
    # Bounded: kubelet waits for the hook, and restarts the container if the hook fails.
    socket, link = f"{socket_dir}/{SOCKET_NAME}", f"{socket_dir}/{SOCKET_LINK_NAME}"
    # dockerd listens long before it answers, so a client that finds the socket waits for the answer.
    wait = wait_script(" ".join(docker), _START_SECONDS, "0.1", "exit 1", socket)
    # If another webhook moved a container in front of the daemon, kubelet has created a directory there.
    return f"{wait}; [ ! -d {link} ] || rmdir {link}; ln -f {socket} {link}"


def _option_warnings(options: Options, client_config: ClientConfig | None, policy: Policy) -> list[str]:
    warnings = []
    can = "is root on the node" if options.isolation is Isolation.NONE else "can use the daemon"
    if options.tcp and not options.tcp.is_loopback:
        warnings.append(truncate_warning(f"dockerd on tcp://{options.tcp} has no TLS: whoever reaches it {can}"))
    if is_default_socket_dir(options.socket_dir):
        warnings.append(DEFAULT_DIR_WARNING)
    networks = [registry for registry in options.insecure_registries if "/" in registry]
    if networks and any(mirror.registry == DOCKER_HUB for mirror in options.registry_mirrors):
        warnings.append(warn_of_names("Docker Hub's certificate is not checked if a mirror's address is in", networks))
    if not policy.start_script:
        warnings += warn_of_unwritten_mirrors(options)
    if options.proxy and options.registry_secret:
        warnings.append("docker build and docker run get no proxy unless the Secret of registry-secret has proxies")
    elif options.proxy and client_config is None:
        warnings.append("docker build and docker run get no proxy: the operator has turned start_script off")
    image = parse_image(options.image)
    if (image.domain, image.path) == ("docker.io", "library/docker") and image.tag.split("-")[0] in _FROZEN_TAGS:
        warnings.append(truncate_warning(f"image {options.image} is frozen at Docker 19.03 and gets no security fixes"))
    return warnings


SIDECAR = ModeInjector(
    deny_options=_deny_options,
    deny_host_namespaces=_deny_host_namespaces,
    added_container_name=lambda _options, policy: policy.container_name,
    starts_before_init_containers=lambda options: options.placement is Placement.NATIVE,
    share_volumes=share_volumes,
    build_additions=_build_additions,
)
