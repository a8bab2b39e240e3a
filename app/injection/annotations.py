"""The table of `dind.io/*` annotations. It drives parsing, messages, the reference page and its test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from app.injection import values
from app.injection.decision import Denial, Mode, Reason
from app.injection.images import is_allowed_image
from app.injection.messages import first_few, quote
from app.injection.names import INJECT, PREFIX, STATUS
from app.injection.options import Medium, Options, Placement, Policy
from app.model import nearest, parse_quantity

# What all annotations of an object may hold together (TotalAnnotationSizeLimitB of k8s.io/apimachinery); the API server
# checks that only after us.
_LONGEST_TEXT = 256 * 1024
_BOTH = frozenset(Mode)
_SIDECAR = frozenset({Mode.SIDECAR})
_DAEMONSET = frozenset({Mode.DAEMONSET})


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


OPTIONS: tuple[Option, ...] = (
    Option(
        "containers",
        values.names,
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
        values.one_of(Placement),
        "native",
        "`native` or `container`",
        "container",
        "A native sidecar starts before init containers and lets a Job complete; an ordinary container does neither.",
        open=True,
        required=True,
    ),
    Option(
        "share-volumes",
        values.shared_volumes,
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
        values.boolean,
        "true",
        "`true` or `false`",
        "false",
        "Hold the pod's start back, for a bounded time, until the node's daemon answers.",
        modes=_DAEMONSET,
        open=True,
        required=True,
    ),
    Option("cpu-request", values.cpu, "250m", "a quantity", "500m", "CPU request of the daemon.", open=True),
    Option(
        "cpu-limit",
        values.cpu,
        "2",
        "a quantity",
        "4",
        "CPU limit of the daemon; on cgroup v1 nodes of all it runs, too.",
        open=True,
    ),
    Option("memory-request", values.size, "512Mi", "a quantity", "1Gi", "Memory request of the daemon.", open=True),
    Option(
        "memory-limit",
        values.size,
        "4Gi",
        "a quantity",
        "8Gi",
        "Memory limit of the daemon; on cgroup v1 nodes of all it runs, too.",
        open=True,
    ),
    Option(
        "storage-size",
        values.size,
        "20Gi",
        "a quantity",
        "50Gi",
        "How much images, layers and containers may take.",
        open=True,
    ),
    Option(
        "storage-medium",
        values.one_of(Medium),
        "Disk",
        "`Disk`, `Memory` or `Volume`",
        "Memory",
        "Where they are kept: an emptyDir on the node's disk or in memory, or a generic ephemeral volume.",
        required=True,
    ),
    Option(
        "storage-class",
        values.storage_class,
        "",
        "a StorageClass",
        "fast-ssd",
        "StorageClass of the generic ephemeral volume; implies the medium `Volume`.",
    ),
    Option(
        "group",
        values.whole_number(0, 2**31 - 1),
        "2375",
        "a numeric group ID",
        "1001",
        "Group that owns the socket, added to the pod's supplementalGroups so that non-root users reach it.",
        open=True,
    ),
    Option(
        "mtu",
        values.whole_number(68, 65535),
        "",
        "a number from 68 to 65535",
        "1450",
        "MTU of the daemon's default bridge and of the networks created in it.",
        open=True,
    ),
    Option(
        "registry-mirrors",
        values.registry_mirrors,
        "",
        "URLs, comma-separated",
        "https://mirror.example",
        "Mirrors that the daemon asks first for images of Docker Hub. One of plain HTTP goes into "
        "`dind.io/insecure-registries` too, or builds by BuildKit do not reach it.",
        open=True,
        unset=(),
    ),
    Option(
        "insecure-registries",
        values.registries,
        "",
        "HOST[:PORT] or CIDRs, comma-separated",
        "registry.ci:5000,10.0.0.0/8",
        "Registries that the daemon may talk to without TLS, or whose certificate it does not check.",
        unset=(),
    ),
    Option(
        "address-pools",
        values.address_pools,
        "",
        "CIDR:SIZE, comma-separated",
        "10.200.0.0/16:24",
        "Where the daemon takes the subnets of its networks from.",
        unset=(),
    ),
    Option(
        "image",
        values.image,
        "docker:29.7.2-dind",
        "an image reference",
        "docker:29-dind",
        "Image of the daemon.",
        required=True,
    ),
    Option(
        "socket-dir",
        values.socket_dir,
        "/run/dind",
        "an absolute path",
        "/var/run",
        "Directory in which the containers find `docker.sock`.",
        modes=_BOTH,
        required=True,
    ),
    Option(
        "tcp",
        values.tcp_address,
        "",
        "ADDRESS:PORT",
        "127.0.0.1:2375",
        "Listen on TCP as well, without TLS. An address that is not loopback needs the operator's consent.",
    ),
    Option(
        "env",
        values.environment,
        "",
        "a JSON object of strings",
        '{"HTTPS_PROXY": "http://proxy:3128"}',
        "Environment variables of the daemon.",
        unset=(),
    ),
    Option(
        "dockerd-args",
        values.dockerd_args,
        "",
        "a JSON array of strings",
        '["--log-level=debug"]',
        "More flags for dockerd, each as `--flag` or `--flag=value`; those that injection sets are refused.",
        unset=(),
    ),
)

OPTIONS_BY_KEY: Mapping[str, Option] = {option.key: option for option in OPTIONS}
_KNOWN_NAMES = tuple(key.removeprefix(PREFIX) for key in (INJECT, *OPTIONS_BY_KEY))


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
            problems.append(f"{name}: {quote(text)} {error}")
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
        return Denial(Reason.UNKNOWN_ANNOTATION, _unknown(unknown))
    if closed := sorted(key for key in ours if OPTIONS_BY_KEY[key].name not in policy.allowed_options):
        allowed = ", ".join(option.name for option in OPTIONS if option.name in policy.allowed_options) or "none"
        what, it = ("annotations", "them") if len(closed) > 1 else ("annotation", "it")
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f"{what} {first_few(closed, str, ', ')} may not be set in this cluster; remove {it} "
            f"(options its operator allows: {allowed})",
        )
    changes: dict[str, Any] = {}
    problems = []
    for key in ours:
        option, text = OPTIONS_BY_KEY[key], annotations[key]
        try:
            changes[option.field] = option.parse(_text(text))
        except ValueError as error:
            shown = quote(text) if isinstance(text, str) else "its value"
            problems.append(f"annotation {key}: {shown} {error}")
    options = replace(policy.defaults, **_yielding(changes))
    if problems := problems or contradictions(options):
        return Denial(Reason.INVALID_OPTION, first_few(problems, str))
    return _permitted(options, policy)


def _yielding(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes with those that follow: of medium and class, the default gives way to what a pod says."""
    if "storage_medium" in changes and changes["storage_medium"] is not Medium.VOLUME:
        return {"storage_class": None, **changes}
    if "storage_class" in changes:
        return {"storage_medium": Medium.VOLUME, **changes}
    return changes


