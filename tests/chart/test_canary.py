"""Two releases side by side behave as docs/canary.md says, with the values of that page."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml
from helm import CHART, ROOT, is_hook, only, render

from dind_webhook.diagnostics import CHECKS, run_checks
from dind_webhook.diagnostics.collect.installation import default_policy
from dind_webhook.diagnostics.snapshot import Snapshot
from dind_webhook.injection import Outcome, Policy, Reason, inject
from dind_webhook.model import selects
from dind_webhook.settings import load_settings, make_policy

PAGE = (ROOT / "docs/canary.md").read_text()
STABLE, CANARY = "dind-webhook", "dind-webhook-canary"
LABEL = "example.com/dind-release"
EVERYTHING: dict[str, Any] = {
    "policy": {"strict": True, "advisory": {"enabled": True}},
    "daemonset": {"enabled": True, "metrics": {"enabled": True, "podMonitor": {"enabled": True}}},
    "runtimeClass": {"create": True},
    "networkPolicy": {"enabled": True},
    "autoscaling": {"enabled": True},
    "metrics": {
        "service": {"enabled": True},
        "serviceMonitor": {"enabled": True, "namespace": "monitoring"},
        "prometheusRule": {"enabled": True, "namespace": "monitoring"},
        "dashboard": {"enabled": True, "namespace": "monitoring"},
    },
}
POLICY = "ValidatingAdmissionPolicy"


def values_of_the_page(title: str) -> dict[str, Any]:
    """Return the values in a block of the page."""
    (text,) = re.findall(rf'^```yaml title="{title}"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def stable(more: dict[str, Any] = EVERYTHING, namespace: str = STABLE) -> tuple[dict[str, Any], ...]:
    return render({**more, **values_of_the_page("stable.yaml")}, release=STABLE, namespace=namespace)


def canary(more: dict[str, Any] = EVERYTHING, namespace: str = CANARY) -> tuple[dict[str, Any], ...]:
    return render({**more, **values_of_the_page("canary.yaml")}, release=CANARY, namespace=namespace)


def names(objects: tuple[dict[str, Any], ...]) -> set[tuple[str, str, str]]:
    return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects}


def selectors(objects: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Return the namespaceSelectors of all webhooks, and of the policies for users' pods, by what they belong to."""
    found = {w["name"]: w["namespaceSelector"] for w in only(objects, "MutatingWebhookConfiguration")["webhooks"]}
    for policy in (o for o in objects if o["kind"] == POLICY):
        suffix = policy["metadata"]["name"].removeprefix(CANARY).removeprefix(STABLE)
        # The policy about the Secret of the certs container is for the release's own namespace.
        if suffix != "-certs":
            found[f"policy{suffix}"] = policy["spec"]["matchConstraints"]["namespaceSelector"]
    return found


def settings_file(objects: tuple[dict[str, Any], ...]) -> str:
    (text,) = [o["data"]["settings.yaml"] for o in objects if o["kind"] == "ConfigMap" and "settings.yaml" in o["data"]]
    return str(text)


def test_the_scenario_is_that_of_the_page() -> None:
    scenario = yaml.safe_load((CHART / "ci" / "canary-values.yaml").read_text())
    assert scenario == values_of_the_page("canary.yaml")


@pytest.mark.parametrize("inject_label", ["enabled", "sidecar", "daemonset"])
@pytest.mark.parametrize(("release", "served_by"), [(None, STABLE), ("", STABLE), ("next", STABLE), ("canary", CANARY)])
def test_every_namespace_belongs_to_exactly_one_release(inject_label: str, release: str | None, served_by: str) -> None:
    labels = {"dind.io/inject": inject_label, "kubernetes.io/metadata.name": "ci"}
    if release is not None:
        labels[LABEL] = release
    both = {STABLE: selectors(stable()), CANARY: selectors(canary())}
    assert both[STABLE].keys() == both[CANARY].keys() >= {"policy", "policy-strict", "policy-advisory"}
    for name, entries in both.items():
        found = {entry for entry, selector in entries.items() if selects(selector, labels)}
        policies = {"policy", "policy-strict", "policy-advisory"}
        assert found == ({f"{inject_label}.inject.dind.io", *policies} if name == served_by else set())


