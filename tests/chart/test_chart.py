"""The chart renders its values as documented."""

import base64
import json
import re
import subprocess
import tarfile
from typing import Any

import pytest
import yaml
from helm import (
    CHART,
    HELMS,
    NAMESPACE,
    RELEASE,
    ROOT,
    SCENARIOS,
    WEBHOOK_SCENARIOS,
    helm,
    is_hook,
    kinds,
    only,
    refusal,
    render,
    template,
    template_uncached,
)

from dind_webhook import __version__
from dind_webhook.certs import CertsMetrics
from dind_webhook.errors import SettingsError
from dind_webhook.http.metrics import Metrics
from dind_webhook.injection import Mode
from dind_webhook.injection.start_script import COMMENTED_SCRIPT
from dind_webhook.settings import CertsSettings, ServerSettings, Settings, load_settings, parse_settings
from dind_webhook.strict_policy.daemon import injected_pod

DEFAULTS: dict[str, Any] = {}
SELF_MANAGED_RBAC = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
CERT_MANAGER = {"tls": {"mode": "certManager"}}
EXISTING = {"tls": {"mode": "existingSecret", "existingSecret": {"name": "own", "caBundle": PEM}}}
DAEMONSET = {"daemonset": {"enabled": True}}

each_scenario = pytest.mark.parametrize(
    "scenario", [path.read_text() for path in SCENARIOS], ids=[p.stem for p in SCENARIOS]
)
each_webhook_scenario = pytest.mark.parametrize(
    "scenario", [path.read_text() for path in WEBHOOK_SCENARIOS], ids=[p.stem for p in WEBHOOK_SCENARIOS]
)
each_helm = pytest.mark.parametrize("name", HELMS)


def deployment(values: Any) -> Any:
    return only(render(values), "Deployment")["spec"]


def pod_spec(values: Any) -> Any:
    return deployment(values)["template"]["spec"]


def container(values: Any, name: str) -> Any:
    spec = pod_spec(values)
    (found,) = [c for c in [*spec.get("initContainers", []), *spec["containers"]] if c["name"] == name]
    return found


def webhooks(values: Any) -> Any:
    return only(render(values), "MutatingWebhookConfiguration")["webhooks"]


def policies(values: Any) -> list[Any]:
    """Return the policies for users' pods: the one that checks the injection, then the strict one, if it exists."""
    found = [o for o in render(values) if o["kind"] == "ValidatingAdmissionPolicy"]
    of_pods = [o for o in found if not o["metadata"]["name"].endswith("-certs")]
    return sorted(of_pods, key=lambda o: str(o["metadata"]["name"]))


def dind(values: Any) -> Any:
    return only(render(values), "DaemonSet")["spec"]["template"]["spec"]


def settings(values: Any, tmp_path: Any) -> Settings:
    """Return the settings that the program reads from the chart's file. Raise SettingsError if the file is invalid."""
    (config,) = [
        o for o in render(values) if o["kind"] == "ConfigMap" and "settings.yaml" in o["data"] and not is_hook(o)
    ]
    path = tmp_path / "settings.yaml"
    path.write_text(config["data"]["settings.yaml"])
    return load_settings(path, {}, {}).settings


# --- the chart itself ---------------------------------------------------------------------------------


def test_chart_and_program_have_the_same_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


