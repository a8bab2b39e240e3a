"""The table of `dind.io/*` annotations. It drives parsing, messages, the reference page and its test."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from app.injection import parsers
from app.injection.constants import INJECT, PREFIX, STATUS
from app.injection.decision import Denial, Mode, Reason
from app.injection.image_policy import is_allowed_image
from app.injection.messages import first_few, naming, quote
from app.injection.options import Medium, Options, Placement, Policy
from app.model import Metadata, nearest_word, parse_quantity

# Of options that a pod sets, by their annotations
OptionTexts: TypeAlias = Mapping[str, str]
_BOTH = frozenset(Mode)
_SIDECAR = frozenset({Mode.SIDECAR})
_DAEMONSET = frozenset({Mode.DAEMONSET})


class Option(NamedTuple):
    """One per-pod option: a row of the table.

    `parse` turns the annotation's text into the member of `Options` of the same name and raises
    ValueError with the rest of a sentence that begins with the value. `default` is such a text; an
    empty one leaves the option unset, as `unset` says; a `required` one always has a value. The text has at most
    `longest` characters, a list or map in it `most_items` items. `open` options may be set by pods unless the operator
    decides otherwise.
    """

    name: str
    parse: Callable[[str], Any]
    default: str
    accepts: str
    example: str
    help: str
    longest: int
    most_items: int = 0
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

    @property
    def bounds(self) -> str:
        """The bounds of the text, in words."""
        characters = f"{self.longest} characters"
        return f"{self.most_items} items, {characters}" if self.most_items else characters

    def read(self, text: str) -> Any:
        """Return the value for a text, `unset` for an empty one; ValueError where the text is not accepted."""
        if not text:
            return self.unset
        if len(text) > self.longest:
            raise ValueError(f"has {len(text)} characters; at most {self.longest} are accepted")
        value = self.parse(text)
        if isinstance(value, tuple) and len(value) > self.most_items > 0:
            raise ValueError(f"has {len(value)} items; at most {self.most_items} are accepted")
        return value

    def read_annotation(self, text: str) -> Any:
        """Return the value for the text of a pod's annotation; ValueError where it is not accepted, as where empty."""
        if not text:
            raise ValueError("is empty; remove it to have the default")
        return self.read(text)


