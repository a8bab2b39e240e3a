"""Pods that the API server is asked for without making them: what all of admission, ours and others', does to them."""

import re
from collections.abc import Iterator

from app.diagnostics.check import REINSTALL, Category, Check, Problem
from app.diagnostics.checks.namespaces import allow_privileged
from app.diagnostics.explain import AdmissionInputs, left_out_by
from app.diagnostics.snapshot import DryRun, Snapshot, annotations_of, entries_of, name_of
from app.injection import INJECT, STALE_STATUS, STATUS, Mode, Policy, Reason, inject
from app.model import JsonObject

_INIT = "prepare"
_POD_SECURITY = "violates PodSecurity"
_CALL_FAILED = re.compile(r'failed calling webhook "([^"]+)"[^:]*: (?:failed to call webhook: )?(.*)', re.DOTALL)
_DENIED_BY_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request')
# Of quotas and limit ranges, by what the API server says of them
_LIMITS = {"exceeded quota: ": "quota", " usage per ": "limitrange"}
# Our policy says the first; the webhook, called again after another one changed the pod, the second.
_TAKEN_AWAY = ("has lost its restartPolicy", STALE_STATUS)
_NOT_INJECTED = re.compile(r"dind\.io/inject: the pod asks for \w+ and has no ")
_LONGEST = 400


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
            "initContainers": [{"name": _INIT, "image": image}],
            "containers": [{"name": "build", "image": image}],
        },
    }


def _place(run: DryRun) -> str:
    return f"namespace {run.namespace}, {run.mode}"


def _brief(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _called(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if failed := _CALL_FAILED.search(run.refusal):
            yield Problem(f"{_place(run)}: {failed[1]} cannot be called: {_brief(failed[2])}")


def _injected(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if _was_not_injected(run):
            why = _left_out_by(run, snapshot)
            mend = f"set the chart's webhook.objectSelector to {{}}, or {REINSTALL}" if why else _UNNOTICED
            sentence = f": {why}" if why else ", so the webhook was not called"
            yield Problem(f"{_place(run)}: the pod came back without Docker{sentence}", {"mend": mend})


def _was_not_injected(run: DryRun) -> bool:
    """Whether it came back as it was, or was refused for that by the policy that looks at what became of pods."""
    if run.pod is None:
        return _NOT_INJECTED.search(run.refusal) is not None
    return STATUS not in annotations_of(run.pod)


def _left_out_by(run: DryRun, snapshot: Snapshot) -> str | None:
    namespace = next((one for one in snapshot.namespaces if name_of(one) == run.namespace), None)
    if namespace is None:
        return None
    asked = AdmissionInputs(namespace, snapshot.configuration, snapshot.policy)
    return left_out_by(dry_run_pod(run.mode, snapshot.policy), asked)


def _kept(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        if _was_taken_away(run):
            yield Problem(f"{_place(run)}: {_brief(run.refusal)}", _others(snapshot))
        elif run.pod is not None and STATUS in annotations_of(run.pod):
            decision = inject(run.pod, None, snapshot.policy)
            if decision.reason is Reason.STALE_STATUS:
                yield Problem(f"{_place(run)}: the pod {decision.detail}", _others(snapshot))


def _was_taken_away(run: DryRun) -> bool:
    return any(text in run.refusal for text in _TAKEN_AWAY)


def _others(snapshot: Snapshot) -> dict[str, str]:
    names = [name_of(one) for one in snapshot.configurations if not entries_of(one) and _sees_pods(one)]
    return {"others": ", ".join(names) or "none is a webhook; look at MutatingAdmissionPolicies"}


def _sees_pods(configuration: JsonObject) -> bool:
    rules = [rule for webhook in configuration.get("webhooks") or [] for rule in webhook.get("rules") or []]
    return any({"pods", "*", "*/*"} & set(rule.get("resources", [])) for rule in rules)


def _in_order(snapshot: Snapshot) -> Iterator[Problem]:
    for run in snapshot.dry_runs:
        names = [one["name"] for one in (run.pod or {"spec": {}})["spec"].get("initContainers") or []]
        own = snapshot.policy.container_name if run.mode is Mode.SIDECAR else snapshot.policy.wait_container_name
        if own in names and _INIT in names and names.index(own) > names.index(_INIT):
            yield Problem(f"{_place(run)}: {own} comes after the pod's own init container", _others(snapshot))


def _not_refused(snapshot: Snapshot) -> Iterator[Problem]:
    own = entries_of(snapshot.configuration)
    for run in snapshot.dry_runs:
        refusal = run.refusal
        denied = _DENIED_BY_WEBHOOK.search(refusal)
        if not refusal or _CALL_FAILED.search(refusal) or _was_taken_away(run) or _was_not_injected(run):
            continue
        yield Problem(f"{_place(run)}: {_brief(refusal)}", _mend(run, denied is not None and denied[1] in own))


def _mend(run: DryRun, by_us: bool) -> dict[str, str]:
    if by_us:
        return {"mend": "see the settings in ConfigMap {server} of namespace {system}"}
    if _POD_SECURITY in run.refusal:
        return {"mend": allow_privileged(run.namespace)}
    limit = next((what for said, what in _LIMITS.items() if said in run.refusal), None)
    if limit:
        return {
            "mend": f"`kubectl -n {run.namespace} describe {limit}` shows the limit: have it raised, or give the "
            "daemon less with the chart's settings.injection.defaults"
        }
    return {"mend": f"have the policy that is named except namespace {run.namespace}"}


_NEEDS = ("dry_runs",)
_UNNOTICED = (
    "mend what failed above; with failurePolicy Ignore, a server that is away goes unnoticed: "
    "`kubectl -n {system} get pods`"
)

CHECKS: tuple[Check, ...] = (
    Check(
        "called",
        Category.DRY_RUN,
        "The API server reaches every webhook that has a say",
        True,
        "if it is ours, mend what failed above, and see that firewalls let the API server reach port 10250 of pods; "
        "if it is another's, that one is away",
        _NEEDS,
        _called,
        ("installed",),
    ),
    Check(
        "admitted",
        Category.DRY_RUN,
        "No policy, quota or other webhook refuses it",
        True,
        "{mend}",
        _NEEDS,
        _not_refused,
        ("installed", "called"),
    ),
    Check(
        "kept",
        Category.DRY_RUN,
        "Nobody takes away what was injected",
        True,
        "update or reconfigure the webhook or policy that does: {others}",
        ("configurations", "policy", *_NEEDS),
        _kept,
        ("installed", "called", "admitted"),
    ),
    Check(
        "injected",
        Category.DRY_RUN,
        "A pod that asks comes back with Docker",
        True,
        "{mend}",
        ("configurations", "namespaces", *_NEEDS),
        _injected,
        ("installed", "called", "admitted", "kept"),
    ),
    Check(
        "order",
        Category.DRY_RUN,
        "Docker starts before the pod's own init containers",
        False,
        "have the webhook or policy that moves init containers leave the order alone: {others}",
        ("configurations", "policy", *_NEEDS),
        _in_order,
        ("installed", "called", "admitted", "kept", "injected"),
    ),
)
