"""The API server, and what it has been told about the webhook."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from app.diagnostics.check import REINSTALL, Category, Check, Problem
from app.diagnostics.expected_webhook import (
    CONTRACT,
    ENTRIES,
    EXEMPT_NAMESPACES,
    LONGEST_TIMEOUT_SECONDS,
    MINIMUM_VERSION,
    SHORTEST_TIMEOUT_SECONDS,
    WEBHOOK_RULES,
    ExpectedEntry,
    is_same_expression,
)
from app.diagnostics.snapshot import (
    Snapshot,
    entries_of,
    entry_for_namespace,
    is_part_of_chart,
    name_of,
    release_name,
    release_namespace,
)
from app.injection import INJECT
from app.model import JsonObject, selects

_NAME_LABEL = "kubernetes.io/metadata.name"


def version_of(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, as in `1.37` or `1.37+`."""
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in text.split(".")[:2])


def check_api_version(snapshot: Snapshot) -> Iterator[Problem]:
    if version_of(snapshot.version) < MINIMUM_VERSION:
        yield Problem(f"the API server is {snapshot.version}")


def check_installed(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.configuration is not None:
        return
    orphan = snapshot.orphan
    yield Problem(
        "there is no MutatingWebhookConfiguration with webhooks of *.inject.dind.io"
        + (f", though {name_of(orphan)} of release {release_name(orphan)} is there" if orphan else ""),
        {"mend": _reinstall(orphan) if orphan else _INSTALL},
    )


def _reinstall(orphan: JsonObject) -> str:
    """Return what puts back a release, of which one object is left."""
    return REINSTALL.replace("{release}", release_name(orphan)).replace("{system}", release_namespace(orphan))


def check_one_installation(snapshot: Snapshot) -> Iterator[Problem]:
    """Find namespaces of several installations, whose settings may differ; one of them too many."""
    for namespace in snapshot.namespaces:
        asking = sorted(name_of(one) for one in snapshot.configurations if entry_for_namespace(one, namespace))
        if len(asking) > 1:
            yield Problem(f"pods of namespace {name_of(namespace)} go to {', '.join(asking)}")


def check_entries(snapshot: Snapshot) -> Iterator[Problem]:
    found = entries_of(snapshot.configuration)
    for expected in ENTRIES:
        if expected.name not in found:
            yield Problem(
                f"{expected.name} is missing: namespaces labelled {INJECT}={expected.value} are not asked about"
            )


def _expected_and_installed(snapshot: Snapshot) -> Iterator[tuple[ExpectedEntry, JsonObject]]:
    found = entries_of(snapshot.configuration)
    return ((expected, found[expected.name]) for expected in ENTRIES if expected.name in found)


def check_paths(snapshot: Snapshot) -> Iterator[Problem]:
    for expected, entry in _expected_and_installed(snapshot):
        client = entry["clientConfig"]
        path = client["service"].get("path", "/") if "service" in client else _path(client.get("url", ""))
        if path != expected.path:
            yield Problem(f"{expected.name} calls {path or '/'} instead of {expected.path}")
    servers = sorted({_server(entry) for _, entry in _expected_and_installed(snapshot)})
    if len(servers) > 1:
        yield Problem(f"the webhooks call different servers: {', '.join(servers)}")


def _server(entry: JsonObject) -> str:
    client = entry["clientConfig"]
    if "service" not in client:
        return str(urlsplit(client.get("url", "")).netloc)
    service = client["service"]
    return f"Service {service['namespace']}/{service['name']}:{service.get('port', 443)}"


def _path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2]


def check_rules(snapshot: Snapshot) -> Iterator[Problem]:
    for expected, entry in _expected_and_installed(snapshot):
        if entry.get("rules") != WEBHOOK_RULES:
            yield Problem(f"{expected.name} has other rules than CREATE of pods: {_brief(entry.get('rules'))}")


def _brief(rules: Any) -> str:
    if not rules:
        return "none"
    return "; ".join(f"{'/'.join(rule.get('operations', []))} {'/'.join(rule.get('resources', []))}" for rule in rules)


def check_namespace_selectors(snapshot: Snapshot) -> Iterator[Problem]:
    for expected, entry in _expected_and_installed(snapshot):
        selector = entry.get("namespaceSelector")
        for value in (None, *(other.value for other in ENTRIES)):
            labels = {_NAME_LABEL: "some-namespace"} | ({INJECT: value} if value else {})
            wanted = value == expected.value
            if selects(selector, labels) is wanted or (wanted and _has_own_requirements(selector)):
                continue
            # One tells enough; those that follow follow from it.
            what = f"labelled {INJECT}={value}" if value else f"without the label {INJECT}"
            yield Problem(f"{expected.name} {'does not ask' if wanted else 'asks'} about namespaces {what}")
            break


