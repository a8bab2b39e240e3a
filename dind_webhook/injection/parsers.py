"""Parsers of the texts of annotations, as strict as Kubernetes and Docker.

Each parser returns the value, or raises ValueError with the rest of a sentence that begins with the text.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import orjson

from dind_webhook.injection.constants import PREFIX
from dind_webhook.injection.daemon_files import DAEMON_CONFIG_DIRECTORY, find_colliding_paths
from dind_webhook.injection.docker_paths import (
    DEFAULT_CLIENT_DIRECTORY,
    SHARED_DIRECTORIES,
    SOCKET_LINK_NAME,
    hides_daemon_files,
)
from dind_webhook.injection.hosts import find_ip_address, host_of
from dind_webhook.injection.message_parts import quote
from dind_webhook.injection.mirrors import ALL_REGISTRIES, DOCKER_HUB
from dind_webhook.injection.options import DaemonFile, DataSource, Mirror, TcpAddress
from dind_webhook.injection.start_script import OWN_VARIABLES
from dind_webhook.model import clean_path, is_dns_label, is_dns_subdomain, is_loopback, parse_image, parse_quantity

_Choice = TypeVar("_Choice", bound=StrEnum)

# kubelet reserves names that begin with two dots. Hosts of registries have colons, and IPv6 ones brackets.
_DAEMON_PATH = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9._:\[\]-]*(/[A-Za-z0-9_\[][A-Za-z0-9._:\[\]-]*)*")
_MAX_DAEMON_PATH_LENGTH = 512
# ValidateConfigMapKey in k8s.io/apimachinery, also for Secrets
_OBJECT_KEY = re.compile(r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]{1,253}")
_VOLUME_KINDS = {"configmap": "configMap", "secret": "secret"}
# As kubectl calls them
DATA_SOURCE_KINDS = {"pvc": "PersistentVolumeClaim", "volumesnapshot": "VolumeSnapshot"}
# sun_path holds 108 bytes, including the closing zero (unix(7)).
_MAX_SOCKET_DIR_LENGTH = 107 - len(f"/{SOCKET_LINK_NAME}")
REFUSED_VARIABLES = frozenset({"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"})
# All flags of `dockerd --help` (29.8) that listen, except --host, which injection sets. The help hides
# --network-diagnostic-port, which listens on loopback only.
LISTENING_FLAGS = frozenset({"--metrics-addr"})
ENDING_FLAGS = frozenset({"help", "validate", "version"})
OWNED_FLAGS: Mapping[str, str | None] = {
    "host": "tcp",
    "group": "group",
    "mtu": "mtu",
    "default-network-opt": "mtu",
    "registry-mirror": "registry-mirrors",
    "insecure-registry": "insecure-registries",
    "default-address-pool": "address-pools",
    "tls": None,
    "tlsverify": None,
    "tlscacert": None,
    "tlscert": None,
    "tlskey": None,
    "data-root": None,
    "graph": None,
    "exec-root": None,
    "pidfile": None,
    "config-file": "daemon-files",
}


def _split_items(text: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in text.split(","))
    if not all(items):
        raise ValueError("has an empty item; items are separated by single commas")
    return items


def parse_names(text: str) -> tuple[str, ...]:
    names = _split_items(text)
    for name in names:
        if not is_dns_label(name):
            raise ValueError(f"has an item that is not the name of a container or volume: {quote(name)}")
    return names


def parse_boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError('must be "true" or "false"')
    return text == "true"


def choice_parser(choices: type[_Choice]) -> Callable[[str], _Choice]:
    """Return a parser that accepts only the values of an enum."""
    accepted = " or ".join(f'"{choice}"' for choice in choices)

    def parse(text: str) -> _Choice:
        if text not in set(choices):
            raise ValueError(f"must be {accepted}")
        return choices(text)

    return parse


def parse_shared_volumes(text: str) -> bool | tuple[str, ...]:
    return parse_boolean(text) if text in ("true", "false") else parse_names(text)


def parse_cpu(text: str) -> str:
    if parse_quantity(text) <= 0:
        raise ValueError("must be more than 0")
    return text


def parse_byte_size(text: str) -> str:
    size = parse_quantity(text)
    if size <= 0 or size != size.to_integral_value():
        raise ValueError("must be a whole number of bytes, more than 0, such as 512Mi")
    return text


def limit_parser(parse: Callable[[str], str]) -> Callable[[str], str | None]:
    """Return a parser that also accepts `none`, which unsets a limit."""

    def parse_limit(text: str) -> str | None:
        return None if text == "none" else parse(text)

    return parse_limit


def whole_number_parser(low: int, high: int) -> Callable[[str], int]:
    """Return a parser that accepts the whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def parse_storage_class(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError("is not the name of a StorageClass")
    return text


def parse_data_source(text: str) -> DataSource:
    prefix, slash, name = text.partition("/")
    kind = DATA_SOURCE_KINDS.get(prefix)
    if kind is None or not slash:
        raise ValueError("must be pvc/NAME or volumesnapshot/NAME, of the pod's own namespace")
    if not is_dns_subdomain(name):
        raise ValueError(f"does not end with the name of a {kind}")
    return DataSource(kind, name)


def parse_daemon_image(text: str) -> str:
    image = parse_image(text)
    if not image.tag and not image.digest:
        raise ValueError("has neither a tag nor a digest")
    return text


def parse_socket_dir(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+", text) or len(text) > _MAX_SOCKET_DIR_LENGTH:
        raise ValueError(
            "must be an absolute path of plain names (A-Z a-z 0-9 . _ -) without a closing slash, at most "
            f"{_MAX_SOCKET_DIR_LENGTH} characters"
        )
    if text.endswith(".sock"):
        raise ValueError("must be the directory of the socket, not the socket")
    if hides_daemon_files(text):
        raise ValueError(
            "would hide files that the daemon or the container needs; a directory such as /run/dind does not"
        )
    return text


def parse_client(text: str) -> str | None:
    """Return the directory of the Docker client in the containers, or None for no client."""
    if text in {"true", "false"}:
        return DEFAULT_CLIENT_DIRECTORY if text == "true" else None
    if not re.fullmatch(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+", text):
        raise ValueError(
            "must be true, false or an absolute path of plain names (A-Z a-z 0-9 . _ -) without a closing slash"
        )
    path = clean_path(text)
    if text != DEFAULT_CLIENT_DIRECTORY and (hides_daemon_files(text) or f"{path}/".startswith("/run/")):
        raise ValueError("would hide files that the containers need; a directory such as /opt/docker does not")
    if path in SHARED_DIRECTORIES:
        raise ValueError(
            f"would hide all that images have in {path}; a directory in it, such as {path}/docker, does not"
        )
    return text


def parse_registry_mirrors(text: str) -> tuple[Mirror, ...]:
    mirrors = tuple(map(_parse_mirror, _split_items(text)))
    registries = [mirror.registry for mirror in mirrors]
    for registry in registries:
        if registries.count(registry) > 1:
            raise ValueError(f"has two mirrors of {quote(registry)}; a registry has one")
    return mirrors


def _parse_mirror(item: str) -> Mirror:
    """Return the mirror in REGISTRY=URL, or in a URL, which is one of Docker Hub."""
    registry, equals, url = item.partition("=")
    if not equals or "/" in registry:
        registry, url = DOCKER_HUB, item
    registry = registry.lower()
    if registry != ALL_REGISTRIES and not _is_registry_name(registry):
        raise ValueError(
            f"has an item that does not begin with a registry as images name it, such as docker.io, or *: {quote(item)}"
        )
    if url == "none":
        return Mirror(registry, "")
    if re.fullmatch("node:[0-9]+", url, re.IGNORECASE):
        url = f"http://{url}"
    match = re.fullmatch(r"(https?://)([^/]+)((?:/[A-Za-z0-9._~/-]*)?)", url)
    if match is None or not _is_host_and_port(match[2]):
        raise ValueError(f"has an item that is not an http(s) URL of a registry: {quote(url)}")
    return Mirror(registry, f"{match[1]}{match[2].lower()}{match[3]}")


def _is_registry_name(text: str) -> bool:
    """Return whether the part of an image reference before its first slash can be a registry.

    See `splitDockerDomain` in github.com/distribution/reference: other names are parts of paths on Docker Hub.
    """
    is_name = _is_host_and_port(text) and ("." in text or ":" in text or text == "localhost")
    return is_name and text not in ("index.docker.io", "registry-1.docker.io")


def parse_insecure_registries(text: str) -> tuple[str, ...]:
    registries = _split_items(text)
    for registry in registries:
        if not (_is_cidr(registry) or _is_host_and_port(registry)):
            raise ValueError(f"has an item that is neither HOST[:PORT] nor a CIDR: {quote(registry)}")
    return registries


def parse_address_pools(text: str) -> tuple[str, ...]:
    return tuple(_parse_address_pool(item) for item in _split_items(text))


def _parse_address_pool(item: str) -> str:
    base, _, size = item.rpartition(":")
    if not _is_cidr(base) or not re.fullmatch(r"[0-9]{1,3}", size):
        raise ValueError(f"has an item that is not CIDR:SIZE, such as 10.200.0.0/16:24: {quote(item)}")
    network = ipaddress.ip_network(base)
    if not network.prefixlen <= int(size) <= network.max_prefixlen:
        raise ValueError(f"has a pool whose networks do not fit into its base: {quote(item)}")
    return f"base={base},size={size}"


def parse_tcp_address(text: str) -> TcpAddress:
    match = re.fullmatch(r"(?:\[([0-9a-f:]+)\]|([0-9.]+|localhost)):([0-9]{1,5})", text)
    host = (match[1] or match[2]) if match else ""
    try:
        is_address = host == "localhost" or bool(ipaddress.ip_address(host))
    except ValueError:
        is_address = False
    if match is None or not is_address or not 1 <= int(match[3]) <= 65535:
        raise ValueError("must be ADDRESS:PORT, such as 127.0.0.1:2375 or [::1]:2375")
    return TcpAddress(host, int(match[3]))


def parse_config_map(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError("is not the name of a ConfigMap")
    return text


def parse_secret(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError("is not the name of a Secret")
    return text


def parse_proxy(text: str) -> str:
    match = re.fullmatch(r"https?://([^/?#]+)/?", text)
    if "@" in text:
        raise ValueError(
            "has a name or password, which everybody who may read the pod would see; let a Secret have it, in the "
            f"proxies of a daemon.json ({PREFIX}daemon-files)"
        )
    if match is None or not _is_host_and_port(match[1]):
        raise ValueError("is not the URL of a proxy, such as http://proxy.corp.example:3128")
    return text


def parse_no_proxy(text: str) -> tuple[str, ...]:
    hosts = _split_items(text)
    for host in hosts:
        is_address = find_ip_address(host) is not None and "%" not in host
        if not (is_address or _is_cidr(host) or _is_host_and_port(host.removeprefix("."))):
            raise ValueError(f"has an item that is not a name, domain, address or CIDR: {quote(host)}")
    return hosts


def parse_daemon_files(text: str) -> tuple[DaemonFile, ...]:
    files = tuple(map(_parse_daemon_file, _split_items(text)))
    if collision := find_colliding_paths([file.path for file in files]):
        first, second = map(quote, collision)
        raise ValueError(f"has {first} twice" if first == second else f"has {first} both as a file and above {second}")
    return files


def _parse_daemon_file(item: str) -> DaemonFile:
    path, equals, source = item.partition("=")
    kind, _, reference = source.partition("/")
    name, _, key = reference.partition("/")
    if not equals or kind not in _VOLUME_KINDS:
        raise ValueError(f"has an item that is neither PATH=configmap/NAME/KEY nor PATH=secret/NAME/KEY: {quote(item)}")
    if not _DAEMON_PATH.fullmatch(path) or len(path) > _MAX_DAEMON_PATH_LENGTH:
        raise ValueError(
            f"has a path that is not below {DAEMON_CONFIG_DIRECTORY}, such as certs.d/registry:5000/ca.crt: "
            f"{quote(path)}"
        )
    if not is_dns_subdomain(name):
        raise ValueError(f"has an item without the name of a ConfigMap or Secret: {quote(item)}")
    if not _OBJECT_KEY.fullmatch(key):
        raise ValueError(f"has an item without a key of a ConfigMap or Secret: {quote(item)}")
    return DaemonFile(path, _VOLUME_KINDS[kind], name, key)


def parse_environment(text: str) -> tuple[tuple[str, str], ...]:
    variables = _parse_json(text)
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise ValueError('must be a JSON object of strings, such as {"HTTPS_PROXY": "http://proxy:3128"}')
    for name in variables:
        if not re.fullmatch(r"[ -<>-~]+", name):
            raise ValueError(f"has a name that no environment variable can have: {quote(name)}")
        if name in REFUSED_VARIABLES:
            raise ValueError(f"sets {name}, which points the daemon's own client away from its socket")
        if name in OWN_VARIABLES:
            raise ValueError(f"sets {name}, which only the webhook sets")
        if "\0" in variables[name]:
            raise ValueError(f"has a value with a NUL character: {quote(name)}")
    return tuple(variables.items())


def parse_dockerd_args(text: str) -> tuple[str, ...]:
    arguments = _parse_json(text)
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise ValueError('must be a JSON array of strings, such as ["--log-level=debug"]')
    for argument in arguments:
        # Only long flags with their value in one piece: a short form such as "-DHtcp://…" could hide another flag.
        match = re.fullmatch(r"--([a-z0-9][a-z0-9-]*)(=[^\0]*)?", argument)
        if match is None:
            raise ValueError(f"has an item that is not of the form --flag or --flag=value: {quote(argument)}")
        if match[1] in OWNED_FLAGS:
            option = OWNED_FLAGS[match[1]]
            instead = f"; use {PREFIX}{option}" if option else ""
            raise ValueError(f"sets --{match[1]}, which is reserved for injection{instead}")
        if match[1] in ENDING_FLAGS:
            raise ValueError(f"has --{match[1]}, which makes dockerd exit at once")
    return tuple(arguments)


def find_strings(text: str) -> list[str]:
    """Return the strings in a JSON array, or an empty list if the text is not a JSON array."""
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    return [item for item in items if isinstance(item, str)] if isinstance(items, list) else []


def listens_publicly(argument: str) -> bool:
    """Return whether a flag makes dockerd listen on an address that is not loopback."""
    flag, _, value = argument.partition("=")
    if flag not in LISTENING_FLAGS:
        return False
    return not is_loopback(host_of(value))


def _parse_json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error})") from None


def _is_cidr(text: str) -> bool:
    # dockerd accepts neither netmasks nor zones; ip_network accepts both.
    if not re.fullmatch(r"[0-9a-fA-F.:]+/(0|[1-9][0-9]{0,2})", text):
        return False
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _is_host_and_port(text: str) -> bool:
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", text)
    if match is None or not (find_ip_address(match[1]) if match[1] else _is_host(match[2])):
        return False
    return match[3] is None or 1 <= int(match[3]) <= 65535


def _is_host(text: str) -> bool:
    if not is_dns_subdomain(text.lower()):
        return False
    # Some resolvers read a name that ends in a number as an address: 127.1 is loopback.
    return not text.rpartition(".")[2].isdigit() or find_ip_address(text) is not None
