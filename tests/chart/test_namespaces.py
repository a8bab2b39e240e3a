"""Settings of injection per namespace, as the chart renders them."""

import copy
import json
import re
from typing import Any

import pytest
from helm import HELMS, RELEASE, only, render, template

from dind_webhook.settings import make_policy, parse_settings

BASE: dict[str, Any] = {
    "allowed_options": ["containers", "wait", "mtu", "node-socket"],
    "defaults": {"wait": True, "mtu": 1450, "memory-limit": "2Gi"},
    "max": {"memory-limit": "8Gi", "storage-size": "50Gi"},
}
ENTRIES: list[dict[str, Any]] = [
    {"names": ["team-a"]},
    {
        "names": ["team-*", "*-ci"],
        "modes": ["daemonset"],
        "allowed_options": [],
        "allowed_images": [],
        "defaults": {"wait": False, "mtu": "", "tcp": "127.0.0.1:2375"},
        "max": {"memory-limit": "", "cpu-limit": 4},
    },
    {
        "names": ["c*"],
        "allowed_options": ["image", "storage-size"],
        "allowed_images": ["docker:*"],
        "allowed_isolations": ["none", "userns"],
        "max": {"storage-size": "10Ti"},
    },
]
# The settings of the cluster as they would be if an entry were in force everywhere
MERGED: list[dict[str, Any]] = [
    BASE,
    {
        **ENTRIES[1],
        "defaults": {"wait": False, "mtu": "", "memory-limit": "2Gi", "tcp": "127.0.0.1:2375"},
        "max": {"storage-size": "50Gi", "cpu-limit": 4},
    },
    {**BASE, **ENTRIES[2], "max": {"memory-limit": "8Gi", "storage-size": "10Ti"}},
]
NAMESPACES = ["team-a", "team-b", "x-ci", "ci", "c-ci", "c", "other", "team"]


def values(injection: dict[str, Any]) -> dict[str, Any]:
    return {"policy": {"strict": True}, "daemonset": {"enabled": True}, "settings": {"injection": injection}}


TENANTS = values({**BASE, "namespaces": ENTRIES})


