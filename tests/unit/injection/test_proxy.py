"""The proxy of the daemon, of builds and containers, and of the containers with Docker."""

import json
from typing import Any

import pytest
from pods import a_container, a_pod, find_by_name, injected_pod, permissive_policy

from dind_webhook.injection import Policy, Reason, inject
from dind_webhook.model import JsonObject

_PROXY = "http://proxy.corp.example:3128"
_OPTIONS = {"proxy": _PROXY, "no-proxy": ".corp.example, 10.0.0.0/8,::1"}
_DIRECT = "localhost,127.0.0.1,127.0.0.0/8,::1,.svc,.cluster.local,$(KUBERNETES_SERVICE_HOST),.corp.example,10.0.0.0/8"
_ALL = {"HTTP_PROXY": _PROXY, "HTTPS_PROXY": _PROXY, "NO_PROXY": _DIRECT}
_CONFIG = {"proxies": {"default": {"httpProxy": _PROXY, "httpsProxy": _PROXY, "noProxy": _DIRECT}}}
_CLIENT = {
    "DOCKER_HOST": "unix:///run/dind/docker.sock",
    "DOCKER_CONFIG": "/run/dind/docker-config",
    "BUILDX_CONFIG": "/run/dind/buildx-build",
}


def _variables(container: JsonObject) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def _daemon(options: JsonObject, policy: Policy) -> dict[str, Any]:
    spec = injected_pod(a_pod(options=options), policy)["spec"]
    return _variables(find_by_name(spec["initContainers"], "dind"))


def _client(policy: Policy, options: JsonObject = _OPTIONS, **members: Any) -> dict[str, Any]:
    pod = a_pod(options=options, containers=[a_container(**members)], volumes=[{"name": "own", "emptyDir": {}}])
    return _variables(injected_pod(pod, policy)["spec"]["containers"][0])


def test_the_daemon_gets_the_proxy_and_the_configuration_for_its_clients() -> None:
    variables = _daemon(_OPTIONS, permissive_policy())
    assert json.loads(variables.pop("DIND_CLIENT_CONFIG")) == _CONFIG
    assert variables == _ALL


def test_without_a_proxy_hosts_that_need_none_change_nothing() -> None:
    pod = injected_pod(a_pod(options={"no-proxy": "a"}), permissive_policy(proxy_clients=True))
    assert "NO_PROXY" not in str(pod["spec"]).upper()
    assert "DOCKER_CONFIG" not in str(pod["spec"])


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_variables_of_the_option_env_stay(name: str) -> None:
    variables = _daemon({**_OPTIONS, "env": json.dumps({name: "http://own"})}, permissive_policy())
    assert json.loads(variables.pop("DIND_CLIENT_CONFIG")) == _CONFIG
    others = {each: value for each, value in _ALL.items() if each != "HTTP_PROXY"}
    assert variables == {**others, name: "http://own"}


def test_clients_get_a_configuration_that_they_can_write_and_no_proxy() -> None:
    assert _client(permissive_policy()) == _CLIENT


def test_clients_get_the_proxy_in_both_spellings_if_the_operator_wants_that() -> None:
    small = {name.lower(): value for name, value in _ALL.items()}
    assert _client(permissive_policy(proxy_clients=True)) == {**_CLIENT, **_ALL, **small}


def test_a_variable_that_a_container_sets_stays_and_its_other_spelling_is_absent() -> None:
    variables = _client(permissive_policy(proxy_clients=True), env=[{"name": "https_proxy", "value": ""}])
    assert variables["https_proxy"] == ""
    assert "HTTPS_PROXY" not in variables
    assert variables["http_proxy"] == variables["HTTP_PROXY"] == _PROXY


def test_a_second_call_changes_nothing() -> None:
    policy = permissive_policy(proxy_clients=True)
    options = {**_OPTIONS, "registry-secret": "registry"}
    injected = injected_pod(a_pod(options=options), policy)
    assert inject(injected, None, policy).reason is Reason.UNCHANGED


def test_a_container_with_a_configuration_keeps_it() -> None:
    mount = {"name": "own", "mountPath": "/root/.docker"}
    assert _client(permissive_policy(), volumeMounts=[mount]) == {"DOCKER_HOST": _CLIENT["DOCKER_HOST"]}
    pod = a_pod(options=_OPTIONS, containers=[a_container(env=[{"name": "DOCKER_CONFIG", "value": "/own"}])])
    warning = "builds do not get the proxy, because DOCKER_CONFIG or .docker is theirs, in: build"
    assert warning in inject(pod, None, permissive_policy()).warnings


def test_with_a_secret_the_configuration_is_the_secret() -> None:
    options = {**_OPTIONS, "registry-secret": "registry"}
    variables = _client(permissive_policy(), options)
    assert variables == {**_CLIENT, "DOCKER_CONFIG": "/etc/dind-config"}
    assert "HTTP_PROXY" in _daemon(options, permissive_policy())
    warning = "docker build and docker run get no proxy unless the Secret of registry-secret has proxies"
    assert warning in inject(a_pod(options=options), None, permissive_policy()).warnings


def test_without_the_start_script_nothing_writes_the_configuration() -> None:
    policy = permissive_policy(start_script=False)
    assert _daemon(_OPTIONS, policy) == _ALL
    assert _client(policy) == {"DOCKER_HOST": _CLIENT["DOCKER_HOST"]}
    warning = "docker build and docker run get no proxy: the operator has turned start_script off"
    assert warning in inject(a_pod(options=_OPTIONS), None, policy).warnings


def test_a_password_is_in_no_message() -> None:
    for key, text in (("proxy", "http://ci:secret@proxy"), ("env", '["http://ci:secret@proxy"]')):
        decision = inject(a_pod(options={key: text}), None, permissive_policy())
        assert decision.reason is Reason.INVALID_OPTION
        assert "secret@" not in decision.message
        assert "//***@proxy" in decision.message


def test_daemonset_mode_has_no_such_option() -> None:
    policy = permissive_policy(proxy_clients=True)
    pod = a_pod("daemonset", _OPTIONS)
    assert "without effect in daemonset mode: dind.io/proxy, dind.io/no-proxy" in inject(pod, None, policy).warnings
    assert "_PROXY" not in str(injected_pod(pod, policy)["spec"]).upper()
