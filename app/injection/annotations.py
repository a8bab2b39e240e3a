"""The table of `dind.io/*` annotations. It drives parsing, messages, the reference page and its test."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from app.injection.decision import Denial, Mode, Reason
from app.injection.images import is_allowed_image
from app.injection.options import Address, Medium, Options, Placement, Policy
from app.injection.protected import hides_the_daemon
from app.model import is_dns_label, is_dns_subdomain, nearest, parse_image, parse_quantity

PREFIX = "dind.io/"
INJECT = PREFIX + "inject"
STATUS = PREFIX + "status"
SOCKET_NAME = "docker.sock"

_BOTH = frozenset(Mode)
_SIDECAR = frozenset({Mode.SIDECAR})
_DAEMONSET = frozenset({Mode.DAEMONSET})

# sun_path holds 108 bytes with its closing zero (unix(7)).
_LONGEST_SOCKET_DIR = 107 - len("/compat.sock")
_REFUSED_VARIABLES = frozenset({"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"})
_OWNED_FLAGS: Mapping[str, str | None] = {
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
    "exec-root": None,
    "pidfile": None,
    "config-file": None,
}


class Option(NamedTuple):
    """One per-pod option: a row of the table.

    `parse` turns the annotation's text into the member of `Options` of the same name and raises
    ValueError with the rest of a sentence that begins with the value. `default` is such a text; an
    empty one leaves the option unset, as `unset` says; a `required` one always has a value. `open`
    options may be set by pods unless the operator decides otherwise.
    """

    name: str
    parse: Callable[[str], Any]
    default: str
    accepts: str
    example: str
    help: str
    modes: frozenset[Mode] = _SIDECAR
    open: bool = False
    required: bool = False
    unset: Any = None

    @property
    def key(self) -> str:
        return PREFIX + self.name

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    def read(self, text: str) -> Any:
        """Return the value for a text, `unset` for an empty one."""
        return self.parse(text) if text else self.unset


def _items(text: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in text.split(","))
    if not all(items):
        raise ValueError("has an empty item; items are separated by single commas")
    return items


def _names(text: str) -> tuple[str, ...]:
    names = _items(text)
    for name in names:
        if not is_dns_label(name):
            raise ValueError(f"has an item that is no name of a container or volume: {_quote(name)}")
    return names


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError('must be "true" or "false"')
    return text == "true"


def _placement(text: str) -> Placement:
    if text not in set(Placement):
        raise ValueError(f"must be {_either(Placement)}")
    return Placement(text)


def _medium(text: str) -> Medium:
    if text not in set(Medium):
        raise ValueError(f"must be {_either(Medium)}")
    return Medium(text)


def _shared(text: str) -> bool | tuple[str, ...]:
    return _boolean(text) if text in ("true", "false") else _names(text)


def _cpu(text: str) -> str:
    if parse_quantity(text) <= 0:
        raise ValueError("must be more than 0")
    return text


def _bytes(text: str) -> str:
    size = parse_quantity(text)
    if size <= 0 or size != size.to_integral_value():
        raise ValueError("must be a whole number of bytes, more than 0, such as 512Mi")
    return text


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _storage_class(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError("is not the name of a StorageClass")
    return text


def _image(text: str) -> str:
    image = parse_image(text)
    if not image.tag and not image.digest:
        raise ValueError("has neither a tag nor a digest")
    return text


def _socket_dir(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+", text) or len(text) > _LONGEST_SOCKET_DIR:
        raise ValueError(
            f"must be an absolute path of plain names (A-Z a-z 0-9 . _ -), at most {_LONGEST_SOCKET_DIR} characters"
        )
    if hides_the_daemon(text):
        raise ValueError("would hide files that the daemon or the container needs; a directory such as /run/dind does not")
    return text


def _mirrors(text: str) -> tuple[str, ...]:
    urls = _items(text)
    for url in urls:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            valid = False
        if not valid or parts.username or parts.query or parts.fragment or re.search(r"[^!-~]", url):
            raise ValueError(f"has an item that is no http(s) URL of a registry: {_quote(url)}")
    return urls


def _registries(text: str) -> tuple[str, ...]:
    registries = _items(text)
    for registry in registries:
        if not (_is_cidr(registry) or _is_host_and_port(registry)):
            raise ValueError(f"has an item that is neither HOST[:PORT] nor a CIDR: {_quote(registry)}")
    return registries


def _pools(text: str) -> tuple[str, ...]:
    return tuple(_pool(item) for item in _items(text))


def _pool(item: str) -> str:
    base, _, size = item.rpartition(":")
    if not _is_cidr(base) or not re.fullmatch(r"[0-9]{1,3}", size):
        raise ValueError(f"has an item that is not CIDR:SIZE, such as 10.200.0.0/16:24: {_quote(item)}")
    network = ipaddress.ip_network(base)
    if not network.prefixlen <= int(size) <= network.max_prefixlen:
        raise ValueError(f"has a pool whose networks do not fit into its base: {_quote(item)}")
    return f"base={base},size={size}"


def _tcp(text: str) -> Address:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    try:
        known = host == "localhost" or str(ipaddress.ip_address(host)) == host
    except ValueError:
        known = False
    if not known or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError("must be ADDRESS:PORT, such as 127.0.0.1:2375")
    return Address(host, int(port))


def _env(text: str) -> tuple[tuple[str, str], ...]:
    variables = _json(text)
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise ValueError('must be a JSON object of strings, such as {"HTTPS_PROXY": "http://proxy:3128"}')
    for name in variables:
        if not re.fullmatch(r"[ -<>-~]+", name):
            raise ValueError(f"has a name that no environment variable can have: {_quote(name)}")
        if name in _REFUSED_VARIABLES:
            raise ValueError(f"sets {name}, which points the daemon's own client away from its socket")
    return tuple(variables.items())


def _dockerd_args(text: str) -> tuple[str, ...]:
    arguments = _json(text)
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise ValueError('must be a JSON array of strings, such as ["--log-level=debug"]')
    for argument in arguments:
        # Long flags with their value in one piece: what they set can be seen, and "-DHtcp://…" cannot hide in them.
        match = re.fullmatch(r"--([a-z0-9][a-z0-9-]*)(=.*)?", argument, re.DOTALL)
        if match is None:
            raise ValueError(f"has an item that is not of the form --flag or --flag=value: {_quote(argument)}")
        if match[1] in _OWNED_FLAGS:
            option = _OWNED_FLAGS[match[1]]
            instead = f"; use {PREFIX}{option}" if option else ""
            raise ValueError(f"sets --{match[1]}, which injection sets itself{instead}")
    return tuple(arguments)


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error})") from None


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text


def _is_host_and_port(text: str) -> bool:
    match = re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(:([0-9]{1,5}))?", text)
    return match is not None and (match[4] is None or 1 <= int(match[4]) <= 65535)


def _either(choices: type[Placement] | type[Medium]) -> str:
    return " or ".join(f'"{choice}"' for choice in choices)


def _quote(text: str) -> str:
    return '"' + (text if len(text) <= 64 else text[:61] + "...") + '"'


OPTIONS: tuple[Option, ...] = (
    Option(
        "containers",
        _names,
        "",
        "names of containers, comma-separated",
        "build,test",
        "Which containers get Docker. All, unless set; another injector's native sidecars only when named here.",
        modes=_BOTH,
        open=True,
        unset=(),
    ),
    Option(
        "placement",
        _placement,
        "native",
        "`native` or `container`",
        "container",
        "A native sidecar starts before init containers and lets a Job complete; an ordinary container does neither.",
        open=True,
        required=True,
    ),
    Option(
        "share-volumes",
        _shared,
        "true",
        "`true`, `false` or names of volumes, comma-separated",
        "workspace",
        "Mount the containers' emptyDir, PVC and ephemeral volumes in the daemon too, so that "
        "`docker run -v $PWD:/w` sees their files.",
        open=True,
        required=True,
    ),
    Option(
        "wait",
        _boolean,
        "true",
        "`true` or `false`",
        "false",
        "Hold the pod's start back, for a bounded time, until the node's daemon answers.",
        modes=_DAEMONSET,
        open=True,
        required=True,
    ),
    Option("cpu-request", _cpu, "250m", "a quantity", "500m", "CPU request of the daemon.", open=True),
    Option("cpu-limit", _cpu, "2", "a quantity", "4", "CPU limit of the daemon and all it runs.", open=True),
    Option("memory-request", _bytes, "512Mi", "a quantity", "1Gi", "Memory request of the daemon.", open=True),
    Option(
        "memory-limit", _bytes, "4Gi", "a quantity", "8Gi", "Memory limit of the daemon and all it runs.", open=True
    ),
    Option(
        "storage-size", _bytes, "20Gi", "a quantity", "50Gi", "How much images, layers and containers may take.", open=True
    ),
    Option(
        "storage-medium",
        _medium,
        "Disk",
        "`Disk`, `Memory` or `Volume`",
        "Memory",
        "Where they are kept: an emptyDir on the node's disk or in memory, or a generic ephemeral volume.",
        required=True,
    ),
    Option(
        "storage-class",
        _storage_class,
        "",
        "a StorageClass",
        "fast-ssd",
        "StorageClass of the generic ephemeral volume; implies the medium `Volume`.",
    ),
    Option(
        "group",
        _whole_number(0, 2**31 - 1),
        "2375",
        "a numeric group ID",
        "1001",
        "Group that owns the socket, added to the pod's supplementalGroups so that non-root users reach it.",
        open=True,
    ),
    Option(
        "mtu",
        _whole_number(68, 65535),
        "",
        "a number from 68 to 65535",
        "1450",
        "MTU of the daemon's default bridge and of the networks created in it.",
        open=True,
    ),
    Option(
        "registry-mirrors",
        _mirrors,
        "",
        "URLs, comma-separated",
        "https://mirror.example",
        "Mirrors that the daemon asks first for images of Docker Hub.",
        open=True,
        unset=(),
    ),
    Option(
        "insecure-registries",
        _registries,
        "",
        "HOST[:PORT] or CIDRs, comma-separated",
        "registry.ci:5000,10.0.0.0/8",
        "Registries that the daemon may talk to without TLS, or whose certificate it does not check.",
        unset=(),
    ),
    Option(
        "address-pools",
        _pools,
        "",
        "CIDR:SIZE, comma-separated",
        "10.200.0.0/16:24",
        "Where the daemon takes the subnets of its networks from.",
        unset=(),
    ),
    Option("image", _image, "docker:29.7.2-dind", "an image reference", "docker:29-dind", "Image of the daemon.", required=True),
    Option(
        "socket-dir",
        _socket_dir,
        "/run/dind",
        "an absolute path",
        "/var/run",
        "Directory in which the containers find `docker.sock`.",
        modes=_BOTH,
        required=True,
    ),
    Option(
        "tcp",
        _tcp,
        "",
        "ADDRESS:PORT",
        "127.0.0.1:2375",
        "Listen on TCP as well, without TLS. An address that is not loopback needs the operator's consent.",
    ),
    Option(
        "env",
        _env,
        "",
        "a JSON object of strings",
        '{"HTTPS_PROXY": "http://proxy:3128"}',
        "Environment variables of the daemon.",
        unset=(),
    ),
    Option(
        "dockerd-args",
        _dockerd_args,
        "",
        "a JSON array of strings",
        '["--log-level=debug"]',
        "More flags for dockerd, each as `--flag` or `--flag=value`; those that injection sets are refused.",
        unset=(),
    ),
)

OPTIONS_BY_KEY: Mapping[str, Option] = {option.key: option for option in OPTIONS}
_KNOWN_KEYS = (INJECT, *OPTIONS_BY_KEY)


def built_in_options() -> Options:
    """Return the options of a pod that sets none, under an operator who changed no default."""
    return Options(**{option.field: option.read(option.default) for option in OPTIONS})


def apply_defaults(base: Options, texts: Mapping[str, str]) -> tuple[Options, list[str]]:
    """Return `base` with the operator's defaults (option name to annotation text), and what is wrong with them."""
    changes: dict[str, Any] = {}
    problems = []
    for name, text in texts.items():
        option = OPTIONS_BY_KEY.get(PREFIX + name)
        if option is None:
            guess = nearest(name, (known.name for known in OPTIONS))
            problems.append(f"{name}: is not an option" + (f"; did you mean {guess}?" if guess else ""))
            continue
        if not text and option.required:
            problems.append(f"{name}: cannot be empty")
            continue
        try:
            changes[option.field] = option.read(text)
        except ValueError as error:
            problems.append(f"{name}: {_quote(text)} {error}")
    options = replace(base, **changes)
    return options, problems or contradictions(options)


