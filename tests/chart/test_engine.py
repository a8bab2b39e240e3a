"""The chart with the policies of the API server in place of the webhook."""

import base64
import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, HELMS, NAMESPACE, RELEASE, helm, is_hook, kinds, only, refusal, render, template
from typer.testing import CliRunner

from dind_webhook.cli.main import cli
from dind_webhook.mutating_policy import chart_file, list_unsupported_settings, render_policies
from dind_webhook.mutating_policy.chart_file import NAME_PLACEHOLDER, PLACEHOLDERS
from dind_webhook.mutating_policy.patch import DENIED
from dind_webhook.settings import SETTINGS_KEY, InjectionSettings, make_policy, parse_settings

POLICY: dict[str, Any] = {"engine": "policy"}
WEBHOOK_KINDS = {
    "Deployment",
    "Service",
    "Secret",
    "ServiceAccount",
    "MutatingWebhookConfiguration",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
}
POLICY_KINDS = {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
# All objects that depend on the webhook, whose kinds the default values have none of
EVERYTHING_OF_THE_WEBHOOK: list[dict[str, Any]] = [
    {"tls": {"mode": "certManager"}},
    {
        "autoscaling": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "metrics": {
            "service": {"enabled": True},
            "serviceMonitor": {"enabled": True},
            "prometheusRule": {"enabled": True},
        },
        "policy": {"strict": True},
    },
]

ALLOWED = InjectionSettings().allowed_options
DAEMONSET = {"daemonset": {"enabled": True}}
COVERED: list[dict[str, Any]] = [
    {},
    DAEMONSET,
    {"settings": {"injection": {"modes": ["daemonset"]}}, **DAEMONSET, "fullnameOverride": "ci-docker"},
    # Numbers that are placeholders of the chart's file
    {"fullnameOverride": "ci-56789123", "dindImage": {"tag": "8642013"}, **DAEMONSET},
    {"settings": {"injection": {"modes": ["sidecar", "daemonset"]}}, "daemonset": {"enabled": True, "hostPath": "/d"}},
    {"dindImage": {"registry": "registry.example:5000", "digest": "sha256:" + "a" * 64}},
    {"settings": {"injection": {"defaults": {"memory-limit": "8Gi", "cpu-limit": 3, "storage-size": "2500Mi"}}}},
    {"settings": {"injection": {"defaults": {"memory-limit": "8Gi", "cpu-request": 1.5, "group": 4000}}}, **DAEMONSET},
    {"settings": {"injection": {"defaults": {"memory-request": "1Gi", "memory-limit": "1Gi", "cpu-request": "2"}}}},
    {"settings": {"injection": {"defaults": {"memory-request": "5Gi", "memory-limit": "6Gi", "cpu-limit": "250m"}}}},
    {"settings": {"injection": {"defaults": {"ephemeral-storage-request": "4Gi", "storage-size": "2Gi"}}}, **DAEMONSET},
    # Built-in values, written out
    {"settings": {"injection": {"defaults": {"wait": "true", "client": False, "isolation": "none", "mtu": ""}}}},
    {"settings": {"injection": {"storage": True, "node_selector": {}, "allowed_options": sorted(ALLOWED, key=len)}}},
]
UNCOVERED: list[tuple[dict[str, Any], str]] = [
    ({"mtu": 1400}, "defaults.mtu"),
    ({"ephemeral-storage-limit": "40Gi"}, "defaults.ephemeral-storage-limit"),
    ({"storage-size": "20m"}, "defaults.storage-size"),
    ({"memory-limit": "99999999999999999999999"}, "defaults.memory-limit"),
    ({"cpu-request": 0}, "defaults.cpu-request"),
    ({"memory-limit": "none"}, "defaults.memory-limit"),
    ({"group": ""}, "defaults.group"),
    ({"wait": False}, "defaults.wait"),
]

each_helm = pytest.mark.parametrize("name", HELMS)


def injecting(objects: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Return the injecting policies and their bindings."""
    return [o for o in objects if "-policy" in o["metadata"]["name"]]


def without_selection(rendered: dict[str, Any]) -> dict[str, Any]:
    """Return the kind, the name and the spec without what the chart sets: labels and the exempt namespaces."""
    spec = copy.deepcopy(rendered["spec"])
    for member in ("matchConstraints", "matchResources"):
        for requirement in spec.get(member, {}).get("namespaceSelector", {}).get("matchExpressions", ()):
            if requirement["key"] == "kubernetes.io/metadata.name":
                requirement["values"] = []
    return {"kind": rendered["kind"], "name": rendered["metadata"]["name"], "spec": spec}


def settings_map(objects: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return next(o for o in objects if o["kind"] == "ConfigMap" and not is_hook(o) and SETTINGS_KEY in o.get("data", {}))


def written_by_the_command(values: dict[str, Any]) -> str:
    """Return what helm's message asks for: the chart's ConfigMap through `dind-webhook policy`."""
    text = json.dumps(settings_map(render({**values, "engine": "webhook"})))
    ran = CliRunner().invoke(cli, ["policy", "-f", "-", "-o", "json"], input=text)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def comparable(objects: Any) -> list[dict[str, Any]]:
    return sorted(map(without_selection, objects), key=lambda each: (each["kind"], each["name"]))


@each_helm
@pytest.mark.parametrize("values", COVERED)
def test_the_chart_renders_what_the_command_writes(values: dict[str, Any], name: str) -> None:
    objects = render({**POLICY, **values}, name)
    config_map = settings_map(objects)
    settings = parse_settings(config_map["data"][SETTINGS_KEY], "ConfigMap", {}).settings.injection
    expected = render_policies(make_policy(settings), f"{config_map['metadata']['name']}-policy")
    assert comparable(injecting(objects)) == comparable(expected)


@pytest.mark.parametrize(("defaults", "named"), UNCOVERED)
def test_settings_without_policies_are_named_with_the_command(defaults: dict[str, Any], named: str) -> None:
    error = refusal({**POLICY, "settings": {"injection": {"defaults": defaults}}})
    assert f"engine is policy, and the chart has no policies for {named} of settings.injection as set here: " in error
    assert "--show-only templates/configmap.yaml | dind-webhook policy -f - -o json > policies.json`" in error


@pytest.mark.parametrize(
    ("injection", "named"),
    [
        ({"replace_docker_variables": True}, "replace_docker_variables"),
        ({"defaults": {"containers": "build"}}, "defaults.containers"),
        ({"defaults": {"node-socket": "replace"}, "allowed_options": ["node-socket"]}, "allowed_options"),
    ],
)
def test_settings_that_cannot_become_policies_are_named(injection: dict[str, Any], named: str) -> None:
    reason = dict(list_unsupported_settings())[named]
    error = refusal({**POLICY, "settings": {"injection": injection}})
    assert f"some values of settings.injection.{named} cannot become a policy of the API server: {reason}" in error


@each_helm
def test_policies_for_other_settings_are_a_value(name: str) -> None:
    values = {"settings": {"injection": {"defaults": {"mtu": 1400}}}}
    written = written_by_the_command(values)
    objects = render({**POLICY, **values, "policies": written}, name)
    assert comparable(injecting(objects)) == comparable(json.loads(written)["items"])
    (policy,) = (o for o in objects if o["kind"] == "MutatingAdmissionPolicy")
    assert policy["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE
    assert "--mtu=1400" in json.dumps(policy)
    # They do no harm while the webhook runs, so that one can switch back.
    assert not injecting(render({**values, "policies": written}, name))


NO_ITEMS = ("[]", "{}", "[3]", "[null]", "[[]]", '[{"metadata": 3}]', '[{"metadata": {"annotations": 3}}]')


@pytest.mark.parametrize(
    ("policies", "problem"),
    [
        ("written", "policies has the policies of other settings than settings.injection"),
        ("- not\n- JSON", "policies is not the JSON of `dind-webhook policy`"),
        *((f'{{"items": {items}}}', "policies is not the JSON of `dind-webhook policy`") for items in NO_ITEMS),
        ('{"items": [{"metadata": {"name": "x"}, "spec": {}}]}', "policies has the policies of other settings"),
    ],
)
def test_policies_that_do_not_belong_to_the_settings_are_refused(policies: str, problem: str) -> None:
    if policies == "written":
        policies = written_by_the_command({"settings": {"injection": {"defaults": {"mtu": 1400}}}})
    assert problem in refusal({**POLICY, "policies": policies, "settings": {"injection": {"defaults": {"mtu": 1450}}}})


def test_policies_that_no_release_can_hold_are_refused() -> None:
    """Each entry of `namespaces` has policies of its own. A Secret, in which helm keeps a release, holds 1 MiB."""

    def with_entries(number: int) -> dict[str, Any]:
        entries = [{"names": [f"team-{index}"], "defaults": {"mtu": 1400 + index}} for index in range(number)]
        values: dict[str, Any] = {"settings": {"injection": {"namespaces": entries}}, **DAEMONSET}
        return {**POLICY, **values, "policies": written_by_the_command(values)}

    values = with_entries(7)
    kept = json.dumps({"config": values, "manifest": yaml.safe_dump_all(render(values))}).encode()
    # The chart itself takes some 200 KB.
    assert kept_size(kept) < 840_000
    assert "helm cannot keep a release with more than 2200000 of them" in refusal(with_entries(10))


@each_helm
@pytest.mark.parametrize("engine", ["policy", "both"])
def test_an_old_api_server_is_refused_with_a_sentence(name: str, engine: str) -> None:
    flags = ["--namespace", NAMESPACE, "--set", f"engine={engine}", "--kube-version"]
    done = helm(name, "template", RELEASE, CHART, *flags, "1.35.9")
    assert done.returncode != 0
    assert f"engine is {engine}, which needs Kubernetes 1.36 or newer, and the API server has v1.35.9" in done.stderr
    assert helm(name, "template", RELEASE, CHART, *flags, "v1.36.0-gke.1").returncode == 0


@pytest.mark.parametrize("values", [{}, *EVERYTHING_OF_THE_WEBHOOK])
def test_each_engine_has_only_its_own_objects(values: dict[str, Any]) -> None:
    webhook, policy, both = (kinds(render({**values, "engine": each})) for each in ("webhook", "policy", "both"))
    assert not webhook & POLICY_KINDS
    assert policy == {"ConfigMap", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", *POLICY_KINDS}
    assert both == webhook | policy


def test_the_daemons_the_cache_and_their_alerts_do_not_depend_on_the_engine() -> None:
    values = {
        **DAEMONSET,
        "cache": {"enabled": True},
        "metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}},
        "policies": "",
    }
    mirrors = {"policies": written_by_the_command(values)}
    objects = render({**POLICY, **values, **mirrors})
    assert {"DaemonSet", "StatefulSet", "PrometheusRule"} <= kinds(objects)
    (group,) = only(objects, "PrometheusRule")["spec"]["groups"]
    assert {rule["alert"] for rule in group["rules"]} == {"DindDaemonDown", "DindCacheDown", "DindCacheFull"}
    assert list(only(objects, "ConfigMap", f"{RELEASE}-dashboard")["data"]) == ["dind-usage.json"]


def test_the_policies_are_in_force_where_the_webhook_is_called() -> None:
    selection = {
        "exemptNamespaces": ["kube-system", "infra"],
        "namespaceSelector": [{"key": "team", "operator": "In", "values": ["a"]}],
        "objectSelector": {"matchLabels": {"ci": "yes"}},
        "matchConditions": [{"name": "own", "expression": "true"}],
    }
    for each in injecting(render({**POLICY, "webhook": selection})):
        for member in ("matchConstraints", "matchResources"):
            if selected := each["spec"].get(member):
                requirements = selected["namespaceSelector"]["matchExpressions"]
                assert {"key": "team", "operator": "In", "values": ["a"]} in requirements
                names = next(r for r in requirements if r["key"] == "kubernetes.io/metadata.name")
                assert names["values"] == ["kube-system", "infra", NAMESPACE]
                assert selected["objectSelector"] == {"matchLabels": {"ci": "yes"}}
        if not each["kind"].endswith("Binding"):
            assert each["spec"]["matchConditions"][-1] == {"name": "own", "expression": "true"}


@pytest.mark.parametrize("failure", ["Fail", "Ignore"])
def test_an_expression_that_fails_counts_as_a_webhook_that_is_down(failure: str) -> None:
    objects = injecting(render({**POLICY, "webhook": {"failurePolicy": failure}}))
    assert {each["spec"]["failurePolicy"] for each in objects if not each["kind"].endswith("Binding")} == {failure}


def test_the_policy_that_checks_injected_pods_stays_through_a_switch() -> None:
    """An API server learns new policies after a second: until then, only this one denies pods without Docker."""
    webhook, policy = (
        only(render({"engine": each, **DAEMONSET}), "ValidatingAdmissionPolicy", RELEASE)
        for each in ("webhook", "policy")
    )
    assert [each["expression"] for each in webhook["spec"]["validations"]] == [
        each["expression"] for each in policy["spec"]["validations"]
    ]
    assert "is the webhook dind-webhook ready?" in str(webhook)
    assert "is there a MutatingAdmissionPolicyBinding dind-webhook-policy-MODE?" in str(policy)


def test_that_policy_leaves_pods_to_the_policies_that_name_the_reason() -> None:
    def mode_of(**values: Any) -> str:
        policy = only(render({**POLICY, **values}), "ValidatingAdmissionPolicy", RELEASE)
        (expression,) = (each["expression"] for each in policy["spec"]["variables"] if each["name"] == "mode")
        return str(expression)

    assert f"!('{DENIED}' in object.metadata.?annotations" in mode_of()
    assert "mode in (['sidecar'])" in mode_of()
    assert "mode in (['sidecar', 'daemonset'])" in mode_of(**DAEMONSET)
    entry = {"names": ["ci-*"], "modes": ["sidecar"]}
    of_entry = {"injection": {"modes": ["daemonset"], "namespaces": [entry]}}
    written = {"policies": written_by_the_command({"settings": of_entry, **DAEMONSET})}
    modes = "(request.namespace.matches(\"^(ci-.*)$\") ? ['sidecar'] : ['daemonset'])"
    assert f"mode in {modes}" in mode_of(settings=of_entry, **DAEMONSET, **written)


def test_the_file_is_not_stale() -> None:
    assert json.loads((CHART / "files/policies.json").read_text("utf-8")) == chart_file(), "run: make reference"


def test_no_placeholder_is_part_of_another_or_of_an_expression() -> None:
    texts = [NAME_PLACEHOLDER, *(each.text for each in PLACEHOLDERS)]
    for text in texts:
        assert sum(text in other for other in texts) == 1
    # With another value each, no placeholder remains, and none of its texts was there by chance.
    rendered = template({**POLICY, "fullnameOverride": "other"}).stdout
    assert not [text for text in texts if text in rendered]


def test_the_file_of_the_chart_fits_into_a_release() -> None:
    """Helm keeps chart and manifest in one Secret of at most 1 MiB, compressed and encoded."""
    assert kept_size((Path(CHART) / "files/policies.json").read_bytes()) < 64 * 1024


def kept_size(content: bytes) -> int:
    """Return the size of a part of a release in the Secret."""
    return len(base64.b64encode(gzip.compress(content)))


@pytest.mark.parametrize(
    ("engine", "told", "not_told"),
    [
        ("webhook", "Wait until the webhook is ready:", "MutatingAdmissionPolicies"),
        ("policy", "by MutatingAdmissionPolicies", "the webhook"),
        ("both", "Set engine to policy or webhook", "nothing of that kind"),
    ],
)
def test_the_notes_are_of_the_engine(engine: str, told: str, not_told: str) -> None:
    # helm 3 would query a cluster first.
    flags = ["--dry-run=client", "--namespace", NAMESPACE, "--set", f"engine={engine}"]
    notes = helm("helm4", "install", RELEASE, CHART, *flags).stdout.partition("\nNOTES:\n")[2]
    assert told in notes
    assert not_told not in notes


def test_values_of_an_older_release_have_the_webhook() -> None:
    """With --reuse-values, helm leaves out the defaults of new values."""
    assert "Deployment" in kinds(render({"engine": None}))
    assert not kinds(render({"engine": None})) & POLICY_KINDS