@pytest.mark.parametrize("tls", ["selfManaged", "certManager"])
@pytest.mark.parametrize("canary_namespace", [CANARY, STABLE], ids=["own namespace", "same namespace"])
def test_no_object_of_one_release_has_the_name_of_one_of_the_other(tls: str, canary_namespace: str) -> None:
    more = {**EVERYTHING, "tls": {"mode": tls}}
    ours, theirs = names(stable(more)), names(canary(more, canary_namespace))
    assert len(ours) == len(theirs) > 25
    assert not ours & theirs


def test_releases_of_one_name_have_the_same_objects_without_a_namespace() -> None:
    ours, theirs = (names(render(EVERYTHING, release=STABLE, namespace=namespace)) for namespace in ("one", "two"))
    kinds = {kind for kind, _, _ in ours & theirs}
    assert {"MutatingWebhookConfiguration", POLICY, "ClusterRole", "RuntimeClass"} <= kinds


def test_each_release_has_certificates_of_its_own_for_a_name_of_its_own() -> None:
    ours, theirs = (yaml.safe_load(settings_file(objects)) for objects in (stable(), canary()))
    for member in ("namespace", "secret", "webhook_configuration", "service"):
        assert ours["certs"][member] != theirs["certs"][member]
    assert theirs["server"]["tls_server_name"] == f"{CANARY}.{CANARY}.svc"
    assert f"`{CANARY}.{CANARY}.svc`" in PAGE


def test_the_daemons_of_both_releases_share_no_directory_of_a_node() -> None:
    def directories(objects: tuple[dict[str, Any], ...]) -> set[str]:
        volumes = only(objects, "DaemonSet")["spec"]["template"]["spec"]["volumes"]
        return {volume["hostPath"]["path"] for volume in volumes if "hostPath" in volume}

    assert len(directories(stable())) == 2
    assert not directories(stable()) & directories(canary())
    # The page looks for it in pods.
    assert f'.hostPath.path == "{yaml.safe_load(settings_file(canary()))["injection"]["host_path"]}"' in PAGE


def test_the_policy_of_a_release_accepts_only_the_directory_of_its_own_daemons() -> None:
    ours, theirs = (json.dumps(only(o, POLICY, name)) for o, name in ((stable(), STABLE), (canary(), CANARY)))
    directories = [yaml.safe_load(settings_file(o))["injection"]["host_path"] for o in (stable(), canary())]
    assert [f"'{path}'" in ours for path in directories] == [True, False]
    assert [f"'{path}'" in theirs for path in directories] == [False, True]


def test_helm_test_of_the_canary_is_answered_by_the_canary() -> None:
    labels = only(canary(), "Namespace")["metadata"]["labels"]
    assert selects(selectors(canary())["enabled.inject.dind.io"], labels)
    assert not selects(selectors(stable())["enabled.inject.dind.io"], labels)
    labels = only(stable(), "Namespace")["metadata"]["labels"]
    assert selects(selectors(stable())["enabled.inject.dind.io"], labels)
    assert not selects(selectors(canary())["enabled.inject.dind.io"], labels)


def test_the_current_release_is_called_first() -> None:
    first, second = (
        only(objects, "MutatingWebhookConfiguration")["metadata"]["name"] for objects in (stable(), canary())
    )
    assert first < second


def policy_of(objects: tuple[dict[str, Any], ...], folder: Path) -> Policy:
    file = folder / "settings.yaml"
    file.write_text(settings_file(objects))
    return make_policy(load_settings(file, {}, {}).settings.injection)