@each_helm
def test_helm_finds_nothing_to_warn_of(name: str) -> None:
    done = helm(name, "lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout
    # An [INFO] is a hint, for example that the icon is missing.
    assert not re.search(r"^\[", done.stdout, re.MULTILINE), done.stdout


def test_the_icon_is_the_logo() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    kind, _, encoded = chart["icon"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(encoded) == (ROOT / "docs/assets/logo.svg").read_bytes()


@each_scenario
def test_rendering_twice_gives_the_same_bytes(scenario: str) -> None:
    assert template_uncached(scenario).stdout == template(scenario).stdout


@each_scenario
def test_both_helms_make_the_same_objects(scenario: str) -> None:
    def by_name(name: str) -> dict[Any, Any]:
        return {(o["kind"], o["metadata"]["name"], o["metadata"].get("namespace")): o for o in render(scenario, name)}

    assert by_name("helm3") == by_name("helm4")


@each_scenario
def test_the_program_takes_its_settings(scenario: str, tmp_path: Any) -> None:
    settings(scenario, tmp_path)


@each_scenario
def test_every_object_carries_the_common_labels_and_is_in_the_release_namespace(scenario: str) -> None:
    for o in render(scenario):
        labels = o["metadata"].get("labels", {})
        if o["metadata"]["name"].endswith(("-note", "-critical")):
            continue  # extraObjects come from the operator
        assert labels["app.kubernetes.io/instance"] == RELEASE
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        if "team: ci-platform" in scenario:
            assert labels["team"] == "ci-platform"
            assert o["metadata"]["annotations"]["example.com/owner"] == "ci-platform"
        if "namespace" in o["metadata"] and not is_hook(o):
            assert o["metadata"]["namespace"] == NAMESPACE


def test_names_stay_within_63_characters() -> None:
    for o in render(DAEMONSET, release="r" * 53, namespace="n"):
        assert len(o["metadata"]["name"]) <= 63, o["metadata"]["name"]


def test_extra_objects_may_use_the_template_language() -> None:
    everything = (CHART / "ci" / "everything-values.yaml").read_text()
    assert only(render(everything), "ResourceQuota")["metadata"]["name"] == "dind-critical"
    assert only(render(everything), "ConfigMap", f"{RELEASE}-note")["data"] == {"note": "as text"}


@each_helm
def test_clusters_that_are_too_old_are_told_so(name: str) -> None:
    done = helm(name, "template", RELEASE, CHART, "--kube-version", "1.29.9")
    assert "requires kubeVersion: >=1.30.0-0" in done.stderr
    done = helm(name, "template", RELEASE, CHART, "--kube-version", "v1.30.1-gke.1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("version", "expected"), [("1.34.9", "false"), ("v1.35.0-gke.1", "true"), ("1.37.2", "true")])
def test_the_client_comes_from_an_image_volume_where_the_cluster_has_them(version: str, expected: str) -> None:
    done = helm("helm4", "template", RELEASE, CHART, "--kube-version", version)
    assert f"image_volumes: {expected}\n" in done.stdout
    flags = ("--set", f"settings.injection.image_volumes={expected != 'true'}".lower())
    done = helm("helm4", "template", RELEASE, CHART, "--kube-version", version, *flags)
    assert f"image_volumes: {expected}\n" not in done.stdout


@each_helm
def test_settings_of_the_client_that_cannot_work_are_refused(name: str) -> None:
    injection = {"defaults": {"client": True}, "start_script": False}
    assert "the script puts the client there" in refusal({"settings": {"injection": injection}}, name)
    injection = {"client_image": "docker:30-cli", "image_volumes": False}
    assert "client_image needs image_volumes: true" in refusal({"settings": {"injection": injection}}, name)


_DENYING = [
    ({"client": True, "wait": False}, {}, "every pod in daemonset mode: the container that waits"),
    ({"client": "/opt/docker", "wait": "false"}, {}, "every pod in daemonset mode: the container that waits"),
    ({"socket-dir": "/var/run"}, {}, "every pod in daemonset mode: set settings.injection.host_path_read_only"),
    ({"isolation": "userns", "group": 70000}, {}, "every pod in sidecar mode: in a user namespace"),
    ({"isolation": "userns", "group": "70000"}, {"modes": ["sidecar"]}, "every pod in sidecar mode"),
]


@each_helm
@pytest.mark.parametrize(("defaults", "settings", "says"), _DENYING)
def test_defaults_that_deny_every_pod_of_a_mode_are_refused_by_chart_and_settings(
    defaults: dict[str, Any], settings: dict[str, Any], says: str, name: str
) -> None:
    injection = {**settings, "defaults": defaults}
    values = {"daemonset": {"enabled": True}, "settings": {"injection": injection}}
    assert says in refusal(values, name)
    entry = {"names": ["ci"], "defaults": defaults}
    values["settings"] = {"injection": {**settings, "namespaces": [entry]}}
    assert "settings.injection.namespaces[0].defaults" in refusal(values, name)
    with pytest.raises(SettingsError, match="defaults deny every pod in"):
        parse_settings(json.dumps({"injection": {"modes": ["sidecar", "daemonset"], **injection}}), "file", {})


_ADDED = {
    "containers": ["dind", "dind-wait"],
    "share-volumes": [
        f"dind-{name}" for name in ("run", "storage", "files", "ca", "registry", "config", "client", "client-image")
    ],
}
_OPTIONS_WITH_VOLUMES = {
    "ca": "cas",
    "client": True,
    "daemon-files": "daemon.json=configmap/own/daemon.json",
    "registry-secret": "own",
}


def _is_accepted(injection: dict[str, Any]) -> bool:
    try:
        parse_settings(json.dumps({"injection": {**injection, "image_volumes": True}}), "file", {})
    except SettingsError as error:
        if "these defaults deny every pod" not in str(error):
            raise
        return False
    return True


@each_helm
@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
@pytest.mark.parametrize(
    "options", [{}, {"wait": False}, _OPTIONS_WITH_VOLUMES, {"client": True, "isolation": "userns"}]
)
def test_names_that_the_webhook_adds_are_refused_by_chart_and_settings(
    options: dict[str, Any], mode: str, name: str
) -> None:
    injection = {"modes": [mode], "defaults": {**options, **_ADDED}}
    values = {"daemonset": {"enabled": mode == "daemonset"}, "settings": {"injection": injection}}
    refused = {
        (option, added)
        for option, names in _ADDED.items()
        for added in names
        if not _is_accepted({"modes": [mode], "defaults": {**options, option: f"build, {added}"}})
    }
    assert refused
    found = re.findall(r"defaults\.(\S+) has (\S+), which the webhook adds itself", refusal(values, name))
    assert set(found) == refused


@each_helm
def test_defaults_that_deny_no_pod_of_the_modes_are_accepted(name: str) -> None:
    for injection in (
        {"defaults": {"client": True, "wait": False}},
        {"defaults": {"socket-dir": "/var/run"}},
        {"defaults": {"isolation": "userns", "group": 65535}},
    ):
        done = helm(
            name, "template", RELEASE, CHART, "--values", "-", stdin=json.dumps({"settings": {"injection": injection}})
        )
        assert done.returncode == 0, done.stderr
        parse_settings(json.dumps({"injection": {"modes": ["sidecar"], **injection}}), "file", {})


def test_whoever_installs_is_told_the_next_commands() -> None:
    # helm 3 would query a cluster first.
    done = helm(
        "helm4", "install", RELEASE, CHART, "--namespace", NAMESPACE, "--dry-run=client", "--values", "-", stdin="{}"
    )
    notes = done.stdout.partition("NOTES:")[2]
    assert f"kubectl -n {NAMESPACE} rollout status deployment/{RELEASE}" in notes
    assert f"helm test {RELEASE} --namespace {NAMESPACE}" in notes
    assert "kubectl label namespace NAMESPACE dind.io/inject=enabled" in notes
    assert "daemonset" not in notes
    assert f"Image dind-webhook:{__version__} is not published." in notes


def test_whoever_installs_is_told_every_label_that_selects_a_namespace() -> None:
    requirement = {"key": "example.com/release", "operator": "In", "values": ["canary"]}
    values = json.dumps({"webhook": {"namespaceSelector": [requirement]}})
    done = helm(
        "helm4", "install", RELEASE, CHART, "--namespace", NAMESPACE, "--dry-run=client", "--values", "-", stdin=values
    )
    notes = done.stdout.partition("NOTES:")[2]
    assert "pod-security.kubernetes.io/enforce=privileged example.com/release=canary\n" in notes


@each_helm
def test_a_package_has_what_is_rendered_and_nothing_for_tests(name: str, tmp_path: Any) -> None:
    done = helm(name, "package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.iterdir()
    with tarfile.open(package) as files:
        names = {name.removeprefix("dind-webhook/") for name in files.getnames()}
    assert {"values.schema.json", "README.md", "files/helm_test.py", "templates/tests/pod.yaml"} <= names
    assert not [name for name in names if name.startswith("ci/") or name.endswith(".gotmpl")]
    rendered = helm(name, "template", RELEASE, package, "--namespace", NAMESPACE, "--values", "-", stdin="{}")
    assert rendered.stdout == template("{}", name).stdout


# --- selected pods and namespaces ---------------------------------------------------------------------


def test_each_value_of_the_namespaces_label_has_an_entry_and_a_path() -> None:
    found = {
        w["name"]: (w["clientConfig"]["service"]["path"], w["namespaceSelector"]["matchExpressions"][0])
        for w in webhooks(DEFAULTS)
    }
    assert found == {
        f"{value}.inject.dind.io": (path, {"key": "dind.io/inject", "operator": "In", "values": [value]})
        for value, path in [("enabled", "/mutate"), ("sidecar", "/mutate/sidecar"), ("daemonset", "/mutate/daemonset")]
    }


@each_webhook_scenario
def test_only_the_creation_of_pods_is_asked_about(scenario: str) -> None:
    rules = [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["pods"],
            "scope": "Namespaced",
        }
    ]
    for entry in webhooks(scenario):
        assert entry["rules"] == rules
        assert entry["sideEffects"] == "None"
        assert entry["matchPolicy"] == "Equivalent"
        assert entry["admissionReviewVersions"] == ["v1"]
        assert 1 <= entry["timeoutSeconds"] <= 5
    assert policies(scenario)[0]["spec"]["matchConstraints"]["resourceRules"] == rules


@each_webhook_scenario
def test_system_namespaces_and_our_own_are_never_asked_about(scenario: str) -> None:
    constraints = [policy["spec"]["matchConstraints"] for policy in policies(scenario)]
    for selector in [one["namespaceSelector"] for one in [*constraints, *webhooks(scenario)]]:
        exempt = next(e for e in selector["matchExpressions"] if e["key"] == "kubernetes.io/metadata.name")
        assert exempt["operator"] == "NotIn"
        assert {"kube-system", "kube-public", "kube-node-lease", NAMESPACE} <= set(exempt["values"])


def test_a_pod_that_asks_for_nothing_does_not_depend_on_the_webhook() -> None:
    conditions = {w["name"]: [c["name"] for c in w["matchConditions"]] for w in webhooks(DEFAULTS)}
    others = ["dind.io/not-opted-out", "dind.io/no-mirror-of-a-static-pod"]
    assert conditions == {
        "enabled.inject.dind.io": ["dind.io/asked-for", *others],
        "sidecar.inject.dind.io": others,
        "daemonset.inject.dind.io": others,
    }


def test_fail_closed_is_the_default_and_the_policy_denies() -> None:
    assert {w["failurePolicy"] for w in webhooks(DEFAULTS)} == {"Fail"}
    assert only(render(DEFAULTS), "ValidatingAdmissionPolicy")["spec"]["failurePolicy"] == "Fail"
    assert only(render(DEFAULTS), "ValidatingAdmissionPolicyBinding")["spec"]["validationActions"] == ["Deny"]


def test_with_ignore_the_policy_warns_and_leaves_a_trace() -> None:
    values = {"webhook": {"failurePolicy": "Ignore"}}
    assert {w["failurePolicy"] for w in webhooks(values)} == {"Ignore"}
    assert only(render(values), "ValidatingAdmissionPolicyBinding")["spec"]["validationActions"] == ["Warn", "Audit"]


def test_the_policy_speaks_of_what_the_settings_name() -> None:
    injection = {"container_name": "docker", "wait_container_name": "until-docker", "run_volume": "sock"}
    policy = json.dumps(only(render({"settings": {"injection": injection}}), "ValidatingAdmissionPolicy"))
    assert "c.name == 'docker'" in policy
    assert "c.name in ['docker', 'until-docker']" in policy
    assert "m.name == 'sock'" in policy
    assert f"/var/run/dind/{NAMESPACE}-{RELEASE}" in policy


def test_conditions_of_the_operator_hold_for_webhook_and_policy() -> None:
    condition = {"name": "example.com/mine", "expression": "true"}
    values = {"webhook": {"matchConditions": [condition], "objectSelector": {"matchLabels": {"a": "b"}}}}
    policy = only(render(values), "ValidatingAdmissionPolicy")["spec"]
    for o in [policy, *webhooks(values)]:
        assert o["matchConditions"][-1] == condition
    for o in [policy["matchConstraints"], *webhooks(values)]:
        assert o["objectSelector"] == {"matchLabels": {"a": "b"}}


def test_a_url_takes_the_place_of_the_service_and_the_certificate_is_for_it(tmp_path: Any) -> None:
    values = {"webhook": {"url": "https://dind.example:8443"}}
    for entry in webhooks(values):
        assert entry["clientConfig"].keys() == {"url"}
    assert webhooks(values)[0]["clientConfig"]["url"].startswith("https://dind.example:8443/mutate")
    found = settings(values, tmp_path)
    assert found.certs.extra_hosts == ("dind.example",)
    assert found.server.tls_server_name == "dind.example"
    assert only(render({**values, **CERT_MANAGER}), "Certificate", RELEASE)["spec"]["dnsNames"] == ["dind.example"]


def test_an_address_in_a_url_is_one_in_the_certificate_too() -> None:
    values = {"webhook": {"url": "https://192.0.2.7:8443"}, **CERT_MANAGER}
    certificate = only(render(values), "Certificate", RELEASE)["spec"]
    assert certificate["ipAddresses"] == ["192.0.2.7"]
    assert "dnsNames" not in certificate


# --- certificates -------------------------------------------------------------------------------------


def test_self_managed_renders_no_bundle_and_no_key() -> None:
    assert "caBundle" not in json.dumps(webhooks(DEFAULTS))
    secret = only(render(DEFAULTS), "Secret")
    assert "data" not in secret
    assert "stringData" not in secret


def test_certs_is_a_native_sidecar_that_the_server_waits_for() -> None:
    (certs,) = pod_spec(DEFAULTS)["initContainers"]
    assert certs["name"] == "certs"
    assert certs["restartPolicy"] == "Always"
    assert certs["startupProbe"]["httpGet"] == {"path": "/readyz", "port": "certs-health"}


@each_webhook_scenario
def test_nobody_but_certs_sees_a_token(scenario: str) -> None:
    spec = pod_spec(scenario)
    assert spec["automountServiceAccountToken"] is False
    with_token = {v["name"] for v in spec["volumes"] if "projected" in v}
    seeing = [
        c["name"]
        for c in [*spec.get("initContainers", []), *spec["containers"]]
        if with_token & {m["name"] for m in c["volumeMounts"]}
    ]
    assert seeing == (["certs"] if "initContainers" in spec else [])
    for account in (o for o in render(scenario) if o["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_the_token_is_all_that_a_client_in_the_cluster_looks_for() -> None:
    (token,) = [v["projected"]["sources"] for v in pod_spec(DEFAULTS)["volumes"] if v["name"] == "token"]
    paths = [item.get("path") or next(i["path"] for i in item["items"]) for source in token for item in source.values()]
    assert paths == ["token", "ca.crt", "namespace"]


def test_certificate_files_are_in_memory_and_only_certs_may_write_them() -> None:
    (tls,) = [v for v in pod_spec(DEFAULTS)["volumes"] if v["name"] == "tls"]
    assert tls["emptyDir"]["medium"] == "Memory"
    modes = {
        c: m.get("readOnly", False)
        for c in ("certs", "webhook")
        for m in container(DEFAULTS, c)["volumeMounts"]
        if m["name"] == "tls"
    }
    assert modes == {"certs": False, "webhook": True}


def test_rights_are_for_one_secret_and_one_configuration_by_name() -> None:
    role, cluster_role = (
        only(tuple(o for o in render(DEFAULTS) if not is_hook(o)), "Role"),
        only(render(DEFAULTS), "ClusterRole"),
    )
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [only(render(DEFAULTS), "Secret")["metadata"]["name"]],
            "verbs": ["get", "list", "watch", "create", "patch"],
        }
    ]
    assert cluster_role["rules"] == [
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations"],
            "resourceNames": [only(render(DEFAULTS), "MutatingWebhookConfiguration")["metadata"]["name"]],
            "verbs": ["get", "list", "watch", "patch"],
        }
    ]


@pytest.mark.parametrize("values", [CERT_MANAGER, EXISTING], ids=["certManager", "existingSecret"])
def test_other_modes_need_no_rights_no_token_and_no_sidecar(values: Any) -> None:
    assert not kinds(render(values)) & {*SELF_MANAGED_RBAC, "Secret"}
    assert "initContainers" not in pod_spec(values)
    assert "serviceAccountToken" not in json.dumps(pod_spec(values))


def test_cert_manager_writes_the_bundle_from_the_certificate_that_is_mounted() -> None:
    objects = render(CERT_MANAGER)
    certificate = only(objects, "Certificate", RELEASE)
    annotations = only(objects, "MutatingWebhookConfiguration")["metadata"]["annotations"]
    assert annotations["cert-manager.io/inject-ca-from"] == f"{NAMESPACE}/{RELEASE}"
    assert "caBundle" not in json.dumps(webhooks(CERT_MANAGER))
    (tls,) = [v["secret"] for v in pod_spec(CERT_MANAGER)["volumes"] if v["name"] == "tls"]
    assert tls["secretName"] == certificate["spec"]["secretName"]
    assert certificate["spec"]["dnsNames"] == [f"{RELEASE}.{NAMESPACE}.svc"]


def test_cert_managers_leaf_is_signed_by_a_ca_that_outlives_it() -> None:
    objects = render(CERT_MANAGER)
    ca = only(objects, "Certificate", f"{RELEASE}-ca")["spec"]
    assert ca["isCA"] is True
    assert only(objects, "Issuer", RELEASE)["spec"]["ca"]["secretName"] == ca["secretName"]
    assert only(objects, "Certificate", RELEASE)["spec"]["issuerRef"]["name"] == RELEASE


def test_an_issuer_of_the_operator_makes_ours_superfluous() -> None:
    objects = render(
        {"tls": {"mode": "certManager", "certManager": {"issuerRef": {"name": "i", "kind": "ClusterIssuer"}}}}
    )
    assert "Issuer" not in kinds(objects)
    assert only(objects, "Certificate")["spec"]["issuerRef"] == {"name": "i", "kind": "ClusterIssuer"}


def test_an_existing_secret_is_mounted_and_its_ca_is_trusted() -> None:
    (tls,) = [v["secret"] for v in pod_spec(EXISTING)["volumes"] if v["name"] == "tls"]
    assert tls["secretName"] == "own"
    bundles = {w["clientConfig"]["caBundle"] for w in webhooks(EXISTING)}
    assert bundles == {base64.b64encode(PEM.encode()).decode()}


def test_callers_can_be_made_to_show_a_certificate(tmp_path: Any) -> None:
    values = {"tls": {"clientCA": {"configMap": "api-ca", "names": ["kube-apiserver"]}}}
    found = settings(values, tmp_path).server
    mounts = {m["name"]: m["mountPath"] for m in container(values, "webhook")["volumeMounts"]}
    assert str(found.client_ca_file) == f"{mounts['client-ca']}/ca.crt"
    assert found.client_names == ("kube-apiserver",)


# --- pods ---------------------------------------------------------------------------------------------


@each_webhook_scenario
def test_the_webhooks_pods_are_as_restricted_as_pod_security_wants(scenario: str) -> None:
    spec = pod_spec(scenario)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for c in [*spec.get("initContainers", []), *spec["containers"]]:
        context = c["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["runAsNonRoot"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert c["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in c["resources"]["limits"]
    assert not any("hostPath" in v for v in spec["volumes"])


@each_webhook_scenario
def test_ports_agree_from_the_service_to_the_program(scenario: str, tmp_path: Any) -> None:
    objects, found = render(scenario), settings(scenario, tmp_path)
    ports = {p["name"]: p["containerPort"] for p in container(scenario, "webhook")["ports"]}
    assert ports == {"https": found.server.port, "health": found.server.health_port}
    service = only(objects, "Service", only(objects, "Deployment")["metadata"]["name"])
    assert service["spec"]["ports"][0]["targetPort"] == "https"
    for entry in webhooks(scenario):
        if "service" in entry["clientConfig"]:
            assert entry["clientConfig"]["service"]["port"] == service["spec"]["ports"][0]["port"]
            assert entry["clientConfig"]["service"]["name"] == service["metadata"]["name"]
    if "initContainers" in pod_spec(scenario):
        certs = container(scenario, "certs")
        assert certs["ports"][0]["containerPort"] == found.certs.health_port
        assert str(found.certs.directory) in [m["mountPath"] for m in certs["volumeMounts"]]
    names = [
        p["name"]
        for c in (*pod_spec(scenario).get("initContainers", []), *pod_spec(scenario)["containers"])
        for p in c["ports"]
    ]
    assert all(len(name) <= 15 for name in names)


@each_webhook_scenario
def test_the_selectors_find_the_pods(scenario: str) -> None:
    objects = render(scenario)
    labels = deployment(scenario)["template"]["metadata"]["labels"]
    selectors = [
        deployment(scenario)["selector"]["matchLabels"],
        only(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    # test_cache.py looks at those of the cache.
    component = "app.kubernetes.io/component"
    objects = [o for o in objects if not o["metadata"].get("labels", {}).get(component, "").startswith("cache")]
    selectors += [o["spec"]["selector"] for o in objects if o["kind"] == "Service"]
    selectors += [o["spec"]["podSelector"]["matchLabels"] for o in objects if o["kind"] == "NetworkPolicy"]
    for selector in selectors:
        assert selector.items() <= labels.items()
    for monitor in (o for o in objects if o["kind"] == "ServiceMonitor"):
        metrics = only(objects, "Service", f"{RELEASE}-metrics")
        assert monitor["spec"]["selector"]["matchLabels"].items() <= metrics["metadata"]["labels"].items()
        assert {e["port"] for e in monitor["spec"]["endpoints"]} == {p["name"] for p in metrics["spec"]["ports"]}


def test_the_port_is_one_that_private_control_planes_reach() -> None:
    assert {p["name"]: p["containerPort"] for p in container(DEFAULTS, "webhook")["ports"]}["https"] == 10250


def test_two_replicas_are_replaced_one_by_one_and_kept_apart() -> None:
    found = deployment(DEFAULTS)
    assert found["replicas"] == 2
    assert found["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in json.dumps(found)
    assert found["template"]["spec"]["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway"
    budget = only(render(DEFAULTS), "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_in_the_nodes_network_the_old_one_gives_up_its_port_first() -> None:
    values = {"hostNetwork": True, "containerPort": 10260}
    assert pod_spec(values)["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert deployment(values)["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_names_are_resolved_as_the_operator_says_in_the_webhooks_and_the_daemons_pods() -> None:
    names = {
        "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["mirror.example"]}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["192.0.2.53"]},
    }
    values = {**names, "daemonset": {"enabled": True, **names}}
    for spec in (pod_spec(values), dind(values)):
        assert names.items() <= spec.items()
    for spec in (pod_spec(DEFAULTS), dind(DAEMONSET)):
        assert not names.keys() & spec.keys()


def test_an_autoscaled_deployment_leaves_the_number_to_the_autoscaler() -> None:
    values = {"autoscaling": {"enabled": True}}
    assert "replicas" not in deployment(values)
    assert (
        only(render(values), "HorizontalPodAutoscaler")["spec"]["metrics"][0]["containerResource"]["container"]
        == "webhook"
    )


@pytest.mark.parametrize(
    ("server", "seconds"),
    [
        ({}, ServerSettings().grace_seconds + ServerSettings().drain_seconds + 10),
        ({"grace_seconds": 30}, 50),
        ({"drain_seconds": 0.5}, 16),
    ],
)
def test_kubelet_waits_until_the_server_has_left(server: Any, seconds: float) -> None:
    assert pod_spec({"settings": {"server": server}})["terminationGracePeriodSeconds"] == seconds


def test_a_change_of_settings_replaces_the_pods() -> None:
    def checksum(values: Any) -> str:
        return str(deployment(values)["template"]["metadata"]["annotations"]["checksum/settings"])

    assert checksum({"settings": {"log": {"level": "debug"}}}) != checksum(DEFAULTS)
    assert checksum({"replicas": 3}) == checksum(DEFAULTS)


@pytest.mark.parametrize("command", ["certs", "serve"])
def test_the_program_knows_the_arguments(command: str) -> None:
    args = container(DEFAULTS, {"certs": "certs", "serve": "webhook"}[command])["args"]
    assert args == [command, "--config", "/etc/dind-webhook/settings.yaml"]
    mounts = container(DEFAULTS, {"certs": "certs", "serve": "webhook"}[command])["volumeMounts"]
    assert {"name": "settings", "mountPath": "/etc/dind-webhook", "readOnly": True} in mounts


def test_probes_have_the_timing_that_the_values_say() -> None:
    timing = {"periodSeconds": 7, "failureThreshold": 11}
    kinds_of_probe = ("startupProbe", "livenessProbe", "readinessProbe")
    own = dict.fromkeys(kinds_of_probe, timing)
    certs = dict.fromkeys(kinds_of_probe[:2], timing)
    values = {**own, "tls": {"selfManaged": certs}, "daemonset": {"enabled": True, **own}}
    containers = [
        *pod_spec(values)["initContainers"],
        *pod_spec(values)["containers"],
        *(c for c in dind(values)["containers"] if c["name"] == "dind"),
    ]
    probes = [probe for c in containers for probe in (c.get(kind) for kind in kinds_of_probe) if probe]
    assert len(probes) == 8
    for probe in probes:
        assert timing.items() <= probe.items()
        assert "timeoutSeconds" in probe
        assert "httpGet" in probe or "exec" in probe


@pytest.mark.parametrize(("release", "sentence"), [("my.release", '"my.release-'), ("1st", '"1st-')])
def test_a_release_whose_name_no_service_can_have_is_told_so(release: str, sentence: str) -> None:
    done = template(DEFAULTS, release=release)
    assert f"the name of all objects would be {sentence}dind-webhook" in done.stderr
    render({"fullnameOverride": "dind"}, release=release)


def test_the_lives_of_certificates_are_the_programs_defaults(tmp_path: Any) -> None:
    found = settings(DEFAULTS, tmp_path).certs
    for field in ("leaf_life", "ca_life", "resync", "host", "health_port", "directory"):
        assert getattr(found, field) == getattr(CertsSettings(), field)


def test_a_network_policy_lets_in_what_there_is_to_be_asked_and_out_only_to_the_api_server() -> None:
    found = only(render({"networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]
    assert sorted(p["port"] for rule in found["ingress"] for p in rule["ports"]) == [8080, 8081, 10250]
    assert [p["port"] for rule in found["egress"] for p in rule["ports"]] == [443, 6443]
    assert only(render({"networkPolicy": {"enabled": True}, **CERT_MANAGER}), "NetworkPolicy")["spec"]["egress"] == []


# --- daemonset mode -----------------------------------------------------------------------------------


def test_daemonset_mode_is_off_with_its_daemons_until_it_is_switched_on(tmp_path: Any) -> None:
    assert "DaemonSet" not in kinds(render(DEFAULTS))
    assert settings(DEFAULTS, tmp_path).injection.modes == {"sidecar"}
    assert settings(DAEMONSET, tmp_path).injection.modes == {"sidecar", "daemonset"}


@pytest.mark.parametrize(
    "values", [DAEMONSET, {"daemonset": {"enabled": True, "hostPath": "/run/ci"}}], ids=["default", "named"]
)
def test_daemon_and_webhook_agree_on_directory_and_group(values: Any, tmp_path: Any) -> None:
    found = settings(values, tmp_path).injection
    (run,) = [v["hostPath"] for v in dind(values)["volumes"] if v["name"] == "run"]
    assert run == {"path": found.host_path, "type": "DirectoryOrCreate"}
    assert found.host_path_type == "Directory"
    (daemon,) = [c for c in dind(values)["containers"] if c["name"] == "dind"]
    assert f"--group={found.defaults['group']}" in daemon["args"]
    assert daemon["image"] == found.defaults["image"]


@pytest.mark.parametrize("gc", [True, False])
def test_the_configuration_of_the_daemon_is_a_file_that_replaces_pods_when_it_changes(gc: bool) -> None:
    def values(**config: Any) -> Any:
        return {"daemonset": {"enabled": True, "gc": {"enabled": gc}, "config": config}}

    configured = values(debug=True, labels=["a=b"])
    config_map = only(render(configured), "ConfigMap", f"{RELEASE}-dind")
    assert json.loads(config_map["data"]["daemon.json"]) == {"debug": True, "labels": ["a=b"]}
    assert ("collect-garbage.sh" in config_map["data"]) is gc
    (daemon,) = [c for c in dind(configured)["containers"] if c["name"] == "dind"]
    assert "--config-file=/etc/dind/daemon.json" in daemon["args"]
    (mount,) = [m for m in daemon["volumeMounts"] if m["mountPath"] == "/etc/dind"]
    (volume,) = [v for v in dind(configured)["volumes"] if v["name"] == mount["name"]]
    assert volume["configMap"]["name"] == config_map["metadata"]["name"]
    templates = [only(render(each), "DaemonSet")["spec"]["template"] for each in (configured, values(debug=False))]
    assert len({each["metadata"]["annotations"]["checksum/config"] for each in templates}) == 2
    assert "config-file" not in json.dumps(dind(values()))


_MIRRORS = ["https://hub.example", "GHCR.io=node:5000", "*=none"]


def _daemon_with_mirrors(mirrors: Any, **daemonset: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the variables of the DaemonSet's daemon, and its flags with registries."""
    injection = {"defaults": {"registry-mirrors": mirrors}}
    values = {"daemonset": {"enabled": True, **daemonset}, "settings": {"injection": injection}}
    (daemon,) = [c for c in dind(values)["containers"] if c["name"] == "dind"]
    variables = {each["name"]: each.get("value", each.get("valueFrom")) for each in daemon.get("env", ())}
    return variables, [flag for flag in daemon["args"] if "registry" in flag]


@pytest.mark.parametrize("mirrors", [_MIRRORS, ", ".join(_MIRRORS)])
def test_the_mirrors_of_pods_are_those_of_the_daemonset_too(mirrors: Any) -> None:
    variables, flags = _daemon_with_mirrors(mirrors, extraEnv=[{"name": "A", "value": "b"}])
    assert variables == {
        "DIND_MIRRORS": "docker.io=https://hub.example,ghcr.io=http://node:5000,*=",
        "DIND_NODE_IP": {"fieldRef": {"fieldPath": "status.hostIP"}},
        "A": "b",
    }
    assert flags == ["--registry-mirror=https://hub.example"]


@pytest.mark.parametrize(
    "own", [{"config": {"registry-mirrors": ["https://a"]}}, {"extraArgs": ["--registry-mirror=https://a"]}]
)
def test_mirrors_of_the_daemonset_itself_replace_those_of_docker_hub(own: Any) -> None:
    variables, flags = _daemon_with_mirrors(["https://hub.example", "*=http://node.ci"], **own)
    assert variables == {"DIND_MIRRORS": "*=http://node.ci"}
    assert flags == own.get("extraArgs", [])


def test_without_mirrors_the_daemonset_has_none() -> None:
    assert _daemon_with_mirrors(None) == _daemon_with_mirrors([]) == ({}, [])


def test_two_releases_do_not_share_a_directory() -> None:
    def paths(release: str) -> set[str]:
        spec = only(render(DAEMONSET, release=release), "DaemonSet")["spec"]["template"]["spec"]
        return {v["hostPath"]["path"] for v in spec["volumes"] if "hostPath" in v}

    assert not paths("one") & paths("two")


def test_the_daemon_listens_on_no_network() -> None:
    (daemon,) = [c for c in dind(DAEMONSET)["containers"] if c["name"] == "dind"]
    assert daemon["args"][0] == "dockerd"
    assert daemon["command"] == ["sh", "-c", COMMENTED_SCRIPT, "start-dockerd"]
    assert not any("tcp" in a or "metrics" in a for a in daemon["args"])
    assert "ports" not in daemon


def test_only_the_daemon_itself_is_privileged() -> None:
    spec = dind(DAEMONSET)
    privileged = [
        c["name"] for c in [*spec["initContainers"], *spec["containers"]] if c["securityContext"]["privileged"]
    ]
    assert privileged == ["dind"]
    assert spec["automountServiceAccountToken"] is False


def test_the_socket_is_removed_and_its_directory_never() -> None:
    (repair,) = dind(DAEMONSET)["initContainers"]
    assert repair["command"] == ["rm", "-rf", "/run/dind/docker.sock"]
    (daemon,) = [c for c in dind(DAEMONSET)["containers"] if c["name"] == "dind"]
    assert "--host=unix:///run/dind/docker.sock" in daemon["args"]


def test_daemons_go_when_the_operator_says_so() -> None:
    assert only(render(DAEMONSET), "DaemonSet")["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_daemons_have_the_runtime_class_that_the_operator_says() -> None:
    assert dind({"daemonset": {"enabled": True, "runtimeClassName": "writable"}})["runtimeClassName"] == "writable"
    assert "runtimeClassName" not in dind(DAEMONSET)


def test_images_are_collected_by_a_user_who_may_do_nothing_else() -> None:
    (gc,) = [c for c in dind(DAEMONSET)["containers"] if c["name"] == "gc"]
    assert gc["securityContext"]["runAsUser"] != 0
    assert gc["securityContext"]["runAsGroup"] == 2375
    assert all(m["readOnly"] for m in gc["volumeMounts"])


def test_large_numbers_stay_what_they_are(tmp_path: Any) -> None:
    values = {"settings": {"server": {"body_limit": 20_000_000}}, "podSecurityContext": {"runAsUser": 1000660000}}
    assert settings(values, tmp_path).server.body_limit == 20_000_000
    assert pod_spec(values)["securityContext"]["runAsUser"] == 1000660000


def test_a_group_of_openshift_is_written_out(tmp_path: Any) -> None:
    values = {"settings": {"injection": {"defaults": {"group": 1000660000}}}, **DAEMONSET}
    assert settings(values, tmp_path).injection.defaults["group"] == "1000660000"
    assert "--group=1000660000" in json.dumps(dind(values))


def test_the_garbage_collector_is_a_script_that_a_shell_can_read() -> None:
    done = subprocess.run(["sh", "-n", CHART / "files" / "collect-garbage.sh"], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


# --- monitoring ---------------------------------------------------------------------------------------

MONITORING = (CHART / "ci" / "monitoring-values.yaml").read_text()


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("ServiceMonitor", "metrics.serviceMonitor"),
        ("PodMonitor", "daemonset.metrics.podMonitor"),
        ("PrometheusRule", "metrics.prometheusRule"),
        ("ConfigMap", "metrics.dashboard"),
    ],
)
def test_objects_for_monitoring_may_be_where_prometheus_looks(kind: str, place: str) -> None:
    def found(namespace: str) -> Any:
        values = yaml.safe_load(MONITORING)
        inner = values
        for key in place.split("."):
            inner = inner[key]
        inner["namespace"] = namespace
        name = {"ConfigMap": f"{RELEASE}-dashboard", "PodMonitor": f"{RELEASE}-dind"}.get(kind)
        return only(render(values), kind, name)

    assert found("monitoring")["metadata"]["namespace"] == "monitoring"
    for own in ("", NAMESPACE):
        assert found(own)["metadata"]["namespace"] == NAMESPACE
    if kind.endswith("Monitor"):
        assert found("monitoring")["spec"]["namespaceSelector"] == {"matchNames": [NAMESPACE]}
        assert "namespaceSelector" not in found("")["spec"]


@pytest.mark.parametrize(
    ("kind", "name", "endpoints", "place"),
    [
        ("ServiceMonitor", RELEASE, "endpoints", "metrics.serviceMonitor"),
        ("PodMonitor", f"{RELEASE}-dind", "podMetricsEndpoints", "daemonset.metrics.podMonitor"),
        ("PodMonitor", f"{RELEASE}-sidecar", "podMetricsEndpoints", "sidecar.metrics.podMonitor"),
    ],
)
def test_every_endpoint_is_scraped_as_the_values_say(kind: str, name: str, endpoints: str, place: str) -> None:
    scraping = {
        "interval": "30s",
        "scrapeTimeout": "5s",
        "metricRelabelings": [{"action": "drop"}],
        "relabelings": [{"action": "keep"}],
    }
    values = yaml.safe_load(MONITORING)
    inner = values
    for key in place.split("."):
        inner = inner[key]
    inner.update(scraping)
    for endpoint in only(render(values), kind, name)["spec"][endpoints]:
        assert endpoint == {**scraping, "port": endpoint["port"], "path": "/metrics"}


def test_the_pod_monitor_finds_the_port_that_dockerd_serves() -> None:
    values = {
        "daemonset": {"enabled": True, "metrics": {"enabled": True, "port": 9999, "podMonitor": {"enabled": True}}}
    }
    daemons = only(render(values), "DaemonSet")["spec"]["template"]
    (daemon,) = [c for c in daemons["spec"]["containers"] if c["name"] == "dind"]
    assert "--metrics-addr=0.0.0.0:9999" in daemon["args"]
    assert daemon["ports"] == [{"name": "metrics", "containerPort": 9999, "protocol": "TCP"}]
    monitor = only(render(values), "PodMonitor")["spec"]
    assert monitor["podMetricsEndpoints"] == [{"port": "metrics", "path": "/metrics"}]
    assert monitor["selector"]["matchLabels"].items() <= daemons["metadata"]["labels"].items()


@pytest.mark.parametrize("namespace", ["", "monitoring"])
def test_the_pod_monitor_of_sidecars_finds_the_port_that_injection_names_in_all_namespaces(namespace: str) -> None:
    found = only(
        render({"sidecar": {"metrics": {"podMonitor": {"enabled": True, "namespace": namespace}}}}), "PodMonitor"
    )
    assert found["metadata"]["namespace"] == (namespace or NAMESPACE)
    assert found["spec"]["namespaceSelector"] == {"any": True}
    pod = injected_pod(Mode.SIDECAR, {"metrics-port": "9999"})
    assert found["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (daemon,) = [c for c in pod["spec"]["initContainers"] if c["name"] == "dind"]
    assert found["spec"]["podMetricsEndpoints"] == [{"port": daemon["ports"][0]["name"], "path": "/metrics"}]
    assert "--metrics-addr=0.0.0.0:9999" in daemon["args"]


def exported_metrics() -> set[str]:
    found = {"process_resident_memory_bytes"}
    for registry in (Metrics().registry, CertsMetrics().registry):
        for family in registry.collect():
            found |= {family.name, f"{family.name}_total", f"{family.name}_bucket"}
    return found


@pytest.mark.parametrize("kind", ["PrometheusRule", "ConfigMap"])
def test_alerts_and_dashboard_speak_of_metrics_that_exist(kind: str) -> None:
    text = "".join(json.dumps(o) for o in render(MONITORING) if o["kind"] == kind)
    named = set(re.findall(r"\bdind_webhook_\w+|\bprocess_\w+", text))
    assert named
    assert named <= exported_metrics()


def test_an_alert_of_expiry_comes_after_the_time_of_renewal() -> None:
    days = yaml.safe_load((CHART / "values.yaml").read_text())["metrics"]["prometheusRule"]["certificateDays"]
    assert days < CertsSettings().leaf_life.days / 3


def test_alerts_have_a_severity_and_say_what_happened() -> None:
    (group,) = only(render(MONITORING), "PrometheusRule")["spec"]["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


# --- helm test ----------------------------------------------------------------------------------------


def test_who_may_create_pods_is_there_during_the_test_only() -> None:
    hooks = [o for o in render(DEFAULTS) if is_hook(o)]
    assert {o["kind"] for o in hooks} == {"Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Pod"}
    for o in hooks:
        assert o["metadata"]["annotations"]["helm.sh/hook"] == "test"
        deleted = set(o["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(","))
        # A failed pod is kept for its log.
        assert deleted >= ({"hook-succeeded"} if o["kind"] == "Pod" else {"hook-succeeded", "hook-failed"})
    able = [o for o in render(DEFAULTS) if o["kind"] in {"Role", "ClusterRole"} and "pods" in json.dumps(o["rules"])]
    assert [o["kind"] for o in able if not is_hook(o)] == []
    assert [(o["kind"], o["metadata"]["namespace"]) for o in able] == [("Role", f"{RELEASE}-test")]


def test_the_tests_namespace_has_opted_in_and_allows_what_is_injected() -> None:
    labels = only(render(DEFAULTS), "Namespace")["metadata"]["labels"]
    assert labels["dind.io/inject"] == "enabled"
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


def test_the_tests_namespace_is_one_that_this_release_selects() -> None:
    requirements = [
        {"key": "example.com/release", "operator": "In", "values": ["canary", "next"]},
        {"key": "example.com/ci", "operator": "Exists"},
        {"key": "dind.io/inject", "operator": "In", "values": ["sidecar"]},
        {"key": "example.com/tier", "operator": "NotIn", "values": ["production"]},
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ci"]},
    ]
    labels = only(render({"webhook": {"namespaceSelector": requirements}}), "Namespace")["metadata"]["labels"]
    assert labels["example.com/release"] == "canary"
    assert labels["example.com/ci"] == ""
    assert labels["dind.io/inject"] == "sidecar"
    assert not {"example.com/tier", "kubernetes.io/metadata.name"} & labels.keys()


def test_a_namespace_named_by_value_is_not_made() -> None:
    objects = render({"test": {"namespace": "ci"}})
    assert "Namespace" not in {o["kind"] for o in objects}
    assert [o["metadata"]["namespace"] for o in objects if is_hook(o) and o["kind"] == "Role"] == ["ci"]


def test_without_sidecar_mode_the_test_asks_for_the_other() -> None:
    values = {"daemonset": {"enabled": True}, "settings": {"injection": {"modes": ["daemonset"]}}}
    environment = {e["name"]: e["value"] for e in only(render(values), "Pod")["spec"]["containers"][0]["env"]}
    assert environment["TEST_MODE"] == "daemonset"


def test_there_need_be_no_test() -> None:
    assert not [o for o in render({"test": {"enabled": False}}) if is_hook(o)]
