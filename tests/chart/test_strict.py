"""The strict policy, as rendered by the chart. In tests/e2e/test_strict.py, API servers evaluate it."""

import json
import re
from typing import Any

import pytest
from helm import HELMS, NAMESPACE, RELEASE, only, render

from dind_webhook.injection import METRICS_PORT_NAME, Mode, inject
from dind_webhook.model import is_dns_label
from dind_webhook.settings import make_policy, parse_settings

STRICT = {"policy": {"strict": True}}


def strict(values: Any, name: str = "helm4") -> Any:
    return only(render({**STRICT, **values}, name), "ValidatingAdmissionPolicy", f"{RELEASE}-strict")["spec"]


def variable(spec: Any, name: str) -> str:
    (found,) = [one["expression"] for one in spec["variables"] if one["name"] == name]
    return str(found)


def with_injection(**injection: Any) -> Any:
    return {"settings": {"injection": injection}}


def injected_args(values: Any) -> list[str]:
    """Return dockerd's arguments in a pod that was injected with the chart's settings."""
    text = only(render({**STRICT, **values}), "ConfigMap", RELEASE)["data"]["settings.yaml"]
    policy = make_policy(parse_settings(text, "settings.yaml", {}).settings.injection)
    decision = inject({"metadata": {}, "spec": {"containers": [{"name": "main"}]}}, Mode.SIDECAR, policy)
    (container,) = (operation["value"] for operation in decision.operations if "Containers" in operation["path"])
    arguments: list[str] = container[0]["args"]
    return arguments


def test_there_is_none_unless_it_is_wanted() -> None:
    names = {o["metadata"]["name"] for o in render({}) if o["kind"] == "ValidatingAdmissionPolicy"}
    assert names == {RELEASE}


def test_it_always_denies_and_leaves_nothing_to_a_pods_labels() -> None:
    """The operator's webhook values do not change this: a label or a condition could be used to bypass the policy."""
    values = {
        "webhook": {
            "failurePolicy": "Ignore",
            "objectSelector": {"matchLabels": {"a": "b"}},
            "matchConditions": [{"name": "example.com/mine", "expression": "false"}],
        }
    }
    spec = strict(values)
    assert spec["failurePolicy"] == "Fail"
    assert "matchConditions" not in spec
    assert "objectSelector" not in spec["matchConstraints"]
    binding = only(render({**STRICT, **values}), "ValidatingAdmissionPolicyBinding", f"{RELEASE}-strict")["spec"]
    assert binding == {"policyName": f"{RELEASE}-strict", "validationActions": ["Deny"]}


def test_it_is_asked_about_all_that_changes_containers() -> None:
    (rule,) = strict({})["matchConstraints"]["resourceRules"]
    assert rule["operations"] == ["CREATE", "UPDATE"]
    assert rule["resources"] == ["pods", "pods/ephemeralcontainers", "pods/resize"]


def test_its_namespaces_are_those_of_the_webhook() -> None:
    requirement = {"key": "team", "operator": "In", "values": ["ci"]}
    values = {"webhook": {"namespaceSelector": [requirement]}}
    policy = only(render({**STRICT, **values}), "ValidatingAdmissionPolicy", RELEASE)["spec"]
    assert strict(values)["matchConstraints"]["namespaceSelector"] == policy["matchConstraints"]["namespaceSelector"]
    assert requirement in policy["matchConstraints"]["namespaceSelector"]["matchExpressions"]


CLOSED: list[dict[str, Any]] = [
    {},
    {"group": ""},
    {"group": 1001, "mtu": 1450},
    {"group": "2147483647", "mtu": "68"},
    {"registry-mirrors": "https://a.example , ghcr.io=http://b:5000/x"},
    {"registry-mirrors": ["*=none", "DOCKER.io=https://a.example/"]},
    {"registry-mirrors": "docker.io=node:5000"},
    {"insecure-registries": "10.0.0.0/8,registry:5000"},
    {"address-pools": "10.200.0.0/16:24, fd00:1::/48:64"},
    {"tcp": "[::1]:2375", "dockerd-args": ["--debug", "--label=a \\ \"b\" <&> 'c'"]},
    {"dockerd-args": '["--log-level=warn"]', "registry-mirrors": None},
]


@pytest.mark.parametrize("name", HELMS)
@pytest.mark.parametrize("defaults", CLOSED, ids=json.dumps)
@pytest.mark.parametrize("tls_flag", [True, False])
def test_flags_of_defaults_that_pods_may_not_set_are_those_that_are_injected(
    defaults: dict[str, Any], tls_flag: bool, name: str
) -> None:
    values = with_injection(allowed_options=[], defaults=defaults, tls_flag=tls_flag)
    spec = strict(values, name)
    fixed = json.loads(variable(spec, "describedArgs").rpartition(" + ")[2])
    assert sorted(fixed) == sorted(arg for arg in injected_args(values)[1:] if not arg.startswith("--host=unix:"))
    assert ".matches(" not in variable(spec, "unknownArgs")


