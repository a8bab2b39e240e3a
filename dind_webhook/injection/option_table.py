"""The table of per-pod options. Parsing, messages, the reference page and its test all use this table."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dind_webhook.injection import parsers
from dind_webhook.injection.constants import PREFIX
from dind_webhook.injection.decision import Mode
from dind_webhook.injection.options import Isolation, NodeSocketTreatment, Options, Placement, StorageMedium
from dind_webhook.model import nearest_word

_BOTH_MODES = frozenset(Mode)
_SIDECAR_ONLY = frozenset({Mode.SIDECAR})
_DAEMONSET_ONLY = frozenset({Mode.DAEMONSET})


class Option(NamedTuple):
    """One per-pod option: a row of the table.

    `parse` turns the text of the annotation into the member of `Options` with the same name. It raises ValueError with
    the rest of a sentence that begins with the value. `default` is such a text; if it is empty, the option has
    `unset_value`. A `required` option cannot be unset. The text has at most `max_length` characters, and a list or map
    in it at most `max_items` items. Pods may set an `allowed_by_default` option unless the operator changes that. The
    operator may bound an option that `is_quantity`.
    """

    name: str
    parse: Callable[[str], Any]
    default: str
    accepts: str
    example: str
    help: str
    max_length: int
    max_items: int = 0
    modes: frozenset[Mode] = _SIDECAR_ONLY
    allowed_by_default: bool = False
    required: bool = False
    is_quantity: bool = False
    unset_value: Any = None

    @property
    def key(self) -> str:
        return PREFIX + self.name

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    @property
    def bounds(self) -> str:
        """The bounds of the text, as a phrase for the reference page."""
        characters = f"{self.max_length} characters"
        return f"{self.max_items} items, {characters}" if self.max_items else characters

    def read(self, text: str) -> Any:
        """Return the value of a text, or `unset_value` if it is empty. Raise ValueError if the text is not accepted."""
        if not text:
            return self.unset_value
        if len(text) > self.max_length:
            raise ValueError(f"has {len(text)} characters; at most {self.max_length} are accepted")
        value = self.parse(text)
        if isinstance(value, tuple) and len(value) > self.max_items > 0:
            raise ValueError(f"has {len(value)} items; at most {self.max_items} are accepted")
        return value

    def read_annotation(self, text: str) -> Any:
        """Return the value of an annotation's text. Raise ValueError if the text is empty or not accepted."""
        if not text:
            raise ValueError("is empty; remove it to use the default")
        return self.read(text)


