"""The schema of the settings: frozen groups of members, each with a default and its help."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from dind_webhook import __version__
from dind_webhook.injection import (
    IN_USER_NAMESPACE,
    INJECT,
    NEED_RUNTIME_CLASS,
    OPTIONS,
    Isolation,
    Mode,
    NamespacePolicy,
    Options,
    Outcome,
    Policy,
    apply_defaults,
    built_in_options,
    find_bad_bounds,
    find_unbounded_defaults,
    inject,
)
from dind_webhook.model import (
    is_dns_label,
    is_dns_name,
    is_label_key,
    is_label_value,
    matches_wildcards,
    nearest_word,
    parse_image,
)
from dind_webhook.settings.duration import format_duration, parse_duration

_TOLERATION_MEMBERS = {"key": str, "operator": str, "value": str, "effect": str, "tolerationSeconds": int}
_COMMA_SEPARATED = frozenset(option.name for option in OPTIONS if "comma-separated" in option.accepts)


def _check_dns_label(name: str) -> str:
    if not is_dns_label(name):
        raise ValueError(f"{name!r} is not a DNS label: at most 63 of a-z, 0-9 and '-', no '-' at either end")
    return name


def _check_dns_name(name: str) -> str:
    if not is_dns_name(name):
        raise ValueError(f"{name!r} is not a DNS name: labels of a-z, 0-9 and '-', joined by dots")
    return name


def _check_namespace_pattern(pattern: str) -> str:
    # A name may begin or end where a pattern has `*`.
    if not is_dns_label(pattern.replace("*", "a")):
        raise ValueError(
            f"{pattern!r} is not the name of a namespace: at most 63 of a-z, 0-9 and '-', and '*' for any text"
        )
    return pattern


def _check_host(name: str) -> str:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _check_dns_name(name)
    if "%" in name:
        raise ValueError(f"{name!r} is an address with a zone, which no certificate can contain")
    # The form in which a certificate holds the address
    return str(address)


def _check_option_name(name: str) -> str:
    names = [option.name for option in OPTIONS]
    if name not in names:
        guess = nearest_word(name, names)
        raise ValueError(f"{name!r} is not an option" + (f"; did you mean {guess!r}?" if guess else ""))
    return name


def _check_label_key(key: str) -> str:
    if not is_label_key(key):
        raise ValueError(f"{key!r} is not the key of a label, such as example.com/pool")
    return key


def _check_label_value(value: str) -> str:
    if not is_label_value(value):
        raise ValueError(f"{value!r} is not the value of a label: at most 63 of A-Z, a-z, 0-9, '-', '_' and '.'")
    return value


def _check_toleration(toleration: dict[str, Any]) -> dict[str, Any]:
    """Return a toleration. Raise ValueError if the API server would refuse pods with it (`validateTolerations`)."""
    if unknown := sorted(toleration.keys() - _TOLERATION_MEMBERS.keys()):
        raise ValueError(f"has {', '.join(unknown)}; a toleration has {', '.join(_TOLERATION_MEMBERS)}")
    for member, kind in _TOLERATION_MEMBERS.items():
        if type(toleration.get(member, kind())) is not kind:
            raise ValueError(f"{member} must be a {'text, in quotes' if kind is str else 'whole number'}")
    key, operator, value, effect = (toleration.get(name, "") for name in ("key", "operator", "value", "effect"))
    if key:
        _check_label_key(key)
    elif operator != "Exists":
        raise ValueError("needs a key, or operator Exists, which without a key tolerates every taint")
    if operator not in ("", "Equal", "Exists"):
        raise ValueError("operator must be Equal or Exists")
    if operator == "Exists" and value:
        raise ValueError("has a value, which operator Exists does not compare; remove one of them")
    _check_label_value(value)
    if effect not in ("", "NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError("effect must be NoSchedule, PreferNoSchedule or NoExecute")
    if "tolerationSeconds" in toleration and effect != "NoExecute":
        raise ValueError("has tolerationSeconds, which only effect NoExecute has")
    return toleration


def _join_list(name: str, value: Any) -> Any:
    """Return the text of a list for an option whose annotation is comma-separated; other values as they are."""
    if name not in _COMMA_SEPARATED or not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return value
    return ",".join(value)


def _join_lists(texts: Any) -> Any:
    if not isinstance(texts, dict):
        return texts
    return {name: _join_list(str(name).replace("_", "-"), value) for name, value in texts.items()}


def _name_options(texts: dict[str, str]) -> dict[str, str]:
    # Names of variables have no dashes: DIND_WEBHOOK_INJECTION__DEFAULTS__STORAGE_SIZE.
    named = {name.replace("_", "-"): text for name, text in texts.items()}
    if len(named) < len(texts):
        twice = next(name for name in texts if "_" in name and name.replace("_", "-") in texts)
        raise ValueError(f"has {twice.replace('_', '-')} twice: with - and with _")
    return named


def _read_annotation_text(value: Any) -> Any:
    """Return the text of an annotation for the number, boolean, list or map that YAML or JSON reads from it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return str(value) if isinstance(value, int | float) else value