def _has_own_requirements(selector: JsonObject | None) -> bool:
    """Whether an operator wants more of namespaces than ours: what that leaves out is meant to be left out."""
    keys = {one["key"]: one for one in (selector or {}).get("matchExpressions") or []}
    return INJECT in keys and not keys.keys() <= {INJECT, _NAME_LABEL}


def check_exempt_namespaces(snapshot: Snapshot) -> Iterator[Problem]:
    system = release_namespace(snapshot.configuration)
    for expected, entry in _expected_and_installed(snapshot):
        exempt = sorted(EXEMPT_NAMESPACES | ({system} if system else set()))
        labels = ({_NAME_LABEL: name, INJECT: expected.value} for name in exempt)
        asked = [one[_NAME_LABEL] for one in labels if selects(entry.get("namespaceSelector"), one)]
        if asked:
            yield Problem(f"{expected.name} does not exempt {', '.join(asked)}")


def check_match_conditions(snapshot: Snapshot) -> Iterator[Problem]:
    for expected, entry in _expected_and_installed(snapshot):
        found = {one["name"]: one["expression"] for one in entry.get("matchConditions") or []}
        for name, expression in expected.conditions.items():
            if name not in found:
                yield Problem(f"{expected.name} lacks the match condition {name}")
            elif not is_same_expression(found[name], expression):
                yield Problem(f"{expected.name} has another expression for the match condition {name}")


def check_contract(snapshot: Snapshot) -> Iterator[Problem]:
    for expected, entry in _expected_and_installed(snapshot):
        for member, wanted in CONTRACT.items():
            if entry.get(member) != wanted:
                yield Problem(f"{expected.name} has {member} {_shown(entry.get(member))} instead of {_shown(wanted)}")


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def check_failure_policy(snapshot: Snapshot) -> Iterator[Problem]:
    """With Fail the API server sees to it; with Ignore a policy may, that looks at what became of pods."""
    open_ = [
        expected.name for expected, entry in _expected_and_installed(snapshot) if entry.get("failurePolicy") != "Fail"
    ]
    if open_ and not _has_bound_policy(snapshot):
        yield Problem(f"failurePolicy is Ignore for {', '.join(open_)}, and no policy looks at what became of pods")


def _has_bound_policy(snapshot: Snapshot) -> bool:
    ours = {name_of(policy) for policy in snapshot.policies if is_part_of_chart(policy)}
    return any(binding["spec"].get("policyName") in ours for binding in snapshot.bindings)


def check_policy_binding(snapshot: Snapshot) -> Iterator[Problem]:
    bound = {binding["spec"].get("policyName") for binding in snapshot.bindings}
    for policy in snapshot.policies:
        if is_part_of_chart(policy) and name_of(policy) not in bound:
            yield Problem(f"no ValidatingAdmissionPolicyBinding names {name_of(policy)}")
    there = set(map(name_of, snapshot.policies))
    for binding in snapshot.bindings:
        policy_name = binding["spec"].get("policyName")
        if is_part_of_chart(binding) and policy_name not in there:
            yield Problem(f"there is no ValidatingAdmissionPolicy {policy_name} for binding {name_of(binding)}")


def check_reinvocation(snapshot: Snapshot) -> Iterator[Problem]:
    for expected, entry in _expected_and_installed(snapshot):
        if entry.get("reinvocationPolicy") != "IfNeeded":
            yield Problem(f"{expected.name} has reinvocationPolicy {entry.get('reinvocationPolicy')}")


def check_timeout(snapshot: Snapshot) -> Iterator[Problem]:
    for expected, entry in _expected_and_installed(snapshot):
        seconds = entry.get("timeoutSeconds", 10)
        if not SHORTEST_TIMEOUT_SECONDS <= seconds <= LONGEST_TIMEOUT_SECONDS:
            yield Problem(f"{expected.name} may take {seconds} s")


def check_round_0(snapshot: Snapshot) -> Iterator[Problem]:
    """Find those who annotate pods when ours had its turn; the API server never calls it for the first time then."""
    own = name_of(snapshot.configuration or {})
    for configuration in snapshot.configurations:
        if entries_of(configuration) or name_of(configuration) < own:
            continue
        if INJECT in str(configuration["metadata"].get("annotations")) or _may_annotate_pods(configuration):
            yield Problem(
                f"{name_of(configuration)} comes later in the order of names, and may annotate pods: "
                "the webhook is not called for what is annotated after its turn",
                {"later": name_of(configuration)},
            )