OPTIONS: tuple[Option, ...] = (
    Option(
        name="containers",
        parse=parsers.parse_names,
        default="",
        accepts="names of containers, comma-separated",
        max_length=4096,
        max_items=64,
        example="build,test",
        help="Containers that get Docker. Unset: all, except native sidecars of other injectors.",
        modes=_BOTH_MODES,
        allowed_by_default=True,
        unset_value=(),
    ),
    Option(
        name="placement",
        parse=parsers.choice_parser(Placement),
        default="native",
        accepts="`native` or `container`",
        max_length=64,
        example="container",
        help=(
            "A native sidecar starts before init containers and lets a Job complete; an ordinary container does "
            "neither."
        ),
        allowed_by_default=True,
        required=True,
    ),
    Option(
        name="isolation",
        parse=parsers.choice_parser(Isolation),
        default="none",
        accepts="`none`, `userns`, `auto`, `sysbox`, `kata` or `gvisor`",
        max_length=64,
        example="userns",
        help=(
            "What is between the daemon and the node: with `none` root in the daemon is root on the node, with "
            "`userns` it is a user without rights there."
        ),
        allowed_by_default=True,
        required=True,
    ),
    Option(
        name="share-volumes",
        parse=parsers.parse_shared_volumes,
        default="true",
        accepts="`true`, `false` or names of volumes, comma-separated",
        max_length=4096,
        max_items=64,
        example="workspace",
        help=(
            "Mount the containers' emptyDir, PVC and ephemeral volumes in the daemon too, so that "
            "`docker run -v $PWD:/w` sees their files."
        ),
        allowed_by_default=True,
        required=True,
    ),
    Option(
        name="wait",
        parse=parsers.parse_boolean,
        default="true",
        accepts="`true` or `false`",
        max_length=64,
        example="false",
        help="Delay the start of the pod until the node's daemon answers, for a bounded time.",
        modes=_DAEMONSET_ONLY,
        allowed_by_default=True,
        required=True,
    ),
    Option(
        name="node-socket",
        parse=parsers.choice_parser(NodeSocketTreatment),
        default="deny",
        accepts="`deny` or `replace`",
        max_length=64,
        example="replace",
        help=(
            "With `replace`, mounts of the node's own `docker.sock` become mounts of the injected daemon's socket, at "
            "the same paths."
        ),
        modes=_BOTH_MODES,
        required=True,
    ),
    Option(
        name="client",
        parse=parsers.parse_client,
        default="false",
        accepts="`true`, `false` or an absolute path",
        max_length=128,
        example="true",
        help=(
            "Give the containers with Docker the `docker` command too, with buildx and compose. `true` puts it in "
            "`/usr/local/sbin`, first in the PATH of most images; a path puts it in that directory instead."
        ),
        modes=_BOTH_MODES,
        allowed_by_default=True,
        required=True,
    ),
    Option(
        name="cpu-request",
        parse=parsers.parse_cpu,
        default="250m",
        accepts="a quantity",
        max_length=64,
        example="500m",
        help="CPU request of the daemon.",
        allowed_by_default=True,
        is_quantity=True,
    ),
    Option(
        name="cpu-limit",
        parse=parsers.limit_parser(parsers.parse_cpu),
        default="2",
        accepts="a quantity or `none`",
        max_length=64,
        example="4",
        help="CPU limit of the daemon and of all containers that it runs.",
        allowed_by_default=True,
        is_quantity=True,
    ),
    Option(
        name="memory-request",
        parse=parsers.parse_byte_size,
        default="512Mi",
        accepts="a quantity",
        max_length=64,
        example="1Gi",
        help="Memory request of the daemon.",
        allowed_by_default=True,
        is_quantity=True,
    ),
    Option(
        name="memory-limit",
        parse=parsers.limit_parser(parsers.parse_byte_size),
        default="4Gi",
        accepts="a quantity or `none`",
        max_length=64,
        example="8Gi",
        help="Memory limit of the daemon and of all containers that it runs.",
        allowed_by_default=True,
        is_quantity=True,
    ),
    Option(
        name="ephemeral-storage-request",
        parse=parsers.parse_byte_size,
        default="2Gi",
        accepts="a quantity",
        max_length=64,
        example="10Gi",
        help="Ephemeral storage that the scheduler reserves for the daemon, if its storage is on the node's disk.",
        allowed_by_default=True,
        is_quantity=True,
    ),
    Option(
        name="ephemeral-storage-limit",
        parse=parsers.parse_byte_size,
        default="",
        accepts="a quantity",
        max_length=64,
        example="60Gi",
        help=(
            "Ephemeral-storage limit of the daemon. Unset: `storage-size` if another container states such a limit, "
            "which kubelet applies to the storage of the whole pod."
        ),
        allowed_by_default=True,
        is_quantity=True,
    ),
    Option(
        name="storage-size",
        parse=parsers.parse_byte_size,
        default="20Gi",
        accepts="a quantity",
        max_length=64,
        example="50Gi",
        help="Size of the storage for the daemon's images, layers and containers.",
        allowed_by_default=True,
        is_quantity=True,
    ),
    Option(
        name="storage-medium",
        parse=parsers.choice_parser(StorageMedium),
        default="Disk",
        accepts="`Disk`, `Memory` or `Volume`",
        max_length=64,
        example="Memory",
        help="Kind of that storage: an emptyDir on the node's disk or in memory, or a generic ephemeral volume.",
        required=True,
    ),
    Option(
        name="storage-class",
        parse=parsers.parse_storage_class,
        default="",
        accepts="a StorageClass",
        max_length=253,
        example="fast-ssd",
        help="StorageClass of the generic ephemeral volume; implies the medium `Volume`.",
    ),
    Option(
        name="storage-data-source",
        parse=parsers.parse_data_source,
        default="",
        accepts="`pvc/NAME` or `volumesnapshot/NAME`",
        max_length=268,
        example="volumesnapshot/docker-golden",
        help=(
            "Claim or VolumeSnapshot of the pod's namespace of which that volume begins as a copy, with the images in "
            "it; implies the medium `Volume`."
        ),
    ),
    Option(
        name="group",
        parse=parsers.whole_number_parser(0, 2**31 - 1),
        default="2375",
        accepts="a numeric group ID",
        max_length=64,
        example="1001",
        help="Group that owns the socket, added to the pod's supplementalGroups so that non-root users reach it.",
        allowed_by_default=True,
    ),
    Option(
        name="mtu",
        parse=parsers.whole_number_parser(68, 65535),
        default="",
        accepts="a number from 68 to 65535",
        max_length=64,
        example="1450",
        help="MTU of the daemon's default bridge and of the networks created in it.",
        allowed_by_default=True,
    ),
    Option(
        name="registry-mirrors",
        parse=parsers.parse_registry_mirrors,
        default="",
        accepts="REGISTRY=URL, REGISTRY=none, or a URL for Docker Hub, comma-separated",
        max_length=4096,
        max_items=16,
        example="docker.io=https://mirror.example,ghcr.io=http://node:5000,registry.corp.example=none",
        help=(
            "Mirrors that the daemon asks first, by https or plain http, one for a registry. `*` stands for all other "
            "registries, and the host `node` for the pod's node. The mirror of Docker Hub may not be an insecure "
            "registry: dockerd would no longer check the certificate of Docker Hub itself."
        ),
        allowed_by_default=True,
        unset_value=(),
    ),
    Option(
        name="insecure-registries",
        parse=parsers.parse_insecure_registries,
        default="",
        accepts="HOST[:PORT] or CIDRs, comma-separated",
        max_length=4096,
        max_items=64,
        example="registry.ci:5000,10.0.0.0/8",
        help="Registries whose certificate the daemon does not check, or without TLS. Loopback always is one.",
        unset_value=(),
    ),
    Option(
        name="address-pools",
        parse=parsers.parse_address_pools,
        default="",
        accepts="CIDR:SIZE, comma-separated",
        max_length=1024,
        max_items=16,
        example="10.200.0.0/16:24",
        help="Address pools from which the daemon takes the subnets of its networks.",
        unset_value=(),
    ),
    Option(
        name="ca",
        parse=parsers.parse_config_map,
        default="",
        accepts="a ConfigMap",
        max_length=253,
        example="company-ca",
        help=(
            "ConfigMap of the pod's namespace with certificates of CAs, in PEM, all keys. The daemon trusts them "
            "besides those of its image, for registries and proxies."
        ),
        allowed_by_default=True,
    ),
    Option(
        name="daemon-files",
        parse=parsers.parse_daemon_files,
        default="",
        accepts="PATH=configmap/NAME/KEY or PATH=secret/NAME/KEY, comma-separated",
        max_length=8192,
        max_items=64,
        example="daemon.json=configmap/docker/daemon.json,certs.d/registry.ci:5000/ca.crt=secret/registry-ca/ca.crt",
        help=(
            "Files below `/etc/docker` of the daemon, from ConfigMaps and Secrets of the pod's namespace. They hide "
            "those of the image."
        ),
        unset_value=(),
    ),
    Option(
        name="registry-secret",
        parse=parsers.parse_secret,
        default="",
        accepts="a Secret",
        max_length=253,
        example="registry-credentials",
        help=(
            "Secret of the pod's namespace, of the type `kubernetes.io/dockerconfigjson`, with which the containers "
            "pull and push. It becomes their `DOCKER_CONFIG`."
        ),
        allowed_by_default=True,
    ),
    Option(
        name="proxy",
        parse=parsers.parse_proxy,
        default="",
        accepts="URL of an HTTP proxy, without a password",
        max_length=512,
        example="http://proxy.corp.example:3128",
        help=(
            "HTTP proxy of the daemon, and of `docker build` and `docker run`, for http and https. The operator may "
            "give it to the containers with Docker too."
        ),
    ),
    Option(
        name="no-proxy",
        parse=parsers.parse_no_proxy,
        default="",
        accepts="names, domains with a leading dot, addresses and CIDRs, comma-separated",
        max_length=4096,
        max_items=64,
        example=".corp.example,10.0.0.0/8",
        help="Hosts that are reached without the proxy, besides loopback, `.svc`, `.cluster.local` and the API server.",
        unset_value=(),
    ),
    Option(
        name="image",
        parse=parsers.parse_daemon_image,
        default="docker:29.8.2-dind",
        accepts="an image reference",
        max_length=512,
        example="docker:29-dind",
        help="Image of the daemon.",
        required=True,
    ),
    Option(
        name="socket-dir",
        parse=parsers.parse_socket_dir,
        default="/run/dind",
        accepts="an absolute path",
        max_length=128,
        example="/var/run",
        help="Directory of `docker.sock` in the containers.",
        modes=_BOTH_MODES,
        required=True,
    ),
    Option(
        name="tcp",
        parse=parsers.parse_tcp_address,
        default="",
        accepts="ADDRESS:PORT",
        max_length=64,
        example="127.0.0.1:2375",
        help="Listen on TCP as well, without TLS. An address that is not loopback needs the operator's consent.",
    ),
    Option(
        name="metrics-port",
        parse=parsers.whole_number_parser(1, 65535),
        default="",
        accepts="a number from 1 to 65535",
        max_length=64,
        example="9323",
        help=(
            "Serve dockerd's own metrics on this port of the pod, without authentication. Needs the operator's consent "
            "to addresses other than loopback."
        ),
    ),
    Option(
        name="env",
        parse=parsers.parse_environment,
        default="",
        accepts="a JSON object of strings",
        max_length=16384,
        max_items=64,
        example='{"HTTPS_PROXY": "http://proxy:3128"}',
        help="Environment variables of the daemon.",
        unset_value=(),
    ),
    Option(
        name="dockerd-args",
        parse=parsers.parse_dockerd_args,
        default="",
        accepts="a JSON array of strings",
        max_length=8192,
        max_items=64,
        example='["--log-level=debug"]',
        help="More flags for dockerd, each as `--flag` or `--flag=value`, except flags reserved for injection.",
        unset_value=(),
    ),
)

OPTIONS_BY_KEY: Mapping[str, Option] = {option.key: option for option in OPTIONS}


def describe_unknown_option(name: str) -> str:
    """Return a sentence about a name that no option has."""
    guess = nearest_word(name, (known.name for known in OPTIONS))
    return f"{name}: is not an option" + (f"; did you mean {guess}?" if guess else "")


def built_in_options() -> Options:
    """Return the options of a pod that sets none, if the operator changed no default."""
    return Options(**{option.field: option.read(option.default) for option in OPTIONS})
