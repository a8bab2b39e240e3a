"""What the core adds, read off pattern pods."""

import pytest

from dind_webhook.injection import Mode, Policy, Reason
from dind_webhook.mutating_policy import patterns
from dind_webhook.mutating_policy.expressions import closed
from dind_webhook.mutating_policy.patterns import MAIN, find_message, pattern_pod, read_additions, read_message
from dind_webhook.settings import InjectionSettings, make_policy


@pytest.fixture
def policy() -> Policy:
    return make_policy(InjectionSettings())


def test_the_daemon_and_what_clients_get_are_apart(policy: Policy) -> None:
    additions = read_additions(policy, Mode.SIDECAR)
    assert additions.container
    assert additions.container["restartPolicy"] == "Always"
    assert "volumeMounts" not in additions.container
    assert [mount["mountPath"] for mount in additions.client_mounts] == ["/run/dind", "/var/run/docker.sock"]
    assert [mount["mountPath"] for mount in additions.container_mounts] == ["/run/dind", "/var/lib/docker"]
    assert additions.client_env == ([{"name": "DOCKER_HOST", "value": "unix:///run/dind/docker.sock"}], [], [])
    assert additions.serves_init
    assert not additions.as_container


def test_the_daemon_has_a_limit_of_storage_if_the_pod_has_one(policy: Policy) -> None:
    additions = read_additions(policy, Mode.SIDECAR)
    with_limit, without_limit = additions.variants
    marker = with_limit["resources"]["limits"]["ephemeral-storage"]
    assert "variables.storageSize" in additions.variant_quantities[marker]
    assert "ephemeral-storage" not in without_limit["resources"]["limits"]


def test_the_waiting_container_keeps_the_class_of_the_pod(policy: Policy) -> None:
    guaranteed, other = read_additions(policy, Mode.DAEMONSET).variants
    assert guaranteed["resources"]["requests"] == guaranteed["resources"]["limits"]
    assert other["resources"]["requests"] != other["resources"]["limits"]


def test_an_ordinary_container_serves_no_init_containers() -> None:
    additions = read_additions(make_policy(InjectionSettings(defaults={"placement": "container"})), Mode.SIDECAR)
    assert additions.as_container
    assert not additions.serves_init


def test_a_mode_without_a_container_has_volumes_only() -> None:
    additions = read_additions(make_policy(InjectionSettings(defaults={"wait": "false"})), Mode.DAEMONSET)
    assert additions.container is None
    assert additions.variants == ({}, {})
    assert [volume["name"] for volume in additions.volumes] == ["dind-run"]


def test_an_addition_that_no_policy_places_is_an_error(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members that injection adds one day would be missing from the policy otherwise."""
    monkeypatch.setattr(patterns, "_POD_MEMBERS", patterns._POD_MEMBERS - {"volumes"})  # noqa: SLF001
    with pytest.raises(LookupError, match="injection adds volumes, which no policy places"):
        read_additions(policy, Mode.SIDECAR)


def test_a_message_has_expressions_for_the_words_of_the_pattern(policy: Policy) -> None:
    pod = pattern_pod(Mode.SIDECAR, container={"command": ["dockerd"]})
    message = read_message(policy, pod, Reason.OWN_DAEMON, {MAIN: "c.name"})
    assert message.startswith(r'"container \"" + c.name + "\" runs a Docker daemon of its own (its command), ')


def test_a_pod_that_the_core_injects_has_no_message(policy: Policy) -> None:
    assert find_message(policy, pattern_pod(Mode.SIDECAR), frozenset(Reason)) is None
    with pytest.raises(LookupError, match="does not deny the pattern pod for windows-pod"):
        read_message(policy, pattern_pod(Mode.SIDECAR), Reason.WINDOWS_POD)


@pytest.mark.parametrize(
    ("path", "form"),
    [("/", "//"), ("/var/run/x/", "//run/x/"), ("//a/./b", "//a/b/"), ("/var/running", "//var/running/")],
)
def test_one_path_is_under_another_if_its_closed_form_begins_with_the_other(path: str, form: str) -> None:
    assert closed(path) == form


@pytest.mark.parametrize(("mode", "evictable"), [(Mode.SIDECAR, "dind-run,dind-storage,"), (Mode.DAEMONSET, "")])
def test_what_clients_without_a_home_get_is_apart(policy: Policy, mode: Mode, evictable: str) -> None:
    homeless = read_additions(policy, mode).homeless
    assert homeless
    assert homeless.volume == {"name": "dind-config", "emptyDir": {}}
    assert homeless.mount == {"name": "dind-config", "mountPath": "/.docker"}
    assert homeless.annotations["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"] == (
        f"{evictable}dind-config"
    )


def test_no_client_gets_a_home_where_the_operator_has_a_configuration_for_all() -> None:
    policy = make_policy(InjectionSettings(defaults={"registry-secret": "registry"}))
    assert read_additions(policy, Mode.SIDECAR).homeless is None
    assert read_additions(policy, Mode.DAEMONSET).homeless


def test_variables_of_clients_are_apart_by_the_reason_not_to_get_them() -> None:
    defaults = {"proxy": "http://proxy.example", "registry-secret": "registry"}
    policy = make_policy(InjectionSettings(defaults=defaults, proxy_clients=True))
    env = read_additions(policy, Mode.SIDECAR).client_env
    names = [[each["name"] for each in variables] for variables in env]
    proxy = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"]
    assert names == [["DOCKER_HOST"], proxy, ["DOCKER_CONFIG", "BUILDX_CONFIG"]]
    assert env.of_config[1]["value"] == f"/run/dind/buildx-{MAIN}"


@pytest.mark.parametrize(
    ("isolation", "members"),
    [("none", {}), ("auto", {"hostUsers": False}), ("kata", {"runtimeClassName": "kata-qemu"})],
)
def test_what_an_isolation_needs_of_the_pod_is_apart(isolation: str, members: dict[str, object]) -> None:
    settings = InjectionSettings(defaults={"isolation": isolation}, runtime_classes={"kata": "kata-qemu"})
    policy = make_policy(settings)
    assert read_additions(policy, Mode.SIDECAR).pod_members == members
    assert read_additions(policy, Mode.DAEMONSET).pod_members == {}


def test_a_client_without_a_home_may_change_nothing_else(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second mount that injection adds one day would be missing from the policy otherwise."""
    other = {"securityContext": {"runAsUser": 1000}, "volumeMounts": [{"name": "own", "mountPath": "/own"}]}
    monkeypatch.setattr(patterns, "HOMELESS", other)
    with pytest.raises(ValueError, match="unpack"):
        read_additions(policy, Mode.SIDECAR)
