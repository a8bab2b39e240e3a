"""The advisory policy as rendered. tests/chart/on_a_cluster evaluates its CEL."""

from typing import Any

import pytest
from helm import CHART, HELMS, NAMESPACE, RELEASE, helm, only, render

from dind_webhook.model import WORKLOAD_KINDS
from dind_webhook.strict_policy import advisory_facts

NAME = f"{RELEASE}-advisory"


def values(**policy: Any) -> dict[str, Any]:
    return {"policy": {**policy, "advisory": {"enabled": True, **policy.get("advisory", {})}}}


def advisory(**policy: Any) -> Any:
    return only(render(values(**policy)), "ValidatingAdmissionPolicy", NAME)["spec"]


def actions(**policy: Any) -> Any:
    return only(render(values(**policy)), "ValidatingAdmissionPolicyBinding", NAME)["spec"]["validationActions"]


def test_it_is_off_by_default() -> None:
    assert NAME not in {o["metadata"]["name"] for o in render({})}


@pytest.mark.parametrize("name", HELMS)
def test_it_never_denies(name: str) -> None:
    objects = render(values(), name)
    assert only(objects, "ValidatingAdmissionPolicy", NAME)["spec"]["failurePolicy"] == "Ignore"
    binding = only(objects, "ValidatingAdmissionPolicyBinding", NAME)["spec"]
    assert binding == {"policyName": NAME, "validationActions": ["Warn", "Audit"]}


def test_the_actions_can_be_fewer() -> None:
    assert actions(advisory={"validationActions": ["Audit"]}) == ["Audit"]


def test_it_does_not_depend_on_the_other_policies() -> None:
    assert advisory(enabled=False) == advisory(strict=True)


def test_it_has_the_annotations_of_the_policies() -> None:
    objects = render(values(annotations={"example.com/owner": "ci"}))
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        assert only(objects, kind, NAME)["metadata"]["annotations"] == {"example.com/owner": "ci"}


def test_every_kind_with_a_pod_template_is_checked_and_no_subresource() -> None:
    rules = advisory()["matchConstraints"]["resourceRules"]
    resources = [resource for rule in rules for resource in rule["resources"]]
    assert sorted(resources) == sorted(f"{kind.lower()}s" for kind in WORKLOAD_KINDS)
    groups = {resource: rule["apiGroups"] for rule in rules for resource in rule["resources"]}
    assert (groups["podtemplates"], groups["daemonsets"], groups["cronjobs"]) == ([""], ["apps"], ["batch"])


def test_pods_are_checked_only_when_they_are_created() -> None:
    operations = {
        resource: rule["operations"]
        for rule in advisory()["matchConstraints"]["resourceRules"]
        for resource in rule["resources"]
    }
    assert operations.pop("pods") == ["CREATE"]
    assert set(map(tuple, operations.values())) == {("CREATE", "UPDATE")}


def test_it_covers_all_namespaces_but_those_that_the_webhook_never_serves() -> None:
    selector = [{"key": "env", "operator": "In", "values": ["ci"]}]
    webhook = {"exemptNamespaces": ["kube-system", "monitoring"], "namespaceSelector": selector}
    objects = render({**values(), "webhook": webhook})
    found = only(objects, "ValidatingAdmissionPolicy", NAME)["spec"]["matchConstraints"]["namespaceSelector"]
    exempt = {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["kube-system", "monitoring", NAMESPACE],
    }
    assert found == {"matchExpressions": [exempt, *selector]}


def test_the_paths_are_those_of_the_code() -> None:
    expressions = {variable["name"]: variable["expression"] for variable in advisory()["variables"]}
    for variable, fact in (("sockets", "docker_sockets"), ("socketDirectories", "directories_of_docker_sockets")):
        for path in advisory_facts()[fact]:
            assert f'"{path}"' in expressions[variable]


@pytest.mark.parametrize("is_on", [True, False])
def test_whoever_turns_it_on_is_told_how_to_check_existing_workloads(is_on: bool) -> None:
    flags = ["--namespace", NAMESPACE, "--dry-run=client", f"--set=policy.advisory.enabled={str(is_on).lower()}"]
    notes = helm("helm4", "install", RELEASE, CHART, *flags).stdout.partition("NOTES:")[2]
    assert ("kubectl replace --dry-run=server" in notes) is is_on
    assert "Then annotate pods in that namespace" in notes