def strict(rendered: Any, suffix: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = copy.deepcopy(
        only(rendered, "ValidatingAdmissionPolicy", f"{RELEASE}-strict{suffix}")["spec"]
    )
    return spec


@pytest.mark.parametrize("name", HELMS)
@pytest.mark.parametrize("index", range(len(ENTRIES)))
def test_the_strict_policy_of_an_entry_is_that_of_its_settings(index: int, name: str) -> None:
    spec = strict(render(TENANTS, name), f"-{index + 1}")
    del spec["matchConditions"]
    merged = {member: value for member, value in MERGED[index].items() if member != "names"}
    assert spec == strict(render(values(merged), name))


def test_the_strict_policy_of_the_cluster_is_that_of_its_settings() -> None:
    spec = strict(render(TENANTS))
    del spec["matchConditions"]
    assert spec == strict(render(values(BASE)))


def test_each_strict_policy_is_bound() -> None:
    for suffix in ("", "-1", "-2", "-3"):
        name = f"{RELEASE}-strict{suffix}"
        binding = only(render(TENANTS), "ValidatingAdmissionPolicyBinding", name)["spec"]
        assert binding == {"policyName": name, "validationActions": ["Deny"]}


def _holds(condition: str, namespace: str) -> bool:
    """Evaluate a condition: calls of request.namespace.matches, negated or not, joined by &&."""
    results = []
    for part in condition.split(" && "):
        match = re.fullmatch(r'(!?)request\.namespace\.matches\(("(?:[^"\\]|\\.)*")\)', part)
        assert match, part
        results.append(bool(re.search(json.loads(match[2]), namespace)) is not bool(match[1]))
    return all(results)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_exactly_one_strict_policy_is_for_a_namespace_and_it_is_the_webhooks(namespace: str) -> None:
    rendered = render(TENANTS)
    conditions = {}
    for suffix in ("", "-1", "-2", "-3"):
        (condition,) = strict(rendered, suffix)["matchConditions"]
        conditions[suffix] = condition["expression"]
    in_force = [suffix for suffix, condition in conditions.items() if _holds(condition, namespace)]
    text = only(rendered, "ConfigMap", RELEASE)["data"]["settings.yaml"]
    policy = make_policy(parse_settings(text, "settings.yaml", {}).settings.injection)
    index = policy.variants.index(policy.for_namespace(namespace))
    assert in_force == [f"-{index}" if index else ""]


def test_without_entries_the_strict_policy_has_no_conditions() -> None:
    assert "matchConditions" not in strict(render(values(BASE)))


def test_the_webhook_is_called_for_sockets_that_only_an_entry_lets_pods_replace() -> None:
    def names(allowed: list[str]) -> set[str]:
        entry = {"names": ["ci"], "allowed_options": allowed}
        rendered = render({"settings": {"injection": {"namespaces": [entry]}}})
        return {webhook["name"] for webhook in only(rendered, "MutatingWebhookConfiguration", RELEASE)["webhooks"]}

    assert "enabled.node-socket.dind.io" in names(["node-socket"])
    assert "enabled.node-socket.dind.io" not in names([])


def test_the_daemons_may_be_for_the_namespaces_of_an_entry_only() -> None:
    injection = {"modes": ["sidecar"], "namespaces": [{"names": ["ci"], "modes": ["daemonset"]}]}
    render(values(injection))


@pytest.mark.parametrize(("namespace", "mode"), [("ci", "daemonset"), ("other", "sidecar")])
def test_the_test_pod_asks_for_a_mode_of_its_namespace(namespace: str, mode: str) -> None:
    injection = {"namespaces": [{"names": ["c*"], "modes": ["daemonset"]}]}
    rendered = render({**values(injection), "test": {"namespace": namespace}})
    (pod,) = (o for o in rendered if o["kind"] == "Pod")
    assert {"name": "TEST_MODE", "value": mode} in pod["spec"]["containers"][0]["env"]


@pytest.mark.parametrize("name", HELMS)
@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (
            [{"names": ["ci-*"]}, {"names": ["ci-a"]}],
            "namespaces[1]: ci-a never matches, because an earlier entry has ci-*",
        ),
        (
            [{"names": ["c*"]}, {"names": ["x", "ci-*"]}],
            "namespaces[1]: ci-* never matches, because an earlier entry has c*",
        ),
        ([{"names": ["a", "a"]}], "namespaces[0]: names has one name twice"),
        ([{"names": ["a"], "defaults": {"image": "docker"}}], 'namespaces[0].defaults.image: "docker" has neither'),
        (
            [{"names": ["a"], "allowed_isolations": ["kata"]}],
            "namespaces[0] allows isolation kata, but runtime_classes",
        ),
    ],
)
def test_mistakes_in_entries_fail_the_render(entries: list[Any], says: str, name: str) -> None:
    done = template({"settings": {"injection": {"namespaces": entries}}}, name)
    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({}, "/settings/injection/namespaces/0"),
        ({"names": []}, "/settings/injection/namespaces/0/names"),
        ({"names": ["Ci"]}, "/settings/injection/namespaces/0/names/0"),
        ({"names": ["a"], "container_name": "x"}, "/settings/injection/namespaces/0"),
        ({"names": ["a"], "modes": ["side"]}, "/settings/injection/namespaces/0/modes/0"),
        ({"names": ["a"], "max": {"mtu": 1}}, "/settings/injection/namespaces/0/max"),
        ({"names": ["a"], "defaults": {"memory": 1}}, "/settings/injection/namespaces/0/defaults"),
    ],
)
def test_the_schema_knows_the_members_of_entries(entry: dict[str, Any], place: str) -> None:
    done = template({"settings": {"injection": {"namespaces": [entry]}}})
    assert done.returncode != 0
    assert place in done.stderr