def parse_options(annotations: Mapping[str, Any], policy: Policy) -> Options | Denial:
    """Return the options of a pod from its annotations, or why it is refused.

    Keys first, then the operator's permission, then all values together, so that one attempt shows
    every mistake of a kind.
    """
    ours = [key for key in annotations if key.startswith(PREFIX) and key not in (INJECT, STATUS)]
    if not ours:
        return policy.defaults
    if unknown := [key for key in ours if key not in OPTIONS_BY_KEY]:
        return Denial(Reason.UNKNOWN_ANNOTATION, "; ".join(map(_unknown, unknown)))
    if closed := sorted(key for key in ours if OPTIONS_BY_KEY[key].name not in policy.allowed_options):
        allowed = ", ".join(option.name for option in OPTIONS if option.name in policy.allowed_options) or "none"
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f"annotation {', '.join(closed)} may not be set in this cluster; remove it (options its operator allows: {allowed})",
        )
    changes: dict[str, Any] = {}
    problems = []
    for key in ours:
        option, text = OPTIONS_BY_KEY[key], annotations[key]
        try:
            changes[option.field] = option.parse(_text(text))
        except ValueError as error:
            shown = _quote(text) if isinstance(text, str) else orjson.dumps(text).decode()[:64]
            problems.append(f"annotation {key}: {shown} {error}")
    options = replace(policy.defaults, **changes)
    problems = problems or [f"annotation {PREFIX}{problem}" for problem in contradictions(options)]
    if problems:
        return Denial(Reason.INVALID_OPTION, "; ".join(problems))
    return _permitted(options, policy)


