"""Dry-runs of pods: they show the effect of all webhooks and policies on a pod."""

import re
from collections.abc import Iterator

from dind_webhook.diagnostics.check import REINSTALL, Category, Check, Problem
from dind_webhook.diagnostics.checks.namespaces import pod_security_fix
from dind_webhook.diagnostics.dry_run_pod import INIT_CONTAINER, dry_run_pod
from dind_webhook.diagnostics.explain import AdmissionInputs, find_exclusion
from dind_webhook.diagnostics.snapshot import DryRun, Snapshot, annotations_of, calls_for_pods, name_of, webhooks_of
from dind_webhook.injection import STALE_STATUS, STATUS, Mode, Reason, inject, truncate

# The API server reports refusals as text only.
_CALL_FAILED = re.compile(r'failed calling webhook "([^"]+)"[^:]*: (?:failed to call webhook: )?(.*)', re.DOTALL)
_DENIED_BY_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request')
_POD_SECURITY = "violates PodSecurity"
# Parts of the API server's messages about quotas and limit ranges
_LIMIT_KINDS = {"exceeded quota: ": "quota", " usage per ": "limitrange"}
# The first text is of our admission policy, the second of our webhook when it is called again after another webhook.
_LOST_INJECTION = ("has lost its restartPolicy", STALE_STATUS)
_NOT_INJECTED = re.compile(r"dind\.io/inject: the pod asks for \w+(?: and has no |, but MutatingAdmissionPolicy )")
_MAX_REFUSAL_LENGTH = 400


def _location(run: DryRun) -> str:
    return f"namespace {run.namespace}, {run.mode}"


def _as_one_line(refusal: str) -> str:
    return truncate(" ".join(refusal.split()), _MAX_REFUSAL_LENGTH)


def check_called(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if match := _CALL_FAILED.search(run.refusal):
            yield Problem(f"{_location(run)}: the API server cannot call {match[1]}: {_as_one_line(match[2])}")


def check_injected(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if _lacks_docker(run):
            exclusion = _exclusion(run, snapshot)
            fix = f"set the chart's webhook.objectSelector to {{}}, or {REINSTALL}" if exclusion else _NOT_CALLED_FIX
            cause = (
                "no policy has injected it" if snapshot.has_only_policies else "the API server did not call the webhook"
            )
            sentence = f": {exclusion}" if exclusion else f", so {cause}"
            yield Problem(f"{_location(run)}: the pod came back without Docker{sentence}", {"fix": fix})


def _lacks_docker(run: DryRun) -> bool:
    """Return whether the pod came back without Docker, or our policy refused the pod because of that."""
    if run.pod is None:
        return _NOT_INJECTED.search(run.refusal) is not None
    return STATUS not in annotations_of(run.pod)


def _exclusion(run: DryRun, snapshot: Snapshot) -> str | None:
    namespace = next((each for each in snapshot.namespaces if name_of(each) == run.namespace), None)
    if namespace is None:
        return None
    inputs = AdmissionInputs(namespace, snapshot.configuration, snapshot.injection_policy, snapshot.injecting_policies)
    return find_exclusion(dry_run_pod(run.mode, inputs.policy.for_namespace(run.namespace)), inputs)


def check_kept(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if _lost_injection(run):
            yield Problem(f"{_location(run)}: {_as_one_line(run.refusal)}", _other_webhooks(snapshot))
        elif run.pod is not None and STATUS in annotations_of(run.pod):
            decision = inject(run.pod, None, snapshot.injection_policy.for_namespace(run.namespace))
            if decision.reason is Reason.STALE_STATUS:
                yield Problem(f"{_location(run)}: the pod {decision.detail}", _other_webhooks(snapshot))


def _lost_injection(run: DryRun) -> bool:
    return any(text in run.refusal for text in _LOST_INJECTION)


def _other_webhooks(snapshot: Snapshot) -> dict[str, str]:
    names = [
        name_of(configuration)
        for configuration in snapshot.configurations
        if not webhooks_of(configuration) and calls_for_pods(configuration)
    ]
    return {"others": ", ".join(names) or "no other webhook is called for pods; see MutatingAdmissionPolicies"}


def check_order(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        names = [container["name"] for container in (run.pod or {"spec": {}})["spec"].get("initContainers") or []]
        own_container = (
            snapshot.injection_policy.container_name
            if run.mode is Mode.SIDECAR
            else snapshot.injection_policy.wait_container_name
        )
        if (
            own_container in names
            and INIT_CONTAINER in names
            and names.index(own_container) > names.index(INIT_CONTAINER)
        ):
            yield Problem(
                f"{_location(run)}: {own_container} starts after the pod's own init container",
                _other_webhooks(snapshot),
            )


def check_admitted(snapshot: Snapshot) -> Iterator[Problem]:
    own_webhooks = webhooks_of(snapshot.configuration)
    for run in snapshot.dry_runs:
        refusal = run.refusal
        denial = _DENIED_BY_WEBHOOK.search(refusal)
        if not refusal or _CALL_FAILED.search(refusal) or _lost_injection(run) or _lacks_docker(run):
            continue
        yield Problem(
            f"{_location(run)}: {_as_one_line(refusal)}",
            _refusal_fix(run, is_own_denial=denial is not None and denial[1] in own_webhooks),
        )


def _refusal_fix(run: DryRun, *, is_own_denial: bool) -> dict[str, str]:
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
    return {"fix": f"exclude namespace {run.namespace} from that policy or webhook"}


_NOT_CALLED_FIX = (
    "fix the failed checks above; with failurePolicy Ignore, the API server ignores a server that is down: see "
    "`kubectl -n {system} get pods`"
)

CHECKS: tuple[Check, ...] = (
    Check(
        name="called",
        category=Category.DRY_RUN,
        statement="The API server can call every webhook for the pod",
        fatal=True,
        hint="our webhook: fix the failed checks above, and let the API server reach port 10250 of pods through "
        "firewalls; any other webhook: its server is down",
        requires=("dry_runs",),
        after=("installed",),
        find_problems=check_called,
    ),
    Check(
        name="admitted",
        category=Category.DRY_RUN,
        statement="No policy, quota or other webhook refuses the pod",
        fatal=True,
        hint="{fix}",
        requires=("dry_runs",),
        after=("installed", "called"),
        find_problems=check_admitted,
    ),
    Check(
        name="kept",
        category=Category.DRY_RUN,
        statement="No other webhook or policy removes what was injected",
        fatal=True,
        hint="update or reconfigure the webhook or policy that removes it: {others}",
        requires=("configurations", "injection_policy", "dry_runs"),
        after=("installed", "called", "admitted"),
        find_problems=check_kept,
    ),
    Check(
        name="injected",
        category=Category.DRY_RUN,
        statement="A pod that asks for Docker comes back with it",
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
        hint="reconfigure the webhook or policy that moves init containers: {others}",
        requires=("configurations", "injection_policy", "dry_runs"),
        after=("installed", "called", "admitted", "kept", "injected"),
        find_problems=check_order,
    ),
)