def test_options_that_pods_may_set_have_the_default_as_well() -> None:
    spec = strict(with_injection(allowed_options=["tcp"], defaults={"tcp": "0.0.0.0:2375"}))
    text, _ = re.findall(r'matches\(("(?:[^"\\]|\\.)*")\)', variable(spec, "unknownArgs"))
    for address, known in {"0.0.0.0:2375": True, "127.0.0.1:80": True, "0.0.0.0:80": False}.items():
        assert bool(re.search(json.loads(text), f"--host=tcp://{address}")) is known


PATTERNS = {
    "docker:*-dind": {
        "docker:29-dind": True,
        "docker.io/library/docker:29-dind": True,
        "docker.io/docker:29-dind": True,
        "index.docker.io/library/docker:29-dind": True,
        "library/docker:29-dind": True,
        "docker:29": False,
        "docker:29-dind@sha256:" + "0" * 64: False,
        "evil/docker:29-dind": False,
        "registry.example/docker:29-dind": False,
    },
    "docker.io/library/docker:29*": {"docker:29-dind": True, "docker.io/docker:29": True, "other/docker:29": False},
    "docker.io/ci/*": {"ci/docker:29": True, "docker.io/ci/docker:29": True, "library/docker:29": False},
    "registry.example/ci/*": {
        "registry.example/ci/docker:29": True,
        "registry.example/ci/a/b:29": False,
        "registryXexample/ci/docker:29": False,
        "registry.example/ci/docker:29@sha256:" + "0" * 64: False,
        "evil/registry.example/ci/docker:29": False,
    },
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_of_images_has_its_expression(pattern: str) -> None:
    values = with_injection(allowed_options=["image"], allowed_images=[pattern])
    (rule,) = [
        one["expression"]
        for one in strict(values)["validations"]
        if ".matches(" in one["expression"] and "c.?image" in one["expression"]
    ]
    (text,) = re.findall(r'matches\(("(?:[^"\\]|\\.)*")\)', rule)
    found = {image: bool(re.search(json.loads(text), image)) for image in PATTERNS[pattern]}
    assert found == PATTERNS[pattern]


def test_a_pattern_opens_nothing_where_pods_may_not_choose_the_image() -> None:
    assert "registry.example" not in json.dumps(strict(with_injection(allowed_images=["registry.example/*"])))


def resources_rule(**injection: Any) -> str:
    (rule,) = [one["expression"] for one in strict(with_injection(**injection))["validations"] if "limits" in str(one)]
    return str(rule)


def test_an_amount_that_pods_may_set_has_the_bound_of_the_settings() -> None:
    rule = resources_rule(max={"cpu-limit": 4, "ephemeral-storage-request": "20Gi"})
    amount = """quantity(c.?resources[?"limits"][?"cpu"].orValue('0'))"""
    assert f'{amount}.compareTo(quantity("4")) <= 0 && {amount}.isGreaterThan(quantity("0"))' in rule
    assert '[?"ephemeral-storage"].orValue(\'0\')).compareTo(quantity("20Gi")) <= 0' in rule
    assert '"memory"].orValue' not in rule


def test_an_amount_that_pods_may_not_set_is_the_default_whatever_its_bound() -> None:
    rule = resources_rule(allowed_options=[], max={"cpu-limit": 4})
    assert '[?"cpu"].orValue(\'0\')).compareTo(quantity("2")) == 0' in rule
    assert 'quantity("4")' not in rule


def test_a_default_without_a_limit_is_no_quantity() -> None:
    assert "none" not in resources_rule(allowed_options=[], defaults={"cpu-limit": "none"})


_SOURCE = (
    "(dyn({0}.dataSource.?apiGroup.orValue(null)) == null ? '' : {0}.dataSource.apiGroup) + '/' + {0}.dataSource.kind"
)
_SNAPSHOT = "snapshot.storage.k8s.io/VolumeSnapshot"


@pytest.mark.parametrize(
    ("injection", "condition"),
    [
        ({"defaults": {"storage-medium": "Volume"}}, "!has({}.dataSource)"),
        (
            {"defaults": {"storage-data-source": "volumesnapshot/golden"}},
            f'has({{0}}.dataSource) && {_SOURCE} == "{_SNAPSHOT}" && {{0}}.dataSource.name == "golden"',
        ),
        (
            {"allowed_options": ["storage-data-source"]},
            f'(!has({{0}}.dataSource) || {_SOURCE} in ["/PersistentVolumeClaim","{_SNAPSHOT}"])',
        ),
    ],
)
def test_storage_begins_as_a_copy_only_of_what_the_settings_name(injection: Any, condition: str) -> None:
    claim = "v.ephemeral.volumeClaimTemplate.spec"
    (rule,) = [one for one in strict(with_injection(**injection))["validations"] if "volumeClaimTemplate" in str(one)]
    assert condition.format(claim) in rule["expression"]
    assert f"!has({claim}.dataSourceRef)" in rule["expression"]


def test_modes_that_are_off_have_no_status() -> None:
    assert "daemonset" not in json.dumps(strict({})["variables"])
    assert "hostPath.path" in json.dumps(strict({"daemonset": {"enabled": True}})["variables"])
    assert "sidecar" not in variable(
        strict({"daemonset": {"enabled": True}, **with_injection(modes=["daemonset"])}), "mode"
    )


def test_names_are_those_of_the_settings() -> None:
    volumes = {"run_volume": "sock", "storage_volume": "data", "files_volume": "files", "ca_volume": "ca"}
    options = ["ca", "daemon-files"]
    spec = json.dumps(strict(with_injection(container_name="docker", allowed_options=options, **volumes)))
    names = set(re.findall(r"dind[a-z-]*", spec)) - {"dind", "dind-webhook", RELEASE, METRICS_PORT_NAME}
    assert {name for name in names if is_dns_label(name)} == set()


def test_every_refusal_has_a_sentence() -> None:
    for validation in strict({"daemonset": {"enabled": True}})["validations"]:
        assert len(validation["message"]) > 20
        assert validation["reason"] == "Forbidden"


def test_the_account_of_certs_may_write_only_an_opaque_secret() -> None:
    spec = only(render(STRICT), "ValidatingAdmissionPolicy", f"{RELEASE}-certs")["spec"]
    (condition,) = spec["matchConditions"]
    assert f'"system:serviceaccount:{NAMESPACE}:{RELEASE}"' in condition["expression"]
    assert spec["matchConstraints"]["resourceRules"][0]["resources"] == ["secrets"]
    others = render({**STRICT, "tls": {"mode": "certManager"}})
    assert f"{RELEASE}-certs" not in {o["metadata"]["name"] for o in others}


def test_the_labels_of_nodes_are_required_one_by_one() -> None:
    validations = strict(with_injection(node_selector={"example.com/pool": "docker", "disk": "ssd"}))["validations"]
    made = [one["expression"] for one in validations if "nodeSelector" in one["expression"]]
    for text in ('?"example.com/pool"].orValue("") == "docker"', '?"disk"].orValue("") == "ssd"'):
        assert [text in expression for expression in made].count(True) == 1


def test_an_image_that_is_never_pulled_needs_the_operators_consent() -> None:
    sentence = "imagePullPolicy must not be Never"
    assert sentence in json.dumps(strict({}))
    assert sentence not in json.dumps(strict({"dindImage": {"pullPolicy": "Never"}}))


@pytest.mark.parametrize("files", ["a=secret/b/c , d=configmap/e/f", ["a=secret/b/c", "d=configmap/e/f"]])
def test_the_files_of_a_default_are_those_that_are_injected(files: Any) -> None:
    expressions = [
        one["expression"]
        for one in strict(with_injection(allowed_options=[], defaults={"daemon-files": files}))["validations"]
    ]
    assert any('variables.files == ["a=secret/b/c","d=configmap/e/f"]' in each for each in expressions)


def _environment(values: Any) -> str:
    """Return the expression about the variables of the daemon."""
    (expression,) = [one["expression"] for one in strict(values)["validations"] if "c.?env" in one["expression"]]
    return str(expression)


def _proxy_patterns(values: Any) -> dict[str, str]:
    """Return the expressions of the variables that a proxy adds to the daemon, by their names."""
    matches = r'e\.name != "([A-Z_]+)" \|\| e\.\?value\.orValue\(""\)\.matches\(("(?:[^"\\]|\\.)*")\)'
    found = re.findall(matches, _environment(values))
    return {name: json.loads(text) for name, text in found if name in _PROXY_VARIABLES}


def _daemon_variables(values: Any, **options: str) -> dict[str, str]:
    text = only(render({**STRICT, **values}), "ConfigMap", RELEASE)["data"]["settings.yaml"]
    policy = make_policy(parse_settings(text, "settings.yaml", {}).settings.injection)
    annotations = {f"dind.io/{name.replace('_', '-')}": text for name, text in options.items()}
    pod = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "main"}]}}
    decision = inject(pod, Mode.SIDECAR, policy)
    (containers,) = (operation["value"] for operation in decision.operations if "Containers" in operation["path"])
    return {each["name"]: each.get("value", "") for each in containers[0].get("env", ())}


