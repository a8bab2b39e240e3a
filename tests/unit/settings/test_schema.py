"""The settings: the values they accept, and the effect of each on a pod."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pods import a_container, a_pod, injected_pod, names_of, operator_policy, permissive_policy
from pydantic import BaseModel, ValidationError

from dind_webhook import __version__
from dind_webhook.certs.rotation import Lifetimes, new_state, renewal
from dind_webhook.injection import OPTIONS, Mirror, Mode, Policy, Reason, built_in_options, inject
from dind_webhook.model import JsonObject
from dind_webhook.settings import CertsSettings, InjectionSettings, LogSettings, ServerSettings, Settings, make_policy

_GROUPS: list[type[BaseModel]] = [InjectionSettings, LogSettings, ServerSettings]


def test_the_policy_of_an_operator_who_changed_nothing(policy: Policy) -> None:
    assert policy.version == __version__
    assert policy.defaults == built_in_options()
    assert policy.modes == set(Mode)
    assert policy.allowed_options == {option.name for option in OPTIONS if option.allowed_by_default}
    assert policy.allowed_images == ()


def _daemon(policy: Policy, **options: str) -> JsonObject:
    found: JsonObject = injected_pod(a_pod(options=options), policy)["spec"]["initContainers"][0]
    return found


def _inject_daemonset_mode(policy: Policy) -> JsonObject:
    found: JsonObject = injected_pod(a_pod("daemonset"), policy)["spec"]
    return found


def _reason(policy: Policy, mode: str = "sidecar", options: dict[str, Any] | None = None, **spec: Any) -> Reason:
    return inject(a_pod(mode, options, **spec), None, policy).reason


def _share_nfs_volume(policy: Policy) -> Reason:
    volumes = [{"name": "work", "nfs": {"server": "s", "path": "/"}}]
    containers = [a_container(volumeMounts=[{"name": "work", "mountPath": "/work"}])]
    return _reason(policy, options={"share-volumes": "work"}, volumes=volumes, containers=containers)


def _volumes(policy: Policy, **options: str) -> list[str]:
    return names_of(injected_pod(a_pod(options=options), policy)["spec"]["volumes"])


_ALL_OPTIONS = frozenset(option.name for option in OPTIONS)

# setting: another value than the default, a function that observes the effect, its result with the default and with
# the other value
_EFFECTS: dict[str, tuple[Any, Callable[[Policy], Any], Any, Any]] = {
    "modes": (frozenset({Mode.SIDECAR}), lambda p: _reason(p, "daemonset"), Reason.INJECTED, Reason.MODE_OFF),
    "allowed_options": (
        frozenset({"wait"}),
        lambda p: _reason(p, options={"mtu": "1450"}),
        Reason.INJECTED,
        Reason.OPTION_NOT_ALLOWED,
    ),
    "allowed_images": (
        ("docker:*",),
        lambda p: _reason(p, options={"image": "docker:1"}),
        Reason.IMAGE_NOT_ALLOWED,
        Reason.INJECTED,
    ),
    "defaults": ({"image": "docker:1"}, lambda p: _daemon(p)["image"], "docker:29.8.2-dind", "docker:1"),
    "max": (
        {"memory-limit": "4Gi"},
        lambda p: _reason(p, options={"memory-limit": "5Gi"}),
        Reason.INJECTED,
        Reason.OPTION_NOT_ALLOWED,
    ),
    "namespaces": (
        [{"names": ["ci-*"], "allowed_options": []}],
        lambda p: _reason(p.for_namespace("ci-1"), options={"mtu": "1450"}),
        Reason.INJECTED,
        Reason.OPTION_NOT_ALLOWED,
    ),
    "container_name": ("docker", lambda p: _daemon(p)["name"], "dind", "docker"),
    "wait_container_name": (
        "docker-wait",
        lambda p: names_of(_inject_daemonset_mode(p)["initContainers"]),
        ["dind-wait"],
        ["docker-wait"],
    ),
    "run_volume": ("cache-dir", _volumes, ["dind-run", "dind-storage"], ["cache-dir", "dind-storage"]),
    "storage_volume": ("layers", _volumes, ["dind-run", "dind-storage"], ["dind-run", "layers"]),
    "files_volume": (
        "files",
        lambda p: _volumes(p, **{"daemon-files": "daemon.json=configmap/a/b"})[-1],
        "dind-files",
        "files",
    ),
    "ca_volume": ("certificates", lambda p: _volumes(p, ca="a")[-1], "dind-ca", "certificates"),
    "registry_volume": (
        "credentials",
        lambda p: _volumes(p, **{"registry-secret": "a"})[-1],
        "dind-registry",
        "credentials",
    ),
    "config_volume": (
        "logins",
        lambda p: names_of(injected_pod(a_pod(securityContext={"runAsUser": 1000}), p)["spec"]["volumes"])[-1],
        "dind-config",
        "logins",
    ),
    "client_volume": ("docker", lambda p: _volumes(p, client="true")[-1], "dind-client", "docker"),
    "client_image_volume": (
        "docker-image",
        lambda p: _volumes(replace(p, image_volumes=True), client="true")[-1],
        "dind-client-image",
        "docker-image",
    ),
    "image_volumes": (
        True,
        lambda p: _volumes(p, client="true")[2:],
        ["dind-client"],
        ["dind-client", "dind-client-image"],
    ),
    "client_image": (
        "docker:30-cli",
        lambda p: injected_pod(a_pod(options={"client": "true"}), replace(p, image_volumes=True))["spec"]["volumes"][
            -1
        ]["image"]["reference"],
        "docker:29.8.2-dind",
        "docker:30-cli",
    ),
    "share_by_name": (frozenset({"nfs"}), _share_nfs_volume, Reason.INVALID_OPTION, Reason.INJECTED),
    "replace_docker_variables": (
        True,
        lambda p: _reason(p, containers=[a_container(env=[{"name": "DOCKER_TLS_VERIFY", "value": "1"}])]),
        Reason.TLS_VARIABLE,
        Reason.INJECTED,
    ),
    "proxy_clients": (
        True,
        lambda p: "no_proxy" in str(injected_pod(a_pod(options={"proxy": "http://proxy"}), p)),
        False,
        True,
    ),
    "storage": (False, _volumes, ["dind-run", "dind-storage"], ["dind-run"]),
    "start_script": (False, lambda p: "command" in _daemon(p), True, False),
    "startup_probe": (False, lambda p: "startupProbe" in _daemon(p, **{"socket-dir": "/var/run"}), True, False),
    "tls_flag": (False, lambda p: "--tls=false" in _daemon(p, tcp="127.0.0.1:1")["args"], True, False),
    "docker_sock": (
        False,
        lambda p: "/var/run/docker.sock" in str(injected_pod(a_pod(), p)),
        True,
        False,
    ),
    "allow_host_network": (True, lambda p: _reason(p, hostNetwork=True), Reason.HOST_NETWORK, Reason.INJECTED),
    "allow_host_pid": (True, lambda p: _reason(p, hostPID=True), Reason.HOST_PID, Reason.INJECTED),
    "allow_host_ipc": (True, lambda p: _reason(p, hostIPC=True), Reason.HOST_IPC, Reason.INJECTED),
    "allowed_isolations": (
        frozenset(),
        lambda p: _reason(p, hostUsers=False),
        Reason.INJECTED,
        Reason.HOST_USERS,
    ),
    "runtime_classes": (
        {"userns": "dind"},
        lambda p: _reason(p, hostUsers=False, runtimeClassName="other"),
        Reason.INJECTED,
        Reason.ISOLATION,
    ),
    "node_selector": (
        {"pool": "docker"},
        lambda p: injected_pod(a_pod(), p)["spec"].get("nodeSelector"),
        None,
        {"pool": "docker"},
    ),
    "tolerations": (
        ({"key": "docker", "operator": "Exists"},),
        lambda p: injected_pod(a_pod(), p)["spec"].get("tolerations"),
        None,
        [{"key": "docker", "operator": "Exists"}],
    ),
    "image_pull_secrets": (
        ("mirror",),
        lambda p: injected_pod(a_pod(), p)["spec"].get("imagePullSecrets"),
        None,
        [{"name": "mirror"}],
    ),
    "image_pull_policy": ("Always", lambda p: _daemon(p).get("imagePullPolicy"), None, "Always"),
    "allow_public_tcp": (
        True,
        lambda p: _reason(p, options={"tcp": "0.0.0.0:1"}),
        Reason.OPTION_NOT_ALLOWED,
        Reason.INJECTED,
    ),
    "host_path": (
        "/srv/dind",
        lambda p: _inject_daemonset_mode(p)["volumes"][0]["hostPath"]["path"],
        "/var/run/dind",
        "/srv/dind",
    ),
    "host_path_type": (
        "DirectoryOrCreate",
        lambda p: _inject_daemonset_mode(p)["volumes"][0]["hostPath"].get("type"),
        "Directory",
        "DirectoryOrCreate",
    ),
    "host_path_read_only": (
        False,
        lambda p: _inject_daemonset_mode(p)["containers"][0]["volumeMounts"][0].get("readOnly"),
        True,
        None,
    ),
    "wait_seconds": (
        77,
        lambda p: re.findall(r"within ([0-9]+) s", str(_inject_daemonset_mode(p)["initContainers"])),
        ["120"],
        ["77"],
    ),
}


# Settings without which another one is refused
_NEEDED: dict[str, dict[str, Any]] = {"client_image": {"image_volumes": True}}


def test_every_setting_has_an_effect_to_look_at() -> None:
    assert set(_EFFECTS) == set(InjectionSettings.model_fields)


@pytest.mark.parametrize("setting", _EFFECTS)
def test_a_setting_changes_what_it_says(setting: str) -> None:
    value, observe, before, changed = _EFFECTS[setting]
    assert observe(permissive_policy()) == before
    given = {setting: value} if setting == "allowed_options" else {"allowed_options": _ALL_OPTIONS, setting: value}
    assert observe(operator_policy(**given, **_NEEDED.get(setting, {}))) == changed


@pytest.mark.parametrize("group", _GROUPS)
def test_every_member_has_a_line_of_help(group: type[BaseModel]) -> None:
    assert all(field.description for field in group.model_fields.values())


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("client_image", "docker:30-cli", "needs image_volumes: true (Kubernetes 1.35)"),
        ("modes", ["sidcar"], "Input should be 'sidecar' or 'daemonset'"),
        ("allowed_options", ["cpu-limt"], "'cpu-limt' is not an option; did you mean 'cpu-limit'?"),
        ("allowed_options", ["zzzzzz"], "'zzzzzz' is not an option"),
        ("defaults", {"mut": "1"}, "mut: is not an option; did you mean mtu?"),
        ("defaults", {"mtu": "1"}, 'mtu: "1" must be a whole number from 68 to 65535'),
        ("defaults", {"image": ""}, "image: cannot be empty"),
        (
            "defaults",
            {"cpu-request": "3"},
            "dind.io/cpu-request is 3, more than dind.io/cpu-limit",
        ),
        ("defaults", {"mtu": [1]}, 'mtu: "[1]" must be a whole number'),
        ("max", {"cpu-limt": "4"}, "cpu-limt: is not an option; did you mean cpu-limit?"),
        ("max", {"mtu": "1500"}, "mtu: cannot have a bound; options that can: cpu-request, cpu-limit, memory-request"),
        ("max", {"memory-limit": "8GB"}, 'memory-limit: "8GB" is not a quantity'),
        ("max", {"cpu-limit": "none"}, 'cpu-limit: "none" is not a bound; leave it out, or set a quantity'),
        ("max", {"cpu_limit": "4", "cpu-limit": "8"}, "has cpu-limit twice: with - and with _"),
        ("max", {"memory-limit": "2Gi"}, "memory-limit: its default, 4Gi, is more than 2Gi; set defaults.memory-limit"),
        (
            "max",
            {"ephemeral-storage-limit": "60Gi"},
            "ephemeral-storage-limit: its default is unset, which is no limit; set defaults.ephemeral-storage-limit",
        ),
        ("node_selector", {"-a": "b"}, "'-a' is not the key of a label"),
        ("node_selector", {"a": "b c"}, "'b c' is not the value of a label"),
        ("tolerations", [{"key": "a", "tolerationsSeconds": 1}], "has tolerationsSeconds; a toleration has key, "),
        ("tolerations", [{"key": "a", "value": True}], "value must be a text, in quotes"),
        ("tolerations", [{"key": "a", "effect": "NoExecute", "tolerationSeconds": "1"}], "must be a whole number"),
        ("tolerations", [{"key": "a b"}], "'a b' is not the key of a label"),
        ("tolerations", [{"value": "a"}], "needs a key, or operator Exists"),
        ("tolerations", [{"key": "a", "operator": "In"}], "operator must be Equal or Exists"),
        ("tolerations", [{"key": "a", "operator": "Exists", "value": "b"}], "operator Exists does not compare"),
        ("tolerations", [{"key": "a", "value": "b c"}], "'b c' is not the value of a label"),
        ("tolerations", [{"key": "a", "effect": "Never"}], "effect must be NoSchedule"),
        ("tolerations", [{"key": "a", "tolerationSeconds": 1}], "which only effect NoExecute has"),
        ("image_pull_secrets", ["a_b"], "'a_b' is not a DNS name"),
        ("image_pull_policy", "Sometimes", "Input should be '', 'Always', 'IfNotPresent' or 'Never'"),
        ("container_name", "Dind", "'Dind' is not a DNS label"),
        ("container_name", "", "'' is not a DNS label"),
        ("wait_container_name", "a.b", "'a.b' is not a DNS label"),
        ("run_volume", "-x", "'-x' is not a DNS label"),
        ("storage_volume", "x" * 64, "is not a DNS label"),
        ("host_path", "run/dind", "must be an absolute path of plain names"),
        ("host_path", "/", "must be an absolute path of plain names"),
        ("host_path", "/run/dind/", "must be an absolute path of plain names"),
        ("host_path", "/run/../etc", "must be an absolute path of plain names"),
        ("host_path", "/run/a b", "must be an absolute path of plain names"),
        ("host_path_type", "File", "Input should be '', 'Directory' or 'DirectoryOrCreate'"),
        ("wait_seconds", 0, "greater than or equal to 1"),
        ("wait_seconds", 3601, "less than or equal to 3600"),
        ("storage", "perhaps", "valid boolean"),
        ("hostpath", "/x", "Extra inputs are not permitted"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(setting: str, value: Any, says: str) -> None:
    with pytest.raises(ValidationError) as raised:
        InjectionSettings.model_validate({setting: value})
    assert says in str(raised.value)


def test_two_volumes_cannot_have_one_name() -> None:
    with pytest.raises(ValidationError, match="storage_volume"):
        InjectionSettings(run_volume="dind", storage_volume="dind")


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"mtu": 1450}, "mtu", 1450),
        ({"cpu-limit": 2}, "cpu_limit", "2"),
        ({"cpu-limit": 1.5}, "cpu_limit", "1.5"),
        ({"wait": False}, "wait", False),
        ({"share-volumes": True}, "share_volumes", True),
        ({"group": None}, "group", None),
        ({"group": ""}, "group", None),
        ({"containers": "build"}, "containers", ("build",)),
        ({"containers": ["build", "test"]}, "containers", ("build", "test")),
        ({"registry_mirrors": ["https://a.example"]}, "registry_mirrors", (Mirror("docker.io", "https://a.example"),)),
        ({"registry-mirrors": []}, "registry_mirrors", ()),
        ({"dockerd-args": ["--ip6tables=false"]}, "dockerd_args", ("--ip6tables=false",)),
    ],
)
def test_defaults_may_be_what_yaml_makes_of_them(given: dict[str, Any], field: str, value: Any) -> None:
    settings = InjectionSettings.model_validate({"defaults": given})
    assert getattr(make_policy(settings).defaults, field) == value


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ({"cpu-limit": 4}, {"cpu-limit": "4"}),
        ({"cpu_limit": "2.0"}, {"cpu-limit": "2.0"}),
        ({"cpu-limit": None, "memory-limit": ""}, {}),
    ],
)
def test_bounds_may_be_what_yaml_makes_of_them(given: dict[str, Any], bounds: dict[str, str]) -> None:
    assert make_policy(InjectionSettings.model_validate({"max": given})).max == bounds


def test_a_default_within_its_bound_is_accepted() -> None:
    settings = {"max": {"cpu-limit": "1"}, "defaults": {"cpu-limit": "1000m"}}
    assert InjectionSettings.model_validate(settings).max == {"cpu-limit": "1"}


@pytest.mark.parametrize(
    ("group", "member", "value"),
    [
        (ServerSettings, "port", -1),
        (ServerSettings, "health_port", 65536),
        (ServerSettings, "body_limit", 1),
        (LogSettings, "format", "xml"),
        (LogSettings, "level", "loud"),
    ],
)
def test_the_other_groups_refuse_too(group: type[BaseModel], member: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        group.model_validate({member: value})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("host", "read_back"),
    [("FD00::0001", "fd00::1"), ("10.0.0.1", "10.0.0.1"), ("a.example", "a.example")],
)
def test_an_address_is_kept_as_a_certificate_gives_it_back(host: str, read_back: str) -> None:
    """Otherwise the certificate would never have the address, and each check would renew it."""
    hosts = CertsSettings(extra_hosts=(host,)).extra_hosts
    assert hosts == (read_back,)
    state = new_state(hosts, Lifetimes(timedelta(days=3), timedelta(days=1)), datetime.now(UTC))
    assert renewal(state, hosts, datetime.now(UTC)) is None


def test_an_address_with_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="no certificate can contain"):
        CertsSettings(extra_hosts=("fe80::1%eth0",))
