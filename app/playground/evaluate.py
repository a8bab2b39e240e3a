"""The question that the page asks, and its evaluation."""

from collections.abc import Mapping
from typing import Annotated

import jsonpatch
from pydantic import AfterValidator

from app import __version__
from app.injection import (
    INJECT,
    NAMESPACE_VALUES,
    OPTIONS,
    POD_VALUES,
    PREFIX,
    Decision,
    Mode,
    Option,
    Outcome,
    RuleState,
    decide_for_namespace,
    trace_rules,
)
from app.manifests import Manifest, Template
from app.model import MalformedPodError, Operation, prefix_paths
from app.playground.annotate import annotate
from app.playground.diff import Row, side_by_side
from app.playground.pod_diagram import PodDiagram, picture
from app.playground.schema import FrozenModel
from app.settings import InjectionSettings, make_policy, parse_settings


def _ours(annotations: Mapping[str, str]) -> Mapping[str, str]:
    for key in annotations:
        if not key.startswith(PREFIX):
            raise ValueError(f"{key} does not begin with {PREFIX}")
    return annotations


class Question(FrozenModel):
    """A manifest, the label of its namespace, annotations for its pods, and the operator's settings as YAML."""

    manifest: str
    namespace: str = "enabled"
    annotations: Annotated[Mapping[str, str], AfterValidator(_ours)] = {}
    settings: str = ""


class RuleFacts(FrozenModel):
    """A rule, and how the pod fared with it."""

    statement: str
    state: RuleState


class PodAnswer(FrozenModel):
    """What becomes of one pod, and why; `change` says how it comes to another decision.

    `patch` is for its object, as `inject --patch` prints it.
    """

    name: str
    outcome: Outcome
    mode: Mode | None
    reason: str
    meaning: str
    message: str
    change: str
    warnings: tuple[str, ...]
    rules: list[RuleFacts]
    patch: list[Operation]
    picture: PodDiagram | None


class FormOption(FrozenModel):
    """A row of the table of options, with the default and the permission that the operator gives it."""

    key: str
    accepts: str
    default: str
    example: str
    help: str
    modes: list[Mode]
    allowed: bool


class Evaluation(FrozenModel):
    """The manifest as asked for, and as injected; `rows` has both side by side."""

    asked: str
    injected: str
    rows: list[Row]
    pods: list[PodAnswer]
    options: list[FormOption]


class Form(FrozenModel):
    """What can be asked; `settings` is the text the operator's settings begin with."""

    version: str
    key: str
    namespace_values: tuple[str, ...]
    pod_values: tuple[str, ...]
    options: list[FormOption]
    settings: str


def form(settings: str, environ: Mapping[str, str]) -> Form:
    """Return what can be asked under these settings of an operator; SettingsError where they cannot be used."""
    return Form(
        version=__version__,
        key=INJECT,
        namespace_values=NAMESPACE_VALUES,
        pod_values=POD_VALUES,
        options=_options(_injection(settings, environ)),
        settings=settings,
    )


def evaluate(question: Question, environ: Mapping[str, str]) -> Evaluation:
    """Evaluate a question; ManifestError or SettingsError where the question has none."""
    settings = _injection(question.settings, environ)
    policy = make_policy(settings)
    asked = annotate(question.manifest, question.annotations, "manifest")
    manifest = Manifest(asked, "manifest")
    pods = []
    for template in manifest.templates():
        decision = decide_for_namespace(template.pod, question.namespace, policy)
        if decision.operations:
            manifest.inject(template, decision.operations)
        pods.append(_pod(template, decision))
    injected = manifest.text
    return Evaluation(
        asked=asked,
        injected=injected,
        rows=side_by_side(asked, injected),
        pods=pods,
        options=_options(settings),
    )


def _injection(settings: str, environ: Mapping[str, str]) -> InjectionSettings:
    return parse_settings(settings, "operator settings", environ).settings.injection


def _pod(template: Template, decision: Decision) -> PodAnswer:
    return PodAnswer(
        name=template.name,
        outcome=decision.outcome,
        mode=decision.mode,
        reason=decision.reason.slug,
        meaning=decision.reason.meaning,
        message=decision.message,
        change=decision.reason.remedy_in("NAME"),
        warnings=decision.warnings,
        rules=_rules(decision),
        patch=prefix_paths(template.pointer, decision.operations),
        picture=_picture(template, decision),
    )


def _rules(decision: Decision) -> list[RuleFacts]:
    return [RuleFacts(statement=rule.statement, state=state) for rule, state in trace_rules(decision)]


def _picture(template: Template, decision: Decision) -> PodDiagram | None:
    try:
        return picture(template.pod, jsonpatch.apply_patch(template.pod, decision.operations))
    except MalformedPodError:
        return None


def _options(settings: InjectionSettings) -> list[FormOption]:
    return [_option(option, settings) for option in OPTIONS]


def _option(option: Option, settings: InjectionSettings) -> FormOption:
    return FormOption(
        key=option.key,
        accepts=option.accepts,
        default=settings.defaults.get(option.name, option.default),
        example=option.example,
        help=option.help,
        modes=sorted(option.modes),
        allowed=option.name in settings.allowed_options,
    )
