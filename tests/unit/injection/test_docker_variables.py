"""Variables of the Docker client that people leave in their pods."""

import pytest
from pods import a_container, a_pod, injected_pod, operator_policy, permissive_policy

from dind_webhook.injection import Mode, Policy, Reason, inject
from dind_webhook.model import JsonObject

_OURS = {"name": "DOCKER_HOST", "value": "unix:///run/dind/docker.sock"}


def _pod(variables: dict[str, str], mode: str = "sidecar", **options: str) -> JsonObject:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    return a_pod(mode, options, containers=[a_container(env=env)])


@pytest.mark.parametrize("name", ["DOCKER_TLS_VERIFY", "DOCKER_TLS"])
@pytest.mark.parametrize("value", ["1", "0", "false"])
@pytest.mark.parametrize("mode", Mode)
def test_a_variable_that_makes_the_client_require_tls_is_denied(name: str, value: str, mode: Mode) -> None:
    """The client looks only at whether the variable is empty."""
    decision = inject(_pod({name: value}, mode), None, operator_policy())
    assert decision.reason is Reason.TLS_VARIABLE
    assert f'container "build" sets {name}' in decision.message


def test_a_variable_from_a_config_map_counts_as_set(policy: Policy) -> None:
    source = {"configMapKeyRef": {"name": "old", "key": "tls"}}
    pod = a_pod(containers=[a_container(env=[{"name": "DOCKER_TLS_VERIFY", "valueFrom": source}])])
    assert inject(pod, None, policy).reason is Reason.TLS_VARIABLE


@pytest.mark.parametrize(
    "variables",
    [
        {"DOCKER_TLS_VERIFY": ""},
        {"DOCKER_CONTEXT": "remote"},
        {"DOCKER_TLS_CERTDIR": "/certs"},
        {"DOCKER_HOST": "unix:///run/dind/docker.sock"},
        {"DOCKER_HOST": "unix:///var/run/docker.sock"},
    ],
    ids=str,
)
def test_variables_without_effect_are_no_reason_to_warn(variables: dict[str, str], policy: Policy) -> None:
    decision = inject(_pod(variables), None, policy)
    assert (decision.reason, decision.warnings) == (Reason.INJECTED, ())


@pytest.mark.parametrize("address", ["tcp://docker:2375", "tcp://docker:2376", "tcp://localhost:2375", "ssh://ci@host"])
@pytest.mark.parametrize("tls", [{}, {"DOCKER_TLS_VERIFY": "1"}], ids=str)
def test_another_daemon_is_kept_with_a_warning(address: str, tls: dict[str, str], policy: Policy) -> None:
    """With TLS too: it is that daemon's."""
    decision = inject(_pod({"DOCKER_HOST": address, **tls}), None, policy)
    assert decision.reason is Reason.INJECTED
    assert decision.warnings == ("DOCKER_HOST has another value and is kept in: build",)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:2375", "tcp://localhost:2375", "tcp://localhost:2375/"])
def test_the_tcp_address_of_the_daemon_is_no_other_daemon(address: str) -> None:
    decision = inject(_pod({"DOCKER_HOST": address}, tcp="127.0.0.1:2375"), None, permissive_policy())
    assert (decision.reason, decision.warnings) == (Reason.INJECTED, ())
    other_port = inject(_pod({"DOCKER_HOST": address}, tcp="127.0.0.1:2376"), None, permissive_policy())
    assert other_port.warnings


def test_the_nodes_daemon_has_no_tcp_address_even_if_the_operator_sets_one_for_sidecars() -> None:
    policy = operator_policy(defaults={"tcp": "127.0.0.1:2375"})
    assert inject(_pod({"DOCKER_HOST": "tcp://127.0.0.1:2375"}, "daemonset"), None, policy).warnings


@pytest.mark.parametrize("mode", Mode)
def test_the_operator_may_have_the_variables_replaced(mode: Mode) -> None:
    policy = operator_policy(replace_docker_variables=True)
    variables = {"A": "1", "DOCKER_HOST": "tcp://docker:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    pod = injected_pod(_pod(variables, mode), policy)
    assert pod["spec"]["containers"][0]["env"] == [
        {"name": "A", "value": "1"},
        _OURS,
        {"name": "DOCKER_TLS_VERIFY", "value": ""},
        {"name": "DOCKER_CERT_PATH", "value": ""},
    ]
    assert inject(pod, None, policy).reason is Reason.UNCHANGED


def test_a_path_of_certificates_is_a_warning(policy: Policy) -> None:
    """docker-py and the Go client then use TLS, the command-line client does not."""
    (warning,) = inject(_pod({"DOCKER_CERT_PATH": "/certs/client"}), None, policy).warnings
    assert warning == "DOCKER_CERT_PATH makes some clients use TLS, which the daemon does not, in: build"


def test_a_replacement_is_a_warning() -> None:
    decision = inject(_pod({"DOCKER_HOST": "ssh://ci@host"}), None, operator_policy(replace_docker_variables=True))
    assert decision.warnings == ("DOCKER_HOST has another value and is replaced in: build",)


def test_a_replaced_variable_may_have_its_value_from_elsewhere_or_occur_twice() -> None:
    policy = operator_policy(replace_docker_variables=True)
    source = {"name": "DOCKER_HOST", "valueFrom": {"configMapKeyRef": {"name": "old", "key": "host"}}}
    pod = a_pod(containers=[a_container(env=[source, {"name": "DOCKER_HOST", "value": "tcp://docker:2375"}])])
    assert injected_pod(pod, policy)["spec"]["containers"][0]["env"] == [_OURS, _OURS]


def test_variables_of_containers_without_docker_stay() -> None:
    policy = operator_policy(replace_docker_variables=True)
    env = [{"name": "DOCKER_HOST", "value": "tcp://docker:2375"}]
    pod = a_pod(options={"containers": "build"}, containers=[a_container(), a_container("other", env=env)])
    assert injected_pod(pod, policy)["spec"]["containers"][1]["env"] == env
