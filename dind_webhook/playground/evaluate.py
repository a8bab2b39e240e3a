"""Evaluates questions of the page with the code that the webhook runs."""

from collections.abc import Iterable, Mapping

import jsonpatch
from pydantic import ValidationError

from dind_webhook import __version__
from dind_webhook.errors import ManifestError, SettingsError
from dind_webhook.injection import (
    INJECT,
    NAMESPACE_VALUES,
    OPTIONS,
    POD_VALUES,
    Decision,
    Option,
    decide_for_namespace,
    trace_rules,
)
from dind_webhook.manifests import Manifest, ManifestPod
from dind_webhook.model import MalformedPodError, prefix_paths
from dind_webhook.playground.annotate import annotate
from dind_webhook.playground.diff import side_by_side
from dind_webhook.playground.pod_diagram import build_pod_diagram
from dind_webhook.playground.schema import (
    Evaluation,
    Form,
    InputPart,
    InputProblem,
    OptionField,
    PodDiagram,
    PodResult,
    Question,
    Refusal,
    RuleResult,
)
from dind_webhook.settings import InjectionSettings, make_policy, parse_settings


def answer_question(question: bytes | str, environ: Mapping[str, str]) -> Evaluation | Refusal:
    """Evaluate a question in JSON, or return what is wrong with it; `environ` may hold settings too."""
    try:
        return evaluate(Question.model_validate_json(question), environ)
    except ValidationError as error:
        return _refuse("question", map(_describe_error, error.errors()))
    except ManifestError as error:
        return _refuse("manifest", [str(error)], error.line)
    except SettingsError as error:
        return _refuse("settings", error.problems, error.line)


def _refuse(part: InputPart, texts: Iterable[str], line: int | None = None) -> Refusal:
    return Refusal(problems=[InputProblem(part=part, text=text, line=line) for text in texts])


def evaluate(question: Question, environ: Mapping[str, str]) -> Evaluation:
    """Evaluate a question; ManifestError or SettingsError if its texts cannot be used.

    The settings of a pod's namespace, which its manifest names, decide about the pod.
    """
    settings = _injection_settings(question.settings, environ)
    policy = make_policy(settings)
    annotated = annotate(question.manifest, question.annotations, "manifest")
    manifest = Manifest(annotated, "manifest")
    pods = []
    # The form shows the options as the namespace of the first pod has them.
    settings_shown: InjectionSettings | None = None
    for template in manifest.templates():
        own_policy = policy.for_namespace(template.namespace)
        decision = decide_for_namespace(template.pod, question.namespace, own_policy, claim_names=template.claim_names)
        if decision.operations:
            manifest.inject(template, decision.operations)
        pods.append(_pod_result(template, decision))
        settings_shown = settings_shown or settings.for_namespace(template.namespace)
    injected = manifest.text
    return Evaluation(
        annotated=annotated,
        injected=injected,
        rows=side_by_side(manifest.text_before, injected),
        pods=pods,
        options=_option_fields(settings_shown or settings),
    )


def build_form(settings: str, environ: Mapping[str, str]) -> Form:
    """Return the form under these settings of an operator; SettingsError if they cannot be used."""
    return Form(
        version=__version__,
        key=INJECT,
        namespace_values=NAMESPACE_VALUES,
        pod_values=POD_VALUES,
        options=_option_fields(_injection_settings(settings, environ)),
        settings=settings,
    )


def _injection_settings(settings: str, environ: Mapping[str, str]) -> InjectionSettings:
    return parse_settings(settings, "operator settings", environ).settings.injection


def _describe_error(details: Mapping[str, object]) -> str:
    location = details["loc"]
    member = ".".join(map(str, location)) if isinstance(location, tuple) else ""
    return f"{member or 'question'}: {details['msg']}"


def _pod_result(template: ManifestPod, decision: Decision) -> PodResult:
    return PodResult(
        name=template.name,
        outcome=decision.outcome,
        mode=decision.mode,
        isolation=decision.isolation,
        reason=decision.reason.slug,
        meaning=decision.reason.meaning,
        message=decision.message,
        remedy=decision.remedy_in("NAME"),
        warnings=decision.warnings,
        rules=[RuleResult(statement=rule.statement, state=state) for rule, state in trace_rules(decision)],
        patch=prefix_paths(template.pointer, decision.operations),
        pod_diagram=_pod_diagram(template, decision),
    )


def _pod_diagram(template: ManifestPod, decision: Decision) -> PodDiagram | None:
    try:
        return build_pod_diagram(template.pod, jsonpatch.apply_patch(template.pod, decision.operations))
    except MalformedPodError:
        return None


def _option_fields(settings: InjectionSettings) -> list[OptionField]:
    return [_option_field(option, settings) for option in OPTIONS]


def _option_field(option: Option, settings: InjectionSettings) -> OptionField:
    return OptionField(
        key=option.key,
        accepts=option.accepts,
        default=settings.defaults.get(option.name, option.default),
        example=option.example,
        help=option.help,
        modes=sorted(option.modes),
        allowed=option.name in settings.allowed_options,
    )
