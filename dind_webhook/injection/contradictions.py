"""Options that contradict each other."""

from dind_webhook.injection.constants import PREFIX
from dind_webhook.injection.daemon_files import CA_VARIABLE
from dind_webhook.injection.hosts import find_ip_address, host_of, parse_network
from dind_webhook.injection.isolation import METRICS_PORT
from dind_webhook.injection.message_parts import quote
from dind_webhook.injection.mirrors import hosts_path, mirrors_with_a_flag
from dind_webhook.injection.options import Isolation, Options, StorageMedium
from dind_webhook.model import PathSet, clean_path, is_loopback, parse_quantity


def find_contradictions(options: Options) -> list[str]:
    """Return a sentence for each pair of options that contradict each other."""
    problems = []
    for resource, request, limit in (
        ("cpu", options.cpu_request, options.cpu_limit),
        ("memory", options.memory_request, options.memory_limit),
        ("ephemeral-storage", options.ephemeral_storage_request, options.ephemeral_storage_limit),
    ):
        if request and limit and parse_quantity(request) > parse_quantity(limit):
            problems.append(
                f"{PREFIX}{resource}-request is {request}, more than {PREFIX}{resource}-limit, which is {limit}; "
                f"lower the request or set a limit of {request} or more"
            )
    if options.client and PathSet.from_paths(clean_path(options.socket_dir)).overlaps(clean_path(options.client)):
        problems.append(
            f"{PREFIX}client is {options.client}, which overlaps {PREFIX}socket-dir, {options.socket_dir}; "
            "change one of them"
        )
    if options.storage_medium is StorageMedium.MEMORY:
        problems += [
            f"{PREFIX}{name} cannot be combined with {PREFIX}storage-medium Memory; remove one"
            for name, value in (
                ("storage-class", options.storage_class),
                ("storage-data-source", options.storage_data_source),
            )
            if value
        ]
    problems += _find_mirrors_without_tls(options)
    problems += _find_mirrors_with_files(options)
    if options.ca and any(name == CA_VARIABLE for name, _ in options.env):
        problems.append(f"{PREFIX}env sets {CA_VARIABLE}, which {PREFIX}ca sets; remove it there")
    if options.metrics_port is not None:
        problems += _find_metrics_conflicts(options, options.metrics_port)
    if options.has_storage_claim and not options.storage_size:
        problems.append(f"{PREFIX}storage-size is needed for a volume; set it")
    return problems


def _find_metrics_conflicts(options: Options, port: int) -> list[str]:
    """Return a sentence for each option with which dockerd cannot serve its metrics on this port."""
    problems = []
    if any(argument.partition("=")[0] == "--metrics-addr" for argument in options.dockerd_args):
        problems.append(
            f"{PREFIX}dockerd-args sets --metrics-addr, which {PREFIX}metrics-port sets; remove one of them"
        )
    if options.tcp and options.tcp.port == port:
        problems.append(f"{PREFIX}metrics-port and {PREFIX}tcp have the same port, {port}; change one of them")
    if options.isolation is Isolation.KATA and port != METRICS_PORT:
        problems.append(
            f"{PREFIX}metrics-port is {port}, but with {PREFIX}isolation: {options.isolation} the startup probe reads "
            f"the metrics on port {METRICS_PORT}; set it to {METRICS_PORT}"
        )
    return problems


def _find_mirrors_without_tls(options: Options) -> list[str]:
    """Return a sentence for each mirror of Docker Hub that makes dockerd trust any certificate for Docker Hub itself.

    Since version 28, dockerd uses one TLS client for Docker Hub and its mirrors. The client trusts any certificate if
    one of the mirrors is an insecure registry (`mergeLegacyConfig` in moby's daemon/hosts.go). Loopback always is one.
    """
    insecure = {registry.lower() for registry in options.insecure_registries}
    networks = [parse_network(registry) for registry in insecure if "/" in registry]
    problems = []
    for mirror in mirrors_with_a_flag(options):
        url = mirror.url
        host = url.partition("://")[2].partition("/")[0]
        name = host_of(host)
        address = find_ip_address(name)
        problem = None
        if is_loopback(name) or name.endswith(".localhost"):
            problem = "is on loopback, which dockerd trusts without a certificate; give the mirror another address"
        elif host in insecure or (address and any(address in network for network in networks)):
            problem = f"is in {PREFIX}insecure-registries too; remove it there, a mirror of plain HTTP needs no entry"
        if problem:
            problems.append(
                f"{PREFIX}registry-mirrors: {quote(url)} {problem} (dockerd would no longer check the certificate of "
                "Docker Hub itself)"
            )
    return problems


def _find_mirrors_with_files(options: Options) -> list[str]:
    """Return a sentence for each registry that has both a mirror and a hosts.toml among the daemon's files."""
    paths = [file.path for file in options.daemon_files]
    problems = []
    for mirror in options.registry_mirrors:
        path = hosts_path(mirror.registry)
        if path in paths:
            problems.append(
                f"{PREFIX}registry-mirrors has {quote(mirror.registry)}, and {PREFIX}daemon-files has {quote(path)}; "
                "remove one of them"
            )
    return problems