OPTIONS: tuple[Option, ...] = (
    Option(
        name="containers",
        parse=parsers.names,
        default="",
        accepts="names of containers, comma-separated",
        longest=4096,
        most_items=64,
        example="build,test",
        help="Which containers get Docker. All, unless set; another injector's native sidecars only when named here.",
        modes=_BOTH,
        open=True,
        unset=(),
    ),
    Option(
        name="placement",
        parse=parsers.one_of(Placement),
        default="native",
        accepts="`native` or `container`",
        longest=64,
        example="container",
        help=(
            "A native sidecar starts before init containers and lets a Job complete; an ordinary container does "
            "neither."
        ),
        open=True,
        required=True,
    ),
    Option(
        name="share-volumes",
        parse=parsers.shared_volumes,
        default="true",
        accepts="`true`, `false` or names of volumes, comma-separated",
        longest=4096,
        most_items=64,
        example="workspace",
        help=(
            "Mount the containers' emptyDir, PVC and ephemeral volumes in the daemon too, so that "
            "`docker run -v $PWD:/w` sees their files."
        ),
        open=True,
        required=True,
    ),
    Option(
        name="wait",
        parse=parsers.boolean,
        default="true",
        accepts="`true` or `false`",
        longest=64,
        example="false",
        help="Hold the pod's start back, for a bounded time, until the node's daemon answers.",
        modes=_DAEMONSET,
        open=True,
        required=True,
    ),
    Option(
        name="cpu-request",
        parse=parsers.cpu,
        default="250m",
        accepts="a quantity",
        longest=64,
        example="500m",
        help="CPU request of the daemon.",
        open=True,
    ),
    Option(
        name="cpu-limit",
        parse=parsers.cpu,
        default="2",
        accepts="a quantity",
        longest=64,
        example="4",
        help="CPU limit of the daemon; on cgroup v1 nodes of all it runs, too.",
        open=True,
    ),
    Option(
        name="memory-request",
        parse=parsers.size,
        default="512Mi",
        accepts="a quantity",
        longest=64,
        example="1Gi",
        help="Memory request of the daemon.",
        open=True,
    ),
    Option(
        name="memory-limit",
        parse=parsers.size,
        default="4Gi",
        accepts="a quantity",
        longest=64,
        example="8Gi",
        help="Memory limit of the daemon; on cgroup v1 nodes of all it runs, too.",
        open=True,
    ),
    Option(
        name="storage-size",
        parse=parsers.size,
        default="20Gi",
        accepts="a quantity",
        longest=64,
        example="50Gi",
        help="How much images, layers and containers may take.",
        open=True,
    ),
    Option(
        name="storage-medium",
        parse=parsers.one_of(Medium),
        default="Disk",
        accepts="`Disk`, `Memory` or `Volume`",
        longest=64,
        example="Memory",
        help="Where they are kept: an emptyDir on the node's disk or in memory, or a generic ephemeral volume.",
        required=True,
    ),
    Option(
        name="storage-class",
        parse=parsers.storage_class,
        default="",
        accepts="a StorageClass",
        longest=253,
        example="fast-ssd",
        help="StorageClass of the generic ephemeral volume; implies the medium `Volume`.",
    ),
    Option(
        name="group",
        parse=parsers.whole_number(0, 2**31 - 1),
        default="2375",
        accepts="a numeric group ID",
        longest=64,
        example="1001",
        help="Group that owns the socket, added to the pod's supplementalGroups so that non-root users reach it.",
        open=True,
    ),
    Option(
        name="mtu",
        parse=parsers.whole_number(68, 65535),
        default="",
        accepts="a number from 68 to 65535",
        longest=64,
        example="1450",
        help="MTU of the daemon's default bridge and of the networks created in it.",
        open=True,
    ),
    Option(
        name="registry-mirrors",
        parse=parsers.registry_mirrors,
        default="",
        accepts="URLs, comma-separated",
        longest=4096,
        most_items=16,
        example="https://mirror.example",
        help=(
            "Mirrors that the daemon asks first for images of Docker Hub, by https or plain http. None may be an "
            "insecure registry: dockerd would no longer check the certificate of Docker Hub itself."
        ),
        open=True,
        unset=(),
    ),
    Option(
        name="insecure-registries",
        parse=parsers.registries,
        default="",
        accepts="HOST[:PORT] or CIDRs, comma-separated",
        longest=4096,
        most_items=64,
        example="registry.ci:5000,10.0.0.0/8",
        help="Registries that the daemon may talk to without TLS, or whose certificate it does not check.",
        unset=(),
    ),
    Option(
        name="address-pools",
        parse=parsers.address_pools,
        default="",
        accepts="CIDR:SIZE, comma-separated",
        longest=1024,
        most_items=16,
        example="10.200.0.0/16:24",
        help="Where the daemon takes the subnets of its networks from.",
        unset=(),
    ),
    Option(
        name="image",
        parse=parsers.image,
        default="docker:29.7.2-dind",
        accepts="an image reference",
        longest=512,
        example="docker:29-dind",
        help="Image of the daemon.",
        required=True,
    ),
    Option(
        name="socket-dir",
        parse=parsers.socket_dir,
        default="/run/dind",
        accepts="an absolute path",
        longest=128,
        example="/var/run",
        help="Directory in which the containers find `docker.sock`.",
        modes=_BOTH,
        required=True,
    ),
    Option(
        name="tcp",
        parse=parsers.tcp_address,
        default="",
        accepts="ADDRESS:PORT",
        longest=64,
        example="127.0.0.1:2375",
        help="Listen on TCP as well, without TLS. An address that is not loopback needs the operator's consent.",
    ),
    Option(
        name="env",
        parse=parsers.environment,
        default="",
        accepts="a JSON object of strings",
        longest=16384,
        most_items=64,
        example='{"HTTPS_PROXY": "http://proxy:3128"}',
        help="Environment variables of the daemon.",
        unset=(),
    ),
    Option(
        name="dockerd-args",
        parse=parsers.dockerd_args,
        default="",
        accepts="a JSON array of strings",
        longest=8192,
        most_items=64,
        example='["--log-level=debug"]',
        help="More flags for dockerd, each as `--flag` or `--flag=value`; those that injection sets are refused.",
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
            guess = nearest_word(name, (known.name for known in OPTIONS))
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


def find_option_texts(annotations: Mapping[str, str | None]) -> OptionTexts | Denial:
    """Return the texts of the options that a pod sets, or why it is denied: it sets some that do not exist."""
    ours = [key for key in annotations if key.startswith(PREFIX) and key not in (INJECT, STATUS)]
    if unknown := [key for key in ours if key not in OPTIONS_BY_KEY]:
        return Denial(Reason.UNKNOWN_ANNOTATION, _unknown(unknown))
    return {key: annotations[key] or "" for key in ours}


def permission_denial(texts: OptionTexts, policy: Policy) -> Denial | None:
    """Return why the operator does not let a pod set these options, or None.

    A text that is no value of its option is left to `parse_options`.
    """
    if closed := sorted(key for key in texts if OPTIONS_BY_KEY[key].name not in policy.allowed_options):
        allowed = ", ".join(option.name for option in OPTIONS if option.name in policy.allowed_options) or "none"
        what, it = ("annotations", "them") if len(closed) > 1 else ("annotation", "it")
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f"{what} {first_few(closed, str, ', ')} may not be set in this cluster; remove {it} "
            f"(options its operator allows: {allowed})",
        )
    image, tcp, arguments = (_value(texts, name) for name in ("image", "tcp", "dockerd-args"))
    if image and image != policy.defaults.image and not is_allowed_image(image, policy.allowed_images):
        allowed = first_few((policy.defaults.image, *policy.allowed_images), str, ", ")
        return Denial(
            Reason.IMAGE_NOT_ALLOWED,
            f"annotation {PREFIX}image: {quote(image)} is not an image that this cluster's "
            f"operator allows; they are {allowed}",
        )
    if policy.allow_public_tcp:
        return None
    if tcp and not tcp.is_loopback and tcp != policy.defaults.tcp:
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f'annotation {PREFIX}tcp: "{tcp}" is not loopback, which this cluster\'s operator does not allow; '
            "use an address such as 127.0.0.1:2375",
        )
    if opened := _public_flags(arguments or (), policy):
        return Denial(
            Reason.OPTION_NOT_ALLOWED,
            f"annotation {PREFIX}dockerd-args: {quote(opened[0])} listens on other than loopback, which this cluster's "
            "operator does not allow; use an address such as 127.0.0.1:9323",
        )
    return None