_PROXY_VARIABLES = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "DIND_CLIENT_CONFIG"}


@pytest.mark.parametrize("no_proxy", [None, ".corp.example , ::1", [".corp.example", "10.0.0.0/8"]])
@pytest.mark.parametrize("env", [{}, {"https_proxy": "http://own"}, {"NO_PROXY": "a", "B": "c"}])
def test_a_proxy_that_pods_may_not_set_is_the_one_that_is_injected(no_proxy: Any, env: dict[str, str]) -> None:
    defaults = {"proxy": "http://proxy.corp.example:3128", "no-proxy": no_proxy, "env": env}
    values = with_injection(allowed_options=[], defaults=defaults)
    variables, patterns = _daemon_variables(values), _proxy_patterns(values)
    assert patterns.keys() == variables.keys() - env.keys() == _PROXY_VARIABLES - {name.upper() for name in env}
    for name, pattern in patterns.items():
        assert re.search(pattern, variables[name])
        assert not re.search(pattern, variables[name].replace("proxy.corp", "proxyxcorp").replace("localhost", "own"))
        assert f'filter(e, e.name == "{name}").size() == 1' in _environment(values)


@pytest.mark.parametrize(
    "options",
    [
        {"proxy": "https://[fd00::1]:3128/"},
        {
            "proxy": "http://p",
            "no_proxy": "a:80,.b.c , 10.0.0.0/8,fd00::/8,10.0.0.1,fd00::1,[fd00::1]:80,UPPER.example",
        },
    ],
)
def test_a_proxy_that_pods_may_set_is_a_proxy(options: dict[str, str]) -> None:
    values = with_injection(allowed_options=["proxy", "no-proxy"])
    variables, patterns = _daemon_variables(values, **options), _proxy_patterns(values)
    assert patterns.keys() == variables.keys() == _PROXY_VARIABLES
    for name, pattern in patterns.items():
        assert re.search(pattern, variables[name])
        assert not re.search(pattern, f"{variables[name]} ")
        assert not re.search(pattern, variables[name].replace("http", "socks").replace("localhost", "own"))
        assert f'filter(e, e.name == "{name}").size() <= 1' in _environment(values)


