"""Namespaces that have opted in, or meant to."""

from collections.abc import Iterator

from app.diagnostics.check import Category, Check, Problem
from app.diagnostics.snapshot import Snapshot, has_opted_in, is_asked_about, labels_of, name_of
from app.injection import INJECT, NAMESPACE_VALUES
from app.model import JsonObject, nearest_word

ENFORCE = "pod-security.kubernetes.io/enforce"


def allow_privileged(namespace: str) -> str:
    """Return how a namespace comes to allow what injection adds."""
    command = f"kubectl label namespace {namespace} {ENFORCE}=privileged --overwrite"
    return f"if you trust its people with the nodes, `{command}`"


def _opted_in(snapshot: Snapshot) -> Iterator[Problem]:
    if not any(has_opted_in(one) and is_asked_about(snapshot.configuration, one) for one in snapshot.namespaces):
        of_one = len(snapshot.namespaces) == 1
        name = name_of(snapshot.namespaces[0]) if of_one else "NAMESPACE"
        yield Problem(
            f"namespace {name} has not opted in"
            if of_one
            else f"none of {len(snapshot.namespaces)} namespaces has opted in",
            {"namespace": name},
        )


def _values(snapshot: Snapshot) -> Iterator[Problem]:
    for one in snapshot.namespaces:
        value = labels_of(one).get(INJECT)
        if value is not None and value not in (*NAMESPACE_VALUES, "disabled"):
            guess = nearest_word(value, NAMESPACE_VALUES) or "enabled"
            yield Problem(
                f'namespace {name_of(one)} has {INJECT}="{value}", which counts as no label',
                {"namespace": name_of(one), "value": guess},
            )


def _not_exempt(snapshot: Snapshot) -> Iterator[Problem]:
    for one in snapshot.namespaces:
        if has_opted_in(one) and not is_asked_about(snapshot.configuration, one):
            yield Problem(
                f"namespace {name_of(one)} has the label, but the webhook's selectors leave it out",
                {"namespace": name_of(one)},
            )


def security_problem(namespace: JsonObject) -> str | None:
    """Return why Pod Security refuses injected pods in a namespace, None where its label does not say so."""
    level = labels_of(namespace).get(ENFORCE, "privileged")
    if level == "privileged":
        return None
    return f"namespace {name_of(namespace)} enforces {level}: neither privileged containers nor hostPath volumes"


def _pod_security(snapshot: Snapshot) -> Iterator[Problem]:
    for one in snapshot.namespaces:
        if has_opted_in(one) and (problem := security_problem(one)):
            yield Problem(problem, {"namespace": name_of(one)})


_NEEDS = ("namespaces",)

CHECKS: tuple[Check, ...] = (
    Check(
        "opted-in",
        Category.NAMESPACES,
        "A namespace has opted in",
        False,
        f"`kubectl label namespace {{namespace}} {INJECT}=enabled`",
        ("configurations", *_NEEDS),
        _opted_in,
        ("installed", "entries", "namespace-selectors"),
    ),
    Check(
        "label-values",
        Category.NAMESPACES,
        f"Labels {INJECT} have a value that counts: {', '.join(NAMESPACE_VALUES)}",
        False,
        f"`kubectl label namespace {{namespace}} {INJECT}={{value}} --overwrite`",
        _NEEDS,
        _values,
    ),
    Check(
        "not-exempt",
        Category.NAMESPACES,
        "Every namespace with the label is asked about",
        False,
        f"run those pods in another namespace, and `kubectl label namespace {{namespace}} {INJECT}-`",
        ("configurations", *_NEEDS),
        _not_exempt,
        ("installed", "entries", "namespace-selectors"),
    ),
    Check(
        "pod-security",
        Category.NAMESPACES,
        "Pod Security lets the daemon into every namespace that has opted in",
        True,
        allow_privileged("{namespace}"),
        _NEEDS,
        _pod_security,
    ),
)