@pytest.mark.parametrize(
    ("mode", "settings", "reason"),
    [
        ("sidecar", {"defaults": {"mtu": "1400", "image": "docker:29.0.0-dind"}}, Reason.UNCHANGED),
        ("sidecar", {"defaults": {"memory-limit": "8Gi", "storage-size": "9Gi"}}, Reason.UNCHANGED),
        ("sidecar", {"container_name": "docker"}, Reason.OWN_DAEMON),
        ("sidecar", {"run_volume": "docker"}, Reason.MOUNT_PATH_TAKEN),
        ("sidecar", {"defaults": {"socket-dir": "/docker"}}, Reason.NAME_TAKEN),
        ("sidecar", {"defaults": {"isolation": "userns"}}, Reason.STALE_STATUS),
        ("sidecar", {"defaults": {"placement": "container"}}, Reason.STALE_STATUS),
        ("daemonset", {}, Reason.STALE_STATUS),
    ],
    ids=str,
)
def test_what_the_canary_makes_of_a_pod_of_the_current_release(
    mode: str, settings: dict[str, Any], reason: Reason, tmp_path: Path
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ci", "annotations": {"dind.io/inject": mode}},
        "spec": {"containers": [{"name": "build", "image": "docker:cli"}]},
    }
    current = policy_of(stable(), tmp_path)
    decision = inject(pod, None, current)
    assert decision.outcome is Outcome.INJECTED
    trial = policy_of(canary({**EVERYTHING, "settings": {"injection": settings}}), tmp_path)
    again = inject(jsonpatch.apply_patch(pod, list(decision.operations)), None, trial)
    assert (again.reason, list(again.operations)) == (reason, [])


def checked(namespaces: list[dict[str, Any]], *releases: tuple[dict[str, Any], ...]) -> dict[str, list[str]]:
    """Return the findings of `dind-webhook check` about the namespaces, by check."""
    configurations = tuple(only(objects, "MutatingWebhookConfiguration") for objects in releases)
    snapshot = Snapshot(
        taken_at=datetime.now(UTC),
        injection_policy=default_policy(),
        configurations=configurations,
        configuration=configurations[0],
        namespaces=tuple(namespaces),
    )
    rows = [check for check in CHECKS if check.name in {"installed", "entries", "one-installation", "not-exempt"}]
    return {
        result.check.name: [finding.sentence for finding in result.findings] for result in run_checks(rows, snapshot)
    }


def test_check_finds_namespaces_of_two_releases_and_of_none() -> None:
    def namespace(name: str, **labels: str) -> dict[str, Any]:
        own = {"dind.io/inject": "enabled", "kubernetes.io/metadata.name": name}
        return {"metadata": {"name": name, "labels": {**own, **labels}}}

    namespaces = [namespace("ci"), namespace("moved", **{LABEL: "canary"})]
    apart = checked(namespaces, stable(), canary())
    assert apart["one-installation"] == apart["not-exempt"] == []
    without_selector = render({}, release=STABLE, namespace=STABLE)
    (sentence,) = checked(namespaces, without_selector, canary())["one-installation"]
    assert sentence.replace("moved", "ci") in " ".join(PAGE.split())
    (sentence,) = checked(namespaces, stable())["not-exempt"]
    assert sentence.startswith("namespace moved has the label")


def test_alerts_of_both_releases_are_the_same_except_that_of_the_daemons() -> None:
    def expressions(objects: tuple[dict[str, Any], ...]) -> dict[str, str]:
        (group,) = only(objects, "PrometheusRule")["spec"]["groups"]
        return {rule["alert"]: rule["expr"] for rule in group["rules"]}

    ours, theirs = expressions(stable()), expressions(canary())
    assert {alert for alert in ours if ours[alert] != theirs[alert]} == {"DindDaemonDown"}


def test_only_names_and_the_selector_make_the_difference() -> None:
    """Annotations and entries have the same names in both releases, so no manifest changes when a namespace moves."""
    ours, theirs = (
        [w["name"] for w in only(o, "MutatingWebhookConfiguration")["webhooks"]] for o in (stable(), canary())
    )
    assert ours == theirs
    ours, theirs = (sorted(o["kind"] for o in objects if not is_hook(o)) for objects in (stable(), canary()))
    assert ours == theirs