_MIRRORS = ["https://a.example , GHCR.io=none,*=node:5000", ["docker.io=http://NODE", "[::1]:5=https://A/v2/X"]]


@pytest.mark.parametrize("mirrors", _MIRRORS)
def test_mirrors_that_pods_may_not_set_are_those_that_are_injected(mirrors: Any) -> None:
    values = with_injection(allowed_options=[], defaults={"registry-mirrors": mirrors})
    variables = _daemon_variables(values)
    same = f'e.name != "DIND_MIRRORS" || e.?value.orValue("") == {json.dumps(variables["DIND_MIRRORS"])})'
    assert same in _environment(values)
    assert 'filter(e, e.name == "DIND_MIRRORS").size() == 1' in _environment(values)


@pytest.mark.parametrize("mirrors", [mirrors for mirrors in _MIRRORS if isinstance(mirrors, str)])
def test_mirrors_that_pods_may_set_are_mirrors(mirrors: str) -> None:
    value = _daemon_variables({}, registry_mirrors=mirrors)["DIND_MIRRORS"]
    matches = r'e\.name != "DIND_MIRRORS" \|\| e\.\?value\.orValue\(""\)\.matches\(("(?:[^"\\]|\\.)*")\)'
    (pattern,) = map(json.loads, re.findall(matches, _environment({})))
    assert re.search(pattern, value)
    for other in (value.replace("https:", "ftp:"), f'{value},a="x"', f"{value} x"):
        assert not re.search(pattern, other)
    assert 'filter(e, e.name == "DIND_MIRRORS").size() <= 1' in _environment({})


def test_the_only_variable_from_elsewhere_is_the_address_of_the_node() -> None:
    only_that = '!has(e.valueFrom) || (e.name == "DIND_NODE_IP" && e.valueFrom.?fieldRef.?fieldPath'
    assert only_that in _environment({})
    for injection in ({"start_script": False}, {"allowed_options": []}):
        text = _environment(with_injection(**injection))
        assert "(!has(e.valueFrom))" in text
        assert '!(e.name in ["DIND_MIRRORS","DIND_NODE_IP"])' in text


def test_no_other_variable_configures_the_clients() -> None:
    absent = 'e.name != "DIND_CLIENT_CONFIG")'
    for injection in ({}, {"allowed_options": ["env"]}, {"start_script": False, "defaults": {"proxy": "http://a"}}):
        assert absent in _environment(with_injection(**injection))
    assert _proxy_patterns({}) == {}
    open_env = with_injection(allowed_options=["env"], defaults={"proxy": "http://a"})
    assert _proxy_patterns(open_env).keys() == {"DIND_CLIENT_CONFIG"}
