"""Pods that the API server is asked for without making them: what all of admission, ours and others', does to them."""

import re
from collections.abc import Iterator

from app.diagnostics.check import REINSTALL, Category, Check, Problem
from app.diagnostics.checks.namespaces import pod_security_fix
from app.diagnostics.explain import AdmissionInputs, find_exclusion
from app.diagnostics.snapshot import DryRun, Snapshot, annotations_of, calls_for_pods, entries_of, name_of
from app.injection import INJECT, STALE_STATUS, STATUS, Mode, Policy, Reason, inject
from app.model import JsonObject

_INIT_CONTAINER = "prepare"
_POD_SECURITY = "violates PodSecurity"
_CALL_FAILED = re.compile(r'failed calling webhook "([^"]+)"[^:]*: (?:failed to call webhook: )?(.*)', re.DOTALL)
_DENIED_BY_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request')
# Of quotas and limit ranges, by what the API server says of them
_LIMIT_KINDS = {"exceeded quota: ": "quota", " usage per ": "limitrange"}
# Our policy says the first; the webhook, called again after another one changed the pod, the second.
_LOST_INJECTION = ("has lost its restartPolicy", STALE_STATUS)
_NOT_INJECTED = re.compile(r"dind\.io/inject: the pod asks for \w+ and has no ")
_LONGEST_REFUSAL = 400


def dry_run_pod(mode: Mode, policy: Policy) -> JsonObject:
    """Return a pod that asks for Docker, with an init container so that the order can be seen."""
    # No other image is needed in the cluster, where a policy looks at images.
    image = policy.defaults.image
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "dind-webhook-check-", "annotations": {INJECT: mode.value}},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "initContainers": [{"name": _INIT_CONTAINER, "image": image}],
            "containers": [{"name": "build", "image": image}],
        },
    }


def _location(run: DryRun) -> str:
    return f"namespace {run.namespace}, {run.mode}"


