"""Namespaces that have opted in, or were meant to."""

from collections.abc import Iterator

from dind_webhook.diagnostics.check import Category, Check, Problem
from dind_webhook.diagnostics.snapshot import Snapshot, has_opted_in, is_injected_in, is_selected, labels_of, name_of
from dind_webhook.injection import DISABLED, INJECT, NAMESPACE_VALUES, Reason
from dind_webhook.model import JsonObject, nearest_word

ENFORCE = "pod-security.kubernetes.io/enforce"


def pod_security_fix(namespace: str) -> str:
    """Return the fix for a namespace whose Pod Security level refuses injected pods."""
    command = f"kubectl label namespace {namespace} {ENFORCE}=privileged --overwrite"
    return f"`{command}`, if its users may have root on the nodes"


def check_opted_in(snapshot: Snapshot) -> Iterator[Problem]:
    if not any(
        has_opted_in(namespace) and is_injected_in(snapshot.configuration, snapshot.injecting_policies, namespace)
        for namespace in snapshot.namespaces
    ):
        is_single = len(snapshot.namespaces) == 1
        name = name_of(snapshot.namespaces[0]) if is_single else "NAMESPACE"
        yield Problem(
            f"namespace {name} has not opted in"
            if is_single
            else f"none of {len(snapshot.namespaces)} namespaces has opted in",
            {"namespace": name},
        )


def check_label_values(snapshot: Snapshot) -> Iterator[Problem]:
    for namespace in snapshot.namespaces:
        value = labels_of(namespace).get(INJECT)
        if value is not None and value not in (*NAMESPACE_VALUES, DISABLED):
            guess = nearest_word(value, NAMESPACE_VALUES) or "enabled"
            yield Problem(
                f'namespace {name_of(namespace)} has {INJECT}="{value}", which is not an accepted value',
                {"namespace": name_of(namespace), "value": guess},
            )


def check_not_exempt(snapshot: Snapshot) -> Iterator[Problem]:
    for namespace in snapshot.namespaces:
        # Another installation may serve the namespace.
        is_served = any(is_selected(each, namespace) for each in snapshot.configurations)
        if has_opted_in(namespace) and not (is_served or is_injected_in(None, snapshot.injecting_policies, namespace)):
            yield Problem(
                f"namespace {name_of(namespace)} has the label, but no webhook and no policy that injects selects it",
                {"namespace": name_of(namespace)},
            )


def pod_security_problem(namespace: JsonObject) -> str | None:
    """Return why Pod Security refuses injected pods in a namespace, or None if its label allows them."""
    level = labels_of(namespace).get(ENFORCE, "privileged")
    if level == "privileged":
        return None
    name = name_of(namespace)
    return f"namespace {name} enforces Pod Security level {level}: no privileged containers, no hostPath volumes"


def check_pod_security(snapshot: Snapshot) -> Iterator[Problem]:
    for namespace in snapshot.namespaces:
        if has_opted_in(namespace) and (problem := pod_security_problem(namespace)):
            yield Problem(problem, {"namespace": name_of(namespace)})


CHECKS: tuple[Check, ...] = (
    Check(
        name="opted-in",
        category=Category.NAMESPACES,
        statement="A namespace has opted in",
        hint=f"`{Reason.NAMESPACE_NOT_OPTED_IN.remedy}`",
        requires=("configurations", "namespaces"),
        after=("installed", "entries"),
        find_problems=check_opted_in,
    ),
    Check(
        name="label-values",
        category=Category.NAMESPACES,
        statement=f"Labels {INJECT} have an accepted value: {', '.join(NAMESPACE_VALUES)}",
        hint=f"`kubectl label namespace {{namespace}} {INJECT}={{value}} --overwrite`",
        requires=("namespaces",),
        find_problems=check_label_values,
    ),
    Check(
        name="not-exempt",
        category=Category.NAMESPACES,
        statement="A webhook or policies inject the pods of every namespace with the label",
        hint="set the labels that the chart's webhook.namespaceSelector requires; or, if this namespace must not be "
        f"injected, move those pods to another namespace, and `kubectl label namespace {{namespace}} {INJECT}-`",
        requires=("configurations", "namespaces"),
        after=("installed", "entries"),
        find_problems=check_not_exempt,
    ),
    Check(
        name="pod-security",
        category=Category.NAMESPACES,
        statement="Pod Security allows the daemon in every namespace that has opted in",
        fatal=True,
        hint=pod_security_fix("{namespace}"),
        requires=("namespaces",),
        find_problems=check_pod_security,
    ),
)
