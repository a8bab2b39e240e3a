"""The version of the API server, and the webhook configuration that it has."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from dind_webhook.diagnostics.check import REINSTALL, Category, Check, Problem
from dind_webhook.diagnostics.expected_webhook import (
    MAX_TIMEOUT_SECONDS,
    MIN_TIMEOUT_SECONDS,
    MIN_VERSION,
    NAME_LABEL,
    WEBHOOKS,
    find_differences,
)
from dind_webhook.diagnostics.snapshot import (
    Snapshot,
    calls_for_pods,
    is_part_of_chart,
    labels_of,
    name_of,
    release_name,
    release_namespace,
    webhook_for_namespace,
    webhooks_of,
)
from dind_webhook.injection import EXEMPT_NAMESPACES, INJECT
from dind_webhook.model import JsonObject, parse_version, selects

_INSTALL = "install the chart: `helm install dind-webhook CHART --namespace dind-webhook --create-namespace`"
# Their policies can set any annotation; other injectors set only their own.
_POLICY_ENGINES = ("kyverno", "gatekeeper", "kubewarden", "jspolicy")


def check_api_version(snapshot: Snapshot) -> Iterator[Problem]:
    if parse_version(snapshot.version) < MIN_VERSION:
        yield Problem(f"the API server is {snapshot.version}")


def check_installed(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.configuration is not None or snapshot.injecting_policies:
        return
    sentence, fix = (
        "there is neither a MutatingWebhookConfiguration with webhooks of *.inject.dind.io nor policies that inject",
        _INSTALL,
    )
    if orphan := snapshot.orphan:
        sentence += f", but {name_of(orphan)} of release {release_name(orphan)} still exists"
        fix = REINSTALL.replace("{release}", release_name(orphan)).replace("{system}", release_namespace(orphan))
    yield Problem(sentence, {"fix": fix})


def check_one_installation(snapshot: Snapshot) -> Iterator[Problem]:
    for namespace in snapshot.namespaces:
        names = sorted(name_of(each) for each in snapshot.configurations if webhook_for_namespace(each, namespace))
        if len(names) > 1:
            yield Problem(f"the API server sends pods of namespace {name_of(namespace)} to {', '.join(names)}")


def check_entries(snapshot: Snapshot) -> Iterator[Problem]:
    installed = webhooks_of(snapshot.configuration)
    for expected in WEBHOOKS:
        if expected.name in installed:
            yield from map(Problem, find_differences(expected, installed[expected.name]))
        else:
            yield Problem(f"{expected.name} is missing: no webhook is called for namespaces {INJECT}={expected.value}")
    servers = sorted(set(map(_server, installed.values())))
    if len(servers) > 1:
        yield Problem(f"the webhooks call different servers: {', '.join(servers)}")


def _server(entry: JsonObject) -> str:
    client = entry["clientConfig"]
    if "service" not in client:
        return str(urlsplit(client.get("url", "")).netloc)
    service = client["service"]
    return f"Service {service['namespace']}/{service['name']}:{service.get('port', 443)}"


def check_exempt_namespaces(snapshot: Snapshot) -> Iterator[Problem]:
    names = sorted({*EXEMPT_NAMESPACES, release_namespace(snapshot.configuration)} - {""})
    for value, entry in _installed_entries(snapshot):
        selector = entry.get("namespaceSelector")
        selected = [name for name in names if selects(selector, {NAME_LABEL: name, INJECT: value})]
        if selected:
            yield Problem(f"{entry['name']} does not exempt {', '.join(selected)}")


def _installed_entries(snapshot: Snapshot) -> Iterator[tuple[str, JsonObject]]:
    """Yield each value of the namespace's label with its webhook, if the webhook is installed."""
    installed = webhooks_of(snapshot.configuration)
    return ((expected.value, installed[expected.name]) for expected in WEBHOOKS if expected.name in installed)


def check_failure_policy(snapshot: Snapshot) -> Iterator[Problem]:
    names = [entry["name"] for _, entry in _installed_entries(snapshot) if entry.get("failurePolicy") != "Fail"]
    policies = {name_of(policy) for policy in snapshot.admission_policies if _checks_injection(policy)}
    if names and not any(binding["spec"].get("policyName") in policies for binding in snapshot.policy_bindings):
        yield Problem(f"failurePolicy is Ignore for {', '.join(names)}, and no policy checks that pods were injected")


def _checks_injection(policy: JsonObject) -> bool:
    """Return whether a policy of the chart checks that pods were injected; the advisory policy does not."""
    return is_part_of_chart(policy) and labels_of(policy).get("app.kubernetes.io/component") != "advisory"


def check_policy_binding(snapshot: Snapshot) -> Iterator[Problem]:
    bound = {binding["spec"].get("policyName") for binding in snapshot.policy_bindings}
    for policy in snapshot.admission_policies:
        if is_part_of_chart(policy) and name_of(policy) not in bound:
            yield Problem(f"no ValidatingAdmissionPolicyBinding names {name_of(policy)}")
    policies = set(map(name_of, snapshot.admission_policies))
    for binding in snapshot.policy_bindings:
        policy_name = binding["spec"].get("policyName")
        if is_part_of_chart(binding) and policy_name not in policies:
            yield Problem(f"there is no ValidatingAdmissionPolicy {policy_name} for binding {name_of(binding)}")


