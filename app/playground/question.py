"""A question as it comes from outside, answered or refused."""

from collections.abc import Mapping
from typing import Literal

from pydantic import ValidationError

from app.errors import ManifestError, SettingsError
from app.playground.evaluate import Evaluation, Question, evaluate
from app.playground.schema import FrozenModel


class InputProblem(FrozenModel):
    """Which part of a question cannot be used, and a sentence that says why."""

    part: Literal["question", "manifest", "settings"]
    text: str


class Refusal(FrozenModel):
    """A question that cannot be evaluated."""

    problems: list[InputProblem]


def answer_question(question: bytes | str, environ: Mapping[str, str]) -> Evaluation | Refusal:
    """Evaluate a question in JSON, or return what is wrong with it; `environ` may hold settings too."""
    try:
        return evaluate(Question.model_validate_json(question), environ)
    except ValidationError as error:
        return Refusal(problems=[InputProblem(part="question", text=_sentence(details)) for details in error.errors()])
    except ManifestError as error:
        return Refusal(problems=[InputProblem(part="manifest", text=str(error))])
    except SettingsError as error:
        return Refusal(problems=[InputProblem(part="settings", text=problem) for problem in error.problems])


def _sentence(details: Mapping[str, object]) -> str:
    place = details["loc"]
    where = ".".join(map(str, place)) if isinstance(place, tuple) else ""
    return f"{where or 'question'}: {details['msg']}"