def _abbreviate(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_REFUSAL else text[: _LONGEST_REFUSAL - 1] + "…"


def check_called(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if match := _CALL_FAILED.search(run.refusal):
            yield Problem(f"{_location(run)}: {match[1]} cannot be called: {_abbreviate(match[2])}")


def check_injected(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if _lacks_docker(run):
            exclusion = _exclusion(run, snapshot)
            fix = f"set the chart's webhook.objectSelector to {{}}, or {REINSTALL}" if exclusion else _NOT_CALLED_FIX
            sentence = f": {exclusion}" if exclusion else ", so the webhook was not called"
            yield Problem(f"{_location(run)}: the pod came back without Docker{sentence}", {"fix": fix})


def _lacks_docker(run: DryRun) -> bool:
    """Whether it came back as it was, or was refused for that by the policy that looks at what became of pods."""
    if run.pod is None:
        return _NOT_INJECTED.search(run.refusal) is not None
    return STATUS not in annotations_of(run.pod)


def _exclusion(run: DryRun, snapshot: Snapshot) -> str | None:
    namespace = next((each for each in snapshot.namespaces if name_of(each) == run.namespace), None)
    if namespace is None:
        return None
    inputs = AdmissionInputs(namespace, snapshot.configuration, snapshot.policy)
    return find_exclusion(dry_run_pod(run.mode, snapshot.policy), inputs)


def check_kept(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if _lost_injection(run):
            yield Problem(f"{_location(run)}: {_abbreviate(run.refusal)}", _other_webhooks(snapshot))
        elif run.pod is not None and STATUS in annotations_of(run.pod):
            decision = inject(run.pod, None, snapshot.policy)
            if decision.reason is Reason.STALE_STATUS:
                yield Problem(f"{_location(run)}: the pod {decision.detail}", _other_webhooks(snapshot))


def _lost_injection(run: DryRun) -> bool:
    return any(text in run.refusal for text in _LOST_INJECTION)


def _other_webhooks(snapshot: Snapshot) -> dict[str, str]:
    names = [
        name_of(configuration)
        for configuration in snapshot.configurations
        if not entries_of(configuration) and calls_for_pods(configuration)
    ]
    return {"others": ", ".join(names) or "none is a webhook; look at MutatingAdmissionPolicies"}


def check_order(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        names = [container["name"] for container in (run.pod or {"spec": {}})["spec"].get("initContainers") or []]
        own_container = (
            snapshot.policy.container_name if run.mode is Mode.SIDECAR else snapshot.policy.wait_container_name
        )
        if (
            own_container in names
            and _INIT_CONTAINER in names
            and names.index(own_container) > names.index(_INIT_CONTAINER)
        ):
            yield Problem(
                f"{_location(run)}: {own_container} comes after the pod's own init container", _other_webhooks(snapshot)
            )


def check_admitted(snapshot: Snapshot) -> Iterator[Problem]:
    own_webhooks = entries_of(snapshot.configuration)
    for run in snapshot.dry_runs:
        refusal = run.refusal
        denial = _DENIED_BY_WEBHOOK.search(refusal)
        if not refusal or _CALL_FAILED.search(refusal) or _lost_injection(run) or _lacks_docker(run):
            continue
        yield Problem(
            f"{_location(run)}: {_abbreviate(refusal)}",
            _refusal_fix(run, denial is not None and denial[1] in own_webhooks),
        )


def _refusal_fix(run: DryRun, is_own_denial: bool) -> dict[str, str]:
    if is_own_denial:
        return {"fix": "see the settings in ConfigMap {server} of namespace {system}"}
    if _POD_SECURITY in run.refusal:
        return {"fix": pod_security_fix(run.namespace)}
    limit = next((kind for text, kind in _LIMIT_KINDS.items() if text in run.refusal), None)
    if limit:
        return {
            "fix": f"`kubectl -n {run.namespace} describe {limit}` shows the limit: have it raised, or give the "
            "daemon less with the chart's settings.injection.defaults"
        }
    return {"fix": f"have the policy that is named except namespace {run.namespace}"}


_NOT_CALLED_FIX = (
    "mend what failed above; with failurePolicy Ignore, a server that is away goes unnoticed: "
    "`kubectl -n {system} get pods`"
)

CHECKS: tuple[Check, ...] = (
    Check(
        name="called",
        category=Category.DRY_RUN,
        statement="The API server reaches every webhook that has a say",
        fatal=True,
        hint="if it is ours, mend what failed above, and see that firewalls let the API server reach port 10250 of "
        "pods; if it is another's, that one is away",
        requires=("dry_runs",),
        after=("installed",),
        find_problems=check_called,
    ),
    Check(
        name="admitted",
        category=Category.DRY_RUN,
        statement="No policy, quota or other webhook refuses it",
        fatal=True,
        hint="{fix}",
        requires=("dry_runs",),
        after=("installed", "called"),
        find_problems=check_admitted,
    ),
    Check(
        name="kept",
        category=Category.DRY_RUN,
        statement="Nobody takes away what was injected",
        fatal=True,
        hint="update or reconfigure the webhook or policy that does: {others}",
        requires=("configurations", "policy", "dry_runs"),
        after=("installed", "called", "admitted"),
        find_problems=check_kept,
    ),
    Check(
        name="injected",
        category=Category.DRY_RUN,
        statement="A pod that asks comes back with Docker",
        fatal=True,
        hint="{fix}",
        requires=("configurations", "namespaces", "dry_runs"),
        after=("installed", "called", "admitted", "kept"),
        find_problems=check_injected,
    ),
    Check(
        name="order",
        category=Category.DRY_RUN,
        statement="Docker starts before the pod's own init containers",
        hint="have the webhook or policy that moves init containers leave the order alone: {others}",
        requires=("configurations", "policy", "dry_runs"),
        after=("installed", "called", "admitted", "kept", "injected"),
        find_problems=check_order,
    ),
)
