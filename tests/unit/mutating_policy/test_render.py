"""The manifests of the policies. `tests/e2e/test_mutating_policy.py` tests what they do in an API server."""

import json
from typing import Any

import pytest

from dind_webhook.errors import SettingsError
from dind_webhook.injection import OPTIONS, Mode, Policy
from dind_webhook.model import JsonObject, parse_version
from dind_webhook.mutating_policy import render_policies
from dind_webhook.settings import InjectionSettings, make_policy

UNSUPPORTED: list[tuple[JsonObject, str]] = [
    ({"defaults": {"containers": "build"}}, "injection.defaults.containers"),
    ({"defaults": {"share-volumes": "workspace"}}, "injection.defaults.share-volumes"),
    ({"replace_docker_variables": True}, "injection.replace_docker_variables"),
    ({"allowed_options": ["node-socket"]}, "injection.allowed_options"),
    ({"defaults": {"node-socket": "replace"}}, "injection.allowed_options"),
]


def policy_of(**settings: Any) -> Policy:
    return make_policy(InjectionSettings.model_validate(settings))


def render(**settings: Any) -> dict[tuple[str, str], JsonObject]:
    """Return the rendered objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in render_policies(policy_of(**settings), "dind")}


def mutating(**settings: Any) -> JsonObject:
    found: JsonObject = render(**settings)["MutatingAdmissionPolicy", "dind-sidecar"]["spec"]
    return found


def conditions(objects: dict[tuple[str, str], JsonObject], kind: str, name: str) -> list[str]:
    return [each["expression"] for each in objects[kind, name]["spec"]["matchConditions"][1:]]


def test_each_policy_has_a_binding_of_its_name() -> None:
    objects = render()
    policies = {(kind, name) for kind, name in objects if kind.endswith("Policy")}
    assert {(f"{kind}Binding", name) for kind, name in policies} == objects.keys() - policies
    assert all(objects[f"{kind}Binding", name]["spec"]["policyName"] == name for kind, name in policies)
    assert {name for kind, name in policies if kind == "MutatingAdmissionPolicy"} == {"dind-sidecar", "dind-daemonset"}


@pytest.mark.parametrize(("settings", "named"), UNSUPPORTED)
def test_a_setting_that_cannot_become_a_policy_is_named(settings: JsonObject, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        render(**settings)
    (problem,) = refused.value.problems
    assert problem.startswith(f"{named}: cannot become a policy of the API server: ")


def test_all_such_settings_are_named_at_once_with_their_namespaces() -> None:
    entry = {"names": ["ci-*"], "defaults": {"containers": "build"}}
    with pytest.raises(SettingsError) as refused:
        render(replace_docker_variables=True, namespaces=[entry])
    assert [problem.split(": cannot")[0] for problem in refused.value.problems] == [
        "injection.replace_docker_variables",
        "injection.namespaces: entry ci-*: defaults.containers",
    ]


def test_settings_of_a_mode_that_is_off_do_not_matter() -> None:
    objects = render(modes=["daemonset"], defaults={"share-volumes": "workspace"})
    assert ("MutatingAdmissionPolicy", "dind-sidecar") not in objects
    messages = [
        each["messageExpression"] for each in objects["ValidatingAdmissionPolicy", "dind"]["spec"]["validations"]
    ]
    assert any("mode sidecar is switched off" in message for message in messages)


def test_a_mode_that_no_pod_can_have_is_refused_with_the_words_of_the_core() -> None:
    objects = render(defaults={"socket-dir": "/var/run"})
    assert ("MutatingAdmissionPolicy", "dind-daemonset") not in objects
    messages = [
        each["messageExpression"] for each in objects["ValidatingAdmissionPolicy", "dind"]["spec"]["validations"]
    ]
    (message,) = (each for each in messages if "cannot be combined with a read-only hostPath" in each)
    assert message.endswith('"; only the webhook dind-webhook can apply other options of a pod"')


@pytest.mark.parametrize(
    "settings",
    [
        {"defaults": {"isolation": "auto", "group": "70000"}},
        {"node_selector": {"pool": "example-value"}},
        {"run_volume": "example-volume"},
        {"container_name": "example-container"},
        {"defaults": {"socket-dir": "/example-path"}},
    ],
)
def test_no_word_of_the_operator_is_taken_for_one_of_a_pattern_pod(settings: JsonObject) -> None:
    assert ("MutatingAdmissionPolicy", "dind-sidecar") in render(**settings)


def test_a_name_that_is_a_word_of_the_messages_replaces_no_other_word() -> None:
    text = json.dumps(mutating(run_volume="volume"))
    assert "mounts volume " in text
    assert "may mount a volume of that name" in text


def test_settings_for_which_the_core_has_no_pattern_are_refused_with_a_sentence() -> None:
    with pytest.raises(SettingsError, match="cannot become a policy of the API server for mode sidecar: "):
        render(node_selector={"kubernetes.io/os": "windows"})


@pytest.mark.parametrize("value", ["docker:29-dind", "/run/other", "172.30.0.0/16", "--debug", "9Gi"])
def test_the_operators_constants_are_in_the_patch(value: str) -> None:
    defaults = {
        "image": "docker:29-dind",
        "socket-dir": "/run/other",
        "address-pools": "172.30.0.0/16:24",
        "dockerd-args": '["--debug"]',
        "memory-limit": "9Gi",
    }
    assert value in json.dumps(mutating(defaults=defaults))
    assert value not in json.dumps(mutating())


def test_a_bound_above_all_amounts_needs_no_expression() -> None:
    assert "exceededBound" not in json.dumps(mutating(max={"memory-limit": "9E"}))
    assert "exceededBound" in json.dumps(mutating(max={"memory-limit": "8Gi"}))


def test_the_first_entry_of_a_namespace_is_in_force() -> None:
    entries = [{"names": ["ci-*", "build"]}, {"names": ["ci-big"], "modes": []}]
    with pytest.raises(ValueError, match="never matches"):
        render(namespaces=entries)
    objects = render(namespaces=[entries[0], {"names": ["big"], "defaults": {"memory-limit": "8Gi"}}])
    kind = "MutatingAdmissionPolicy"
    assert conditions(objects, kind, "dind-0-sidecar") == ['request.namespace.matches("^(ci-.*|build)$")']
    assert conditions(objects, kind, "dind-1-sidecar") == [
        'request.namespace.matches("^(big)$")',
        '!request.namespace.matches("^(ci-.*|build)$")',
    ]
    assert conditions(objects, kind, "dind-sidecar") == ['!request.namespace.matches("^(ci-.*|build|big)$")']
    assert '"8Gi"' in json.dumps(objects[kind, "dind-1-sidecar"]).replace("\\", "")
    assert '"8Gi"' not in json.dumps(objects[kind, "dind-0-sidecar"]).replace("\\", "")


@pytest.mark.parametrize("mode", Mode)
def test_an_option_that_pods_may_not_set_is_refused(mode: Mode) -> None:
    spec = render(allowed_options=["mtu"])["ValidatingAdmissionPolicy", f"dind-{mode}"]["spec"]
    variables = {each["name"]: each["expression"] for each in spec["variables"]}
    assert all(f'"{option.key}"' in variables["optionNotAllowed"] for option in OPTIONS if option.name != "mtu")
    assert '"dind.io/mtu"' in variables["otherOption"]
    assert '"dind.io/mtu"' not in variables["optionNotAllowed"].split(" in ")[1].split("]")[0]


@pytest.mark.parametrize(
    ("version", "numbers"), [("1.36", (1, 36)), ("1.36+", (1, 36)), ("1.100", (1, 100)), ("1.x", (1, 0))]
)
def test_the_version_of_an_api_server_is_read(version: str, numbers: tuple[int, ...]) -> None:
    assert parse_version(version) == numbers


def test_no_message_proposes_a_client_that_the_policies_refuse() -> None:
    text = json.dumps(mutating(defaults={"client": "true"}))
    assert "in the way of the Docker client" in text
    assert "set dind.io/client to" not in text