def _value(texts: OptionTexts, name: str) -> Any:
    """Return the value of an option that a pod sets, or None if it sets none that is accepted."""
    text = texts.get(PREFIX + name)
    if not text:
        return None
    try:
        return OPTIONS_BY_KEY[PREFIX + name].read(text)
    except ValueError:
        return None


def _public_flags(arguments: Iterable[str], policy: Policy) -> list[str]:
    """Return the pod's own flags with which dockerd would listen where others reach it."""
    operators = set(policy.defaults.dockerd_args)
    return [argument for argument in arguments if argument not in operators and parsers.listens_publicly(argument)]


def parse_options(texts: OptionTexts, policy: Policy) -> Options | Denial:
    """Return the options of a pod that sets these texts, or why it is denied, with every mistake."""
    if not texts:
        return policy.defaults
    changes: dict[str, Any] = {}
    problems = []
    for key, text in texts.items():
        option = OPTIONS_BY_KEY[key]
        try:
            changes[option.field] = option.read_annotation(text)
        except ValueError as error:
            problems.append(f"annotation {key}: {quote(text)} {error}")
    options = replace(policy.defaults, **_yielding(changes))
    if problems := problems or contradictions(options):
        return Denial(Reason.INVALID_OPTION, first_few(problems, str))
    return options


def options_without_effect(metadata: Metadata, mode: Mode | None) -> list[str]:
    """Return warnings about options of the other mode, and about labels that look like options."""
    options = [key for key in metadata.annotations if (option := OPTIONS_BY_KEY.get(key)) and mode not in option.modes]
    labels = [key for key in metadata.labels if key.startswith(PREFIX) and key != INJECT]
    found = []
    if options:
        found.append(naming(f"without effect in {mode} mode", options))
    if labels:
        found.append(naming("options are annotations, these labels have no effect", labels))
    return found


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
    found += _unchecked_hub(options)
    if (options.storage_class or options.storage_medium is Medium.VOLUME) and not options.storage_size:
        found.append(f"{PREFIX}storage-size is needed for a volume; set it")
    return found


def _unchecked_hub(options: Options) -> list[str]:
    """Return which mirrors would have dockerd no longer check the certificate of Docker Hub itself.

    Since 28, dockerd sets up one TLS client for Docker Hub and its mirrors, and has it trust any certificate where one
    of them is an insecure registry (`mergeLegacyConfig` of moby's daemon/hosts.go). Loopback always is one.
    """
    insecure = {registry.lower() for registry in options.insecure_registries}
    networks = [parsers.network_of(registry) for registry in insecure if "/" in registry]
    found = []
    for url in options.registry_mirrors:
        host = url.partition("://")[2].partition("/")[0].lower()
        address = parsers.address_of(host)
        why = None
        name = host.partition(":")[0]
        if name == "localhost" or name.endswith(".localhost") or (address and address.is_loopback):
            why = "is on loopback, which dockerd trusts without a certificate; give the mirror another address"
        elif host in insecure or (address and any(address in network for network in networks)):
            why = f"is in {PREFIX}insecure-registries too; remove it there, a mirror of plain HTTP needs no entry"
        if why:
            found.append(
                f"{PREFIX}registry-mirrors: {quote(url)} {why} (dockerd would no longer check the certificate of "
                "Docker Hub itself)"
            )
    return found


def _unknown(keys: Sequence[str]) -> str:
    # Without the prefix, which makes any two of them look alike.
    guesses: dict[str, str | None] = {}

    def describe(key: str) -> str:
        shown = key[:80]
        guess = guesses[key] = nearest_word(shown.removeprefix(PREFIX), _KNOWN_NAMES)
        return f"annotation {shown} does not exist" + (f"; did you mean {PREFIX}{guess}?" if guess else "")

    described = first_few(keys, describe)
    if all(guesses.values()):
        return described
    # Once, and short: what was asked for should still be in sight.
    return f"{described}; known after {PREFIX} are {', '.join(_KNOWN_NAMES)}"
