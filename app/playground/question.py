"""A question as it comes from outside, answered or refused."""

from collections.abc import Mapping
from typing import Literal

from pydantic import ValidationError

from app.errors import ManifestError, SettingsError
from app.playground.evaluate import Answer, Question, answer
from app.playground.schema import Value


class Problem(Value):
    """Which part of a question cannot be used, and a sentence that says why."""

    part: Literal["question", "manifest", "settings"]
    text: str


class Refusal(Value):
    """A question that has no answer."""

    problems: list[Problem]


def ask(question: bytes | str, environ: Mapping[str, str]) -> Answer | Refusal:
    """Return the answer to a question in JSON, or what is wrong with it; `environ` has settings of an operator too."""
    try:
        return answer(Question.model_validate_json(question), environ)
    except ValidationError as error:
        return Refusal(problems=[Problem(part="question", text=_sentence(details)) for details in error.errors()])
    except ManifestError as error:
        return Refusal(problems=[Problem(part="manifest", text=str(error))])
    except SettingsError as error:
        return Refusal(problems=[Problem(part="settings", text=problem) for problem in error.problems])


def _sentence(details: Mapping[str, object]) -> str:
    place = details["loc"]
    where = ".".join(map(str, place)) if isinstance(place, tuple) else ""
    return f"{where or 'question'}: {details['msg']}"