def _describe_format(text_format: str) -> Any:
    """Return a field whose JSON schema names the format of its text, for the reference page."""
    return Field(json_schema_extra={"format": text_format})


DnsLabel = Annotated[str, AfterValidator(_check_dns_label), _describe_format("DNS label")]
DnsName = Annotated[str, AfterValidator(_check_dns_name), _describe_format("DNS name")]
Host = Annotated[str, AfterValidator(_check_host), _describe_format("DNS name or IP address")]
LabelKey = Annotated[str, AfterValidator(_check_label_key), _describe_format("key of a label")]
LabelValue = Annotated[str, AfterValidator(_check_label_value), _describe_format("value of a label")]
Toleration = Annotated[dict[str, Any], AfterValidator(_check_toleration), _describe_format("toleration")]
OptionName = Annotated[str, AfterValidator(_check_option_name), _describe_format("option")]
NamespacePattern = Annotated[
    str, AfterValidator(_check_namespace_pattern), _describe_format("namespace, `*` for any text")
]
AnnotationText = Annotated[str, BeforeValidator(_read_annotation_text)]
OptionTexts = Annotated[dict[str, AnnotationText], BeforeValidator(_join_lists), AfterValidator(_name_options)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
Port = Annotated[int, Field(ge=0, le=65535)]


class _SettingsGroup(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NamespaceSettings(_SettingsGroup):
    """Settings of injection in some namespaces. A member that is left out is as for all namespaces."""

    names: tuple[NamespacePattern, ...] = Field(min_length=1)
    """Names of namespaces; `*` stands for any text."""

    modes: frozenset[Mode] | None = None
    """Modes that pods may ask for."""

    allowed_options: frozenset[OptionName] | None = None
    """Options that pods may set by annotation."""

    allowed_images: tuple[str, ...] | None = None
    """Patterns of images that pods may choose, if `image` is allowed."""

    allowed_isolations: frozenset[Isolation] | None = None
    """Values of `isolation` that pods may choose besides the default."""

    defaults: OptionTexts | None = None
    """Defaults of options, besides those for all namespaces; an empty text leaves an option unset."""

    max: OptionTexts | None = None
    """Upper bounds, besides those for all namespaces; an empty text lifts a bound."""

    @model_serializer(mode="wrap")
    def _serialize(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        members = {name: value for name, value in serialize(self).items() if value is not None}
        # Sets have no order.
        return {
            name: sorted(value) if isinstance(getattr(self, name), frozenset) else value
            for name, value in members.items()
        }

    @property
    def title(self) -> str:
        """The entry, for messages."""
        return f"entry {', '.join(self.names)}"

    def merge_into(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of injection in these namespaces, from those of all namespaces."""
        own = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        del own["names"]
        merged: dict[str, Any] = {name: {**base[name], **own[name]} for name in ("defaults", "max") if name in own}
        return {**base, **own, **merged, "namespaces": ()}


def _find_unreachable_names(entries: tuple[NamespaceSettings, ...]) -> Iterator[str]:
    """Yield a sentence for each name or pattern that an earlier one covers, so that it never matches."""
    for index, entry in enumerate(entries):
        for position, name in enumerate(entry.names):
            if name in entry.names[:position]:
                yield f"{entry.title}: {name} is there twice"
                continue
            earlier_names = (each for earlier in entries[:index] for each in earlier.names)
            if by := next((each for each in earlier_names if matches_wildcards(each, name)), None):
                yield f"{entry.title}: {name} never matches, because an earlier entry has {by}; move or remove it"


def _find_entry_problems(entry: NamespaceSettings, base: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each reason why an entry cannot be used with the settings for all namespaces."""
    try:
        InjectionSettings.model_validate(entry.merge_into(base))
    except ValidationError as error:
        for details in error.errors():
            place = "".join(f"{step}: " for step in details["loc"])
            yield f"{entry.title}: {place}{details['msg'].removeprefix('Value error, ')}"


_OTHER_VOLUMES = (
    "storage_volume",
    "files_volume",
    "ca_volume",
    "registry_volume",
    "config_volume",
    "client_volume",
    "client_image_volume",
)


class InjectionSettings(_SettingsGroup):
    """Injection: names and features, and the options that pods may set."""

    modes: frozenset[Mode] = frozenset({Mode.SIDECAR, Mode.DAEMONSET})
    """Modes that pods may ask for."""

    allowed_options: frozenset[OptionName] = frozenset(option.name for option in OPTIONS if option.allowed_by_default)
    """Options that pods may set by annotation."""

    allowed_images: tuple[str, ...] = ()
    """Patterns of images that pods may choose, if `image` is allowed; `*` is any text without `/` and `@`."""

    allowed_isolations: frozenset[Isolation] = frozenset({Isolation.USERNS})
    """Values of `isolation` that pods may choose besides the default; `hostUsers: false` chooses `userns`."""

    runtime_classes: dict[Isolation, DnsName] = Field(default_factory=dict, validate_default=True)
    """RuntimeClass of the pods with an isolation. `userns` can do without one, but then its daemon is privileged."""

    node_selector: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels of the nodes on which pods in sidecar mode run, merged into their `nodeSelector`."""

    tolerations: tuple[Toleration, ...] = ()
    """Tolerations that pods in sidecar mode get, as in a pod spec."""

    image_pull_secrets: tuple[DnsName, ...] = ()
    """Secrets of the pod's namespace for pulling the daemon's image, merged into the pod's `imagePullSecrets`."""

    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    """Pull policy of the daemon's image; empty for the API server's default."""

    defaults: OptionTexts = Field(default_factory=dict)
    """Defaults of options, each as the text of its annotation; an empty text leaves the option unset."""

    max: OptionTexts = Field(default_factory=dict)
    """Upper bounds of options with a quantity. A bound needs a default within it; pods then cannot unset the option."""

    container_name: DnsLabel = "dind"
    """Name of the sidecar."""

    wait_container_name: DnsLabel = "dind-wait"
    """Name of the init container that waits for the node's daemon."""

    run_volume: DnsLabel = "dind-run"
    """Name of the volume with the socket."""

    storage_volume: DnsLabel = "dind-storage"
    """Name of the volume at /var/lib/docker."""

    files_volume: DnsLabel = "dind-files"
    """Name of the volume at /etc/docker of the daemon, with the files of `daemon-files`."""

    ca_volume: DnsLabel = "dind-ca"
    """Name of the volume with the CAs of `ca`."""

    registry_volume: DnsLabel = "dind-registry"
    """Name of the volume with the credentials of `registry-secret`."""

    config_volume: DnsLabel = "dind-config"
    """Name of the volume at /.docker of containers that are not root or have a read-only root file system."""

    client_volume: DnsLabel = "dind-client"
    """Name of the volume with the Docker client of `client`, for the containers."""

    client_image_volume: DnsLabel = "dind-client-image"
    """Name of the image volume with the client."""

    image_volumes: bool = False
    """Mount the client from an image volume instead of copying it. All nodes must support image volumes. Default of
    the chart: true from Kubernetes 1.35.
    """

    client_image: str = ""
    """Image of the client; empty: the daemon's image. Copies are always made from the daemon's image. Pods with an
    isolation get copies.
    """

    replace_docker_variables: bool = False
    """Replace a `DOCKER_HOST` of another daemon, and clear `DOCKER_TLS_VERIFY`, in containers that get Docker."""

    proxy_clients: bool = False
    """Give `proxy` and `no-proxy` to the containers with Docker too, as variables that they do not set themselves."""

    share_by_name: frozenset[Literal["csi", "hostPath", "iscsi", "nfs"]] = frozenset()
    """Kinds of volumes that pods may share with the daemon by name, besides emptyDir, PVC and ephemeral."""

    storage: bool = True
    """Mount a volume at /var/lib/docker; without one, layers fill the container's own file system."""

    start_script: bool = True
    """Start dockerd through a script that makes the pod's limits hold for its containers."""

    startup_probe: bool = True
    """Hold the other containers back with a startup probe where the socket needs no hook, as in /var/run."""

    tls_flag: bool = True
    """Pass --tls=false with a TCP address; without it dockerd delays its start by 16 s, except on loopback."""

    docker_sock: bool = True
    """Offer the socket at /var/run/docker.sock as well, for tools that ignore DOCKER_HOST."""

    allow_host_network: bool = False
    """Inject a sidecar into hostNetwork pods: its bridge and firewall rules are then the node's."""

    allow_host_pid: bool = False
    """Inject a sidecar into hostPID pods: its users can then see and end every process of the node."""

    allow_host_ipc: bool = False
    """Inject a sidecar into hostIPC pods."""

    allow_public_tcp: bool = False
    """Let pods make dockerd listen on addresses other than loopback (`tcp`, `metrics-port`, and flags that listen)."""

    host_path: str = "/var/run/dind"
    """Directory on the node with the DaemonSet's socket."""

    host_path_type: Literal["", "Directory", "DirectoryOrCreate"] = "Directory"
    """Type of that hostPath; with `Directory` a pod waits until the DaemonSet has created the directory."""

    host_path_read_only: bool = True
    """Mount that hostPath read-only; containers can still connect to the socket."""

    wait_seconds: int = Field(default=120, ge=1, le=3600)
    """How long a pod waits for the node's daemon, in seconds."""

    # Last: an entry is checked together with all other settings.
    namespaces: tuple[NamespaceSettings, ...] = ()
    """Other settings for some namespaces. The first entry whose `names` match a namespace is in force there."""

    @field_validator("runtime_classes")
    @classmethod
    def _check_runtime_classes(cls, classes: dict[Isolation, str], info: ValidationInfo) -> dict[Isolation, str]:
        if useless := sorted({Isolation.NONE, Isolation.AUTO} & classes.keys()):
            raise ValueError(f"{', '.join(useless)} cannot have a RuntimeClass; name that of userns instead")
        if missing := sorted(NEED_RUNTIME_CLASS & info.data.get("allowed_isolations", set()) - classes.keys()):
            raise ValueError(f"must have the RuntimeClass of {', '.join(missing)}, which allowed_isolations has")
        return classes

    @field_validator("host_path")
    @classmethod
    def _check_host_path(cls, path: str) -> str:
        if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", path) or ".." in path.split("/"):
            raise ValueError("must be an absolute path of plain names, without a closing slash")
        return path

    @field_validator("client_image")
    @classmethod
    def _check_client_image(cls, image: str, info: ValidationInfo) -> str:
        if image:
            parse_image(image)
            if not info.data.get("image_volumes", True):
                raise ValueError("needs image_volumes: true (Kubernetes 1.35): copies are from the daemon's image")
        return image

    @field_validator(*_OTHER_VOLUMES)
    @classmethod
    def _check_volume_name(cls, name: str, info: ValidationInfo) -> str:
        for other in ("run_volume", *_OTHER_VOLUMES):
            # The data has only the fields before this one.
            if name == info.data.get(other):
                raise ValueError(f"must differ from {other}, which is {name!r}")
        return name

    @field_validator("defaults")
    @classmethod
    def _check_defaults(cls, defaults: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        options, problems = apply_defaults(built_in_options(), defaults)
        isolation = options.isolation
        if isolation in NEED_RUNTIME_CLASS and isolation not in info.data.get("runtime_classes", {}):
            problems.append(f"isolation: {isolation} needs a RuntimeClass in runtime_classes")
        if problems:
            raise ValueError("; ".join(problems))
        return defaults

    @field_validator("max")
    @classmethod
    def _check_max(cls, bounds: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        # With an empty text, a namespace lifts a bound, and the chart's `null` removes one.
        bounds = {name: text for name, text in bounds.items() if text}
        problems = list(find_bad_bounds(bounds))
        if not problems and "defaults" in info.data:
            options, _ = apply_defaults(built_in_options(), info.data["defaults"])
            problems = list(find_unbounded_defaults(options, bounds))
        if problems:
            raise ValueError("; ".join(problems))
        return bounds

    @field_validator("namespaces")
    @classmethod
    def _check_namespaces(
        cls, entries: tuple[NamespaceSettings, ...], info: ValidationInfo
    ) -> tuple[NamespaceSettings, ...]:
        problems = list(_find_unreachable_names(entries))
        # Other mistakes come first: settings of namespaces are made from the other settings.
        if len(info.data) == len(cls.model_fields) - 1:
            problems += [problem for entry in entries for problem in _find_entry_problems(entry, info.data)]
        if problems:
            raise ValueError("; ".join(problems))
        return entries

    def entry_for(self, namespace: str) -> NamespaceSettings | None:
        """Return the entry of `namespaces` that is in force in a namespace, or None if there is none."""
        for entry in self.namespaces:
            if any(matches_wildcards(name, namespace) for name in entry.names):
                return entry
        return None

    def for_namespace(self, namespace: str) -> Self:
        """Return the settings that are in force in a namespace, without `namespaces` if an entry is."""
        entry = self.entry_for(namespace)
        return self if entry is None else type(self).model_validate(entry.merge_into(self.members))

    @property
    def members(self) -> dict[str, Any]:
        """The settings by name."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        if self.defaults.get("storage-data-source") and not self.storage:
            raise ValueError("defaults.storage-data-source needs storage: true, a volume at /var/lib/docker")
        return self

    @model_validator(mode="after")
    def _check_start_script(self) -> Self:
        isolation = self.defaults.get("isolation")
        if isolation in {Isolation.AUTO, *IN_USER_NAMESPACE} and not self.start_script:
            raise ValueError(f"defaults.isolation {isolation} needs start_script: true")
        options, _ = apply_defaults(built_in_options(), self.defaults)
        if options.client and not self.start_script and Mode.SIDECAR in self.modes:
            raise ValueError("defaults.client needs start_script: true, which puts the client there")
        return self


class ServerSettings(_SettingsGroup):
    """The addresses and the certificate of `dind-webhook serve`."""

    host: str = "::"
    """Address to listen on; `::` stands for every address, IPv4 ones included."""

    port: Port = 10250
    """HTTPS port of the webhook."""

    health_port: Port = 8080
    """Plain HTTP port of /healthz, /readyz and /metrics."""

    tls_cert_file: Path | None = None
    """PEM file with the serving certificate and its chain."""

    tls_key_file: Path | None = None
    """PEM file with its private key."""

    tls_server_name: Host | None = None
    """Name that the certificate must have, `<service>.<namespace>.svc`; another certificate is refused. Unset: any."""

    tls_min_version: Literal["1.2", "1.3"] = "1.2"
    """Lowest version of TLS."""

    tls_ciphers: str = ""
    """OpenSSL's list of ciphers for TLS 1.2; empty for OpenSSL's own choice. Those of TLS 1.3 are all strong."""

    client_ca_file: Path | None = None
    """PEM file with the CA of the API server's client certificate; with it, callers without one are refused."""

    client_names: tuple[str, ...] = ()
    """Common names of the client certificates that are accepted; empty for all that `client_ca_file` has signed."""

    reload_seconds: float = Field(default=1.0, gt=0, le=3600)
    """Polling interval of the certificate files, in seconds."""

    grace_seconds: float = Field(default=5.0, ge=0, le=600)
    """How long the server accepts new requests after SIGTERM, in seconds: every node must learn that the pod ends."""

    drain_seconds: float = Field(default=10.0, ge=0, le=600)
    """How long connections may take to finish after that, in seconds, before the server closes them."""

    request_seconds: float = Field(default=10.0, gt=0, le=600)
    """How long one request may take, in seconds, from its first byte until the client has received the answer."""

    connection_limit: int = Field(default=300, ge=1)
    """Most connections at a time, TLS handshakes included. At the limit, the address with the most loses one."""

    body_limit: int = Field(default=7 * 1024 * 1024, ge=1024)
    """Largest AdmissionReview that is read, in bytes. etcd accepts 1.5 MiB; a review has the object twice, as JSON."""

    @field_validator("client_names")
    @classmethod
    def _check_client_names(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if names and not info.data.get("client_ca_file"):
            raise ValueError("needs client_ca_file too: without it the server asks no client for a certificate")
        return names


class CertsSettings(_SettingsGroup):
    """The self-managed certificates, which `dind-webhook certs` issues and renews."""

    namespace: DnsLabel | None = None
    """Namespace of the Secret and the Service: the namespace of the pod. Required."""

    secret: DnsName = "dind-webhook-certs"  # noqa: S105  # its name
    """Name of the Secret with the CA and the serving certificate."""

    webhook_configuration: DnsName = "dind-webhook"
    """Name of the MutatingWebhookConfiguration whose `caBundle` is kept up to date."""

    service: DnsLabel = "dind-webhook"
    """Name of the Service that the API server calls; the certificate is for `<service>.<namespace>.svc`."""

    extra_hosts: tuple[Host, ...] = ()
    """More host names or IP addresses for the certificate, as of a `clientConfig.url`."""

    directory: Path = Path("/var/run/dind-webhook/tls")
    """Directory in which `tls.crt` and `tls.key` are written for the server."""

    leaf_life: Duration = timedelta(days=30)
    """How long a serving certificate is valid; it is renewed after two thirds of that."""

    ca_life: Duration = timedelta(days=365)
    """How long a CA is valid; at least three times `leaf_life`."""

    resync: Duration = timedelta(seconds=5)
    """Time between two full checks, which do not depend on watches."""

    host: str = "::"
    """Address of the health port; `::` stands for every address, IPv4 ones included."""

    health_port: Port = 8081
    """Plain HTTP port of /healthz, /readyz and /metrics."""

    kubeconfig: Path | None = None
    """Kubeconfig to use outside of a cluster; unset in a pod."""

    @field_validator("leaf_life", "resync")
    @classmethod
    def _check_duration(cls, span: timedelta) -> timedelta:
        if span < timedelta(seconds=1):
            raise ValueError("must be at least 1s")
        return span

    @field_validator("ca_life")
    @classmethod
    def _check_ca_life(cls, life: timedelta, info: ValidationInfo) -> timedelta:
        # A CA is renewed when a third of its life is left. In that time its serving certificates must expire.
        leaf = info.data.get("leaf_life")
        if leaf and life < 3 * leaf:
            raise ValueError(f"must be at least three times leaf_life, {format_duration(3 * leaf)}")
        return life


class LogSettings(_SettingsGroup):
    """The format and the level of the log."""

    format: Literal["json", "text"] = "json"
    """One JSON object per line, or text for people."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""

    user: bool = False
    """Log who creates a pod: the name of a person, or of the service account of a controller."""


def _find_denied_modes(policy: Policy, *, names_modes: bool) -> Iterator[str]:
    """Yield a sentence for each mode in which the defaults deny every pod that sets no options itself.

    Operators who name no modes have both, but may have no DaemonSet.
    """
    for mode in sorted(policy.modes if names_modes else policy.modes - {Mode.DAEMONSET}):
        decision = inject(_plain_pod(mode, policy.defaults), None, policy)
        if decision.outcome is Outcome.DENIED:
            yield (
                f"these defaults deny every pod in {mode} mode that sets no options itself: {decision.message}; or "
                f"leave {mode} out of modes"
            )


def _plain_pod(mode: Mode, options: Options) -> dict[str, Any]:
    """Return a pod that asks for a mode only, with the containers and the volumes that the defaults name."""
    names = options.share_volumes if isinstance(options.share_volumes, tuple) else ()
    mounts = [{"name": name, "mountPath": f"/volumes/{name}"} for name in names]
    containers = [
        {"name": name, "image": "example", "volumeMounts": mounts} for name in options.containers or ("example",)
    ]
    volumes = [{"name": name, "emptyDir": {}} for name in names]
    return {"metadata": {"annotations": {INJECT: mode}}, "spec": {"containers": containers, "volumes": volumes}}


class Settings(_SettingsGroup):
    """Everything an operator can set."""

    injection: InjectionSettings = InjectionSettings()
    server: ServerSettings = ServerSettings()
    certs: CertsSettings = CertsSettings()
    log: LogSettings = LogSettings()

    @field_validator("injection")
    @classmethod
    def _check_plain_pods(cls, injection: InjectionSettings) -> InjectionSettings:
        # Even if pods may choose otherwise: defaults are for pods that say nothing.
        policy = make_policy(injection)
        names_modes = "modes" in injection.model_fields_set
        problems = list(_find_denied_modes(policy, names_modes=names_modes))
        for entry, (_, own) in zip(injection.namespaces, policy.namespaces, strict=True):
            own_problems = _find_denied_modes(own, names_modes=names_modes or entry.modes is not None)
            problems += [f"{entry.title}: {each}" for each in own_problems if each not in problems]
        if problems:
            raise ValueError("; ".join(problems))
        return injection


def make_policy(settings: InjectionSettings) -> Policy:
    """Return the policy for the package injection. `settings` are valid already."""
    base = settings.members
    entries = [
        NamespacePolicy(entry.names, _make_policy(entry.merge_into(base), "namespace")) for entry in settings.namespaces
    ]
    return _make_policy({**base, "namespaces": tuple(entries)}, "cluster")


def _make_policy(values: Mapping[str, Any], scope: str) -> Policy:
    options, _ = apply_defaults(built_in_options(), values["defaults"])
    bounds = {name: text for name, text in values["max"].items() if text}
    return Policy(**{**values, "version": __version__, "defaults": options, "max": bounds, "scope": scope})