def check_injecting_policy_binding(snapshot: Snapshot) -> Iterator[Problem]:
    for policy in snapshot.injecting_policies:
        if name_of(policy) not in snapshot.bound_injecting_policies:
            yield Problem(f"no MutatingAdmissionPolicyBinding names {name_of(policy)}, so it injects no pod")


def check_reinvocation(snapshot: Snapshot) -> Iterator[Problem]:
    for _, entry in _installed_entries(snapshot):
        if entry.get("reinvocationPolicy") != "IfNeeded":
            yield Problem(f"{entry['name']} has reinvocationPolicy {entry.get('reinvocationPolicy')}")


def check_timeout(snapshot: Snapshot) -> Iterator[Problem]:
    for _, entry in _installed_entries(snapshot):
        seconds = entry.get("timeoutSeconds", 10)
        if not MIN_TIMEOUT_SECONDS <= seconds <= MAX_TIMEOUT_SECONDS:
            yield Problem(f"{entry['name']} has a timeout of {seconds} s")


def check_round_0(snapshot: Snapshot) -> Iterator[Problem]:
    """Find webhooks that annotate pods after ours was called; the API server does not call ours again for that."""
    own_name = name_of(snapshot.configuration or {})
    for configuration in snapshot.configurations:
        name = name_of(configuration)
        if webhooks_of(configuration) or name < own_name:
            continue
        is_policy_engine = any(engine in name for engine in _POLICY_ENGINES) and calls_for_pods(configuration)
        if is_policy_engine or INJECT in str(configuration["metadata"].get("annotations")):
            yield Problem(
                f"{name} comes later in the order of names and may annotate pods: the API server does not call our "
                "webhook for an annotation that is added after its turn"
            )


CHECKS: tuple[Check, ...] = (
    Check(
        name="api-version",
        category=Category.API_SERVER,
        statement="The API server is Kubernetes 1.30 or newer",
        fatal=True,
        hint="upgrade the cluster: match conditions and admission policies are missing or unfinished before 1.30",
        requires=("version",),
        find_problems=check_api_version,
    ),
    Check(
        name="installed",
        category=Category.CONFIGURATION,
        statement="The webhook is installed, or policies that inject",
        fatal=True,
        hint="{fix}",
        requires=("configurations",),
        find_problems=check_installed,
    ),
    Check(
        name="one-installation",
        category=Category.CONFIGURATION,
        statement="Each namespace belongs to one installation",
        hint="uninstall one of them: `helm list --all-namespaces`, then `helm uninstall`; or separate their namespaces "
        "with the chart's webhook.namespaceSelector",
        of_webhook=True,
        requires=("configurations", "namespaces"),
        after=("installed",),
        find_problems=check_one_installation,
    ),
    Check(
        name="entries",
        category=Category.CONFIGURATION,
        statement="Each webhook is as the chart installs it",
        fatal=True,
        hint=REINSTALL,
        of_webhook=True,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_entries,
    ),
    Check(
        name="exempt-namespaces",
        category=Category.CONFIGURATION,
        statement="System namespaces are exempt",
        hint="set the chart's webhook.exemptNamespaces; " + REINSTALL,
        of_webhook=True,
        requires=("configurations",),
        after=("installed", "entries"),
        find_problems=check_exempt_namespaces,
    ),
    Check(
        name="failure-policy",
        category=Category.CONFIGURATION,
        statement="The API server refuses pods that the webhook could not inject",
        hint="set the chart's webhook.failurePolicy to Fail, or policy.enabled to true",
        of_webhook=True,
        requires=("configurations", "admission_policies", "policy_bindings"),
        after=("installed",),
        find_problems=check_failure_policy,
    ),
    Check(
        name="policy-binding",
        category=Category.CONFIGURATION,
        statement="The policy that checks injected pods is bound",
        hint=REINSTALL,
        requires=("admission_policies", "policy_bindings"),
        after=("installed",),
        find_problems=check_policy_binding,
    ),
    Check(
        name="injecting-policy-binding",
        category=Category.CONFIGURATION,
        statement="The policies that inject pods are bound",
        fatal=True,
        hint=REINSTALL + "; without the chart, apply what `dind-webhook policy` prints",
        requires=(),
        after=("installed",),
        find_problems=check_injecting_policy_binding,
    ),
    Check(
        name="reinvocation",
        category=Category.CONFIGURATION,
        statement="The webhooks are called again after another webhook adds a container",
        hint="set the chart's webhook.reinvocationPolicy to IfNeeded; without it, containers that are added later have "
        "no Docker",
        of_webhook=True,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_reinvocation,
    ),
    Check(
        name="timeout",
        category=Category.CONFIGURATION,
        statement=f"The webhooks have a timeout of {MIN_TIMEOUT_SECONDS} to {MAX_TIMEOUT_SECONDS} s",
        hint="set the chart's webhook.timeoutSeconds to 5: an answer takes milliseconds, a new connection to a busy "
        "node takes longer, and pods wait for the whole timeout while the server is down",
        of_webhook=True,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_timeout,
    ),
    Check(
        name="round-0",
        category=Category.CONFIGURATION,
        statement="No webhook annotates pods after ours was called",
        hint="if its policies set dind.io/inject, set the chart's webhook.name to `zz-dind-webhook`, so that ours is "
        "called last",
        of_webhook=True,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_round_0,
    ),
)