def contradictions(options: Options) -> list[str]:
    """Return what does not go together in these options, each sentence beginning with an option's name."""
    found = []
    for resource, request, limit in (
        ("cpu", options.cpu_request, options.cpu_limit),
        ("memory", options.memory_request, options.memory_limit),
    ):
        if request and limit and parse_quantity(request) > parse_quantity(limit):
            found.append(f"{resource}-request: {request} is more than {resource}-limit, which is {limit}")
    if options.storage_class and options.storage_medium is Medium.MEMORY:
        found.append(f"storage-class: {options.storage_class} does not go with storage-medium Memory")
    if (options.storage_class or options.storage_medium is Medium.VOLUME) and not options.storage_size:
        found.append("storage-size: is needed for a volume")
    return found


def _permitted(options: Options, policy: Policy) -> Options | Denial:
    if options.image != policy.defaults.image and not is_allowed_image(options.image, policy.allowed_images):
        allowed = ", ".join((policy.defaults.image, *policy.allowed_images))
        return Denial(
            Reason.IMAGE_NOT_ALLOWED,
            f"annotation {PREFIX}image: {_quote(options.image)} is not an image this cluster's operator allows: {allowed}",
        )
    public = options.tcp is not None and not options.tcp.is_loopback and options.tcp != policy.defaults.tcp
    if public and not policy.allow_public_tcp:
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f'annotation {PREFIX}tcp: "{options.tcp}" is not loopback, which this cluster\'s operator does not allow; '
            "use an address such as 127.0.0.1:2375",
        )
    return options


def _unknown(key: str) -> str:
    guess = nearest(key, _KNOWN_KEYS)
    hint = f"; did you mean {guess}?" if guess else f"; known are {', '.join(_KNOWN_KEYS)}"
    return f"annotation {key[:80]} does not exist{hint}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string; put quotes around it")
    if not value:
        raise ValueError("is empty; remove it to have the default")
    return value