def _may_annotate_pods(configuration: JsonObject) -> bool:
    # Policy engines, whose policies can set annotations; other injectors set only their own.
    engines = ("kyverno", "gatekeeper", "kubewarden", "jspolicy")
    return any(engine in name_of(configuration) for engine in engines) and any(
        "pods" in rule.get("resources", []) or "*" in rule.get("resources", []) or "*/*" in rule.get("resources", [])
        for webhook in configuration.get("webhooks") or []
        for rule in webhook.get("rules") or []
    )


_INSTALL = "install the chart: `helm install dind-webhook CHART --namespace docker-system --create-namespace`"

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
        statement="The webhook is installed",
        fatal=True,
        hint="{mend}",
        requires=("configurations",),
        find_problems=check_installed,
    ),
    Check(
        name="one-installation",
        category=Category.CONFIGURATION,
        statement="Each namespace is that of one installation",
        hint="remove one of them: `helm list --all-namespaces`, then `helm uninstall`; or keep their namespaces apart "
        "with the chart's webhook.namespaceSelector",
        requires=("configurations", "namespaces"),
        after=("installed",),
        find_problems=check_one_installation,
    ),
    Check(
        name="entries",
        category=Category.CONFIGURATION,
        statement="Each value of the namespace's label has its webhook",
        fatal=True,
        hint=REINSTALL,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_entries,
    ),
    Check(
        name="paths",
        category=Category.CONFIGURATION,
        statement="Each webhook calls its own path of the one server",
        fatal=True,
        hint=REINSTALL,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_paths,
    ),
    Check(
        name="rules",
        category=Category.CONFIGURATION,
        statement="They are called when pods are created, and only then",
        fatal=True,
        hint=REINSTALL,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_rules,
    ),
    Check(
        name="namespace-selectors",
        category=Category.CONFIGURATION,
        statement="They ask about the namespaces that have opted in, and no others",
        fatal=True,
        hint=REINSTALL,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_namespace_selectors,
    ),
    Check(
        name="exempt-namespaces",
        category=Category.CONFIGURATION,
        statement="Namespaces of the system are exempt",
        hint="set the chart's webhook.exemptNamespaces; " + REINSTALL,
        requires=("configurations",),
        after=("installed", "namespace-selectors"),
        find_problems=check_exempt_namespaces,
    ),
    Check(
        name="match-conditions",
        category=Category.CONFIGURATION,
        statement="Their match conditions are those of the chart",
        fatal=True,
        hint=REINSTALL,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_match_conditions,
    ),
    Check(
        name="contract",
        category=Category.CONFIGURATION,
        statement="The API server may call them for dry-runs, and for pods of any version",
        fatal=True,
        hint=REINSTALL,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_contract,
    ),
    Check(
        name="failure-policy",
        category=Category.CONFIGURATION,
        statement="No pod that asks for Docker gets by unseen",
        hint="set the chart's webhook.failurePolicy to Fail, or policy.enabled to true",
        requires=("configurations", "policies", "bindings"),
        after=("installed",),
        find_problems=check_failure_policy,
    ),
    Check(
        name="policy-binding",
        category=Category.CONFIGURATION,
        statement="The policy that looks at what became of pods is bound",
        hint=REINSTALL,
        requires=("policies", "bindings"),
        after=("installed",),
        find_problems=check_policy_binding,
    ),
    Check(
        name="reinvocation",
        category=Category.CONFIGURATION,
        statement="They are called again when another webhook adds a container",
        hint="set the chart's webhook.reinvocationPolicy to IfNeeded; without it, containers added later "
        "have no Docker",
        requires=("configurations",),
        after=("installed",),
        find_problems=check_reinvocation,
    ),
    Check(
        name="timeout",
        category=Category.CONFIGURATION,
        statement=f"They are given {SHORTEST_TIMEOUT_SECONDS} to {LONGEST_TIMEOUT_SECONDS} s",
        hint="set the chart's webhook.timeoutSeconds to 5: an answer takes milliseconds, a new connection to a busy "
        "node more, and pods wait that long for none",
        requires=("configurations",),
        after=("installed",),
        find_problems=check_timeout,
    ),
    Check(
        name="round-0",
        category=Category.CONFIGURATION,
        statement="Nothing annotates pods after the webhook had its turn",
        hint="if its policies set dind.io/inject, set the chart's webhook.name to `zz-dind-webhook`, "
        "so that it comes last",
        requires=("configurations",),
        after=("installed",),
        find_problems=check_round_0,
    ),
)