def contradictions(options: Options) -> list[str]:
    """Return what does not go together in these options."""
    found = []
    for resource, request, limit in (
        ("cpu", options.cpu_request, options.cpu_limit),
        ("memory", options.memory_request, options.memory_limit),
    ):
        if request and limit and parse_quantity(request) > parse_quantity(limit):
            found.append(
                f"{PREFIX}{resource}-request, which is {request}, is more than {PREFIX}{resource}-limit, which is "
                f"{limit} unless set; lower the request or set a limit of {request} or more"
            )
    if options.storage_class and options.storage_medium is Medium.MEMORY:
        found.append(f"{PREFIX}storage-class does not go with {PREFIX}storage-medium Memory; remove one")
    if (options.storage_class or options.storage_medium is Medium.VOLUME) and not options.storage_size:
        found.append(f"{PREFIX}storage-size is needed for a volume; set it")
    return found


def _permitted(options: Options, policy: Policy) -> Options | Denial:
    if options.image != policy.defaults.image and not is_allowed_image(options.image, policy.allowed_images):
        allowed = first_few((policy.defaults.image, *policy.allowed_images), str, ", ")
        return Denial(
            Reason.IMAGE_NOT_ALLOWED,
            f"annotation {PREFIX}image: {quote(options.image)} is not an image that this cluster's "
            f"operator allows; they are {allowed}",
        )
    public = options.tcp is not None and not options.tcp.is_loopback and options.tcp != policy.defaults.tcp
    if public and not policy.allow_public_tcp:
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f'annotation {PREFIX}tcp: "{options.tcp}" is not loopback, which this cluster\'s operator does not allow; '
            "use an address such as 127.0.0.1:2375",
        )
    return options


def _unknown(keys: Sequence[str]) -> str:
    # Without the prefix, which makes any two of them look alike.
    guesses: dict[str, str | None] = {}

    def describe(key: str) -> str:
        guess = guesses[key] = nearest(key.removeprefix(PREFIX), _KNOWN_NAMES)
        return f"annotation {key[:80]} does not exist" + (f"; did you mean {PREFIX}{guess}?" if guess else "")

    described = first_few(keys, describe)
    if all(guesses.values()):
        return described
    # Once, and short: what was asked for should still be in sight.
    return f"{described}; known after {PREFIX} are {', '.join(_KNOWN_NAMES)}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string; put quotes around it")  # noqa: TRY004  # a bad value like any other
    if not value:
        raise ValueError("is empty; remove it to have the default")
    if len(value) > _LONGEST_TEXT:
        raise ValueError("is longer than all annotations of a pod may be together, 256 KiB")
    return value
