"""The JSON that the page sends and receives, as pydantic models."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict

from dind_webhook.injection import PREFIX, Isolation, Mode, Outcome, RuleState
from dind_webhook.model import Operation


class FrozenModel(BaseModel):
    """A frozen value with exactly these members."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _check_prefix(annotations: Mapping[str, str]) -> Mapping[str, str]:
    for key in annotations:
        if not key.startswith(PREFIX):
            raise ValueError(f"{key} does not begin with {PREFIX}")
    return annotations


class Question(FrozenModel):
    """A manifest, the label of its namespace, annotations for its pods, and the operator's settings as YAML."""

    manifest: str
    namespace: str = "enabled"
    annotations: Annotated[Mapping[str, str], AfterValidator(_check_prefix)] = {}
    settings: str = ""


InputPart: TypeAlias = Literal["question", "manifest", "settings"]


class InputProblem(FrozenModel):
    """A part of a question that cannot be used, a sentence that says why, and the line in that part if it is known."""

    part: InputPart
    text: str
    line: int | None = None


class Refusal(FrozenModel):
    """The answer to a question that cannot be evaluated."""

    problems: list[InputProblem]


class DiffLine(FrozenModel):
    """A line of a text and its number, from 1."""

    number: int
    text: str


class DiffRow(FrozenModel):
    """A line before and after, None on the side that has no such line."""

    before: DiffLine | None
    after: DiffLine | None
    same: bool


class Role(StrEnum):
    """When a container runs."""

    INIT = "init container"
    SIDECAR = "native sidecar"
    CONTAINER = "container"


class DiagramMount(FrozenModel):
    """A volume at a path of a container."""

    volume: str
    path: str
    sub_path: str
    read_only: bool
    added: bool


class DiagramVariable(FrozenModel):
    """An environment variable that was added."""

    name: str
    value: str


class DiagramContainer(FrozenModel):
    """A container with its mounts and the variables that were added."""

    name: str
    image: str
    role: Role
    privileged: bool
    added: bool
    mounts: list[DiagramMount]
    variables: list[DiagramVariable]


class DiagramVolume(FrozenModel):
    """A volume: its kind, such as `emptyDir`, and the texts of its source."""

    name: str
    kind: str
    details: str
    added: bool


class PodDiagram(FrozenModel):
    """A pod; its containers are in the order in which they start."""

    containers: list[DiagramContainer]
    volumes: list[DiagramVolume]


class RuleResult(FrozenModel):
    """A rule, and whether the pod passed it."""

    statement: str
    state: RuleState


class PodResult(FrozenModel):
    """The decision on a pod; `remedy` says how to get another one.

    `patch` is for the pod's object, as `inject --patch` prints it.
    """

    name: str
    outcome: Outcome
    mode: Mode | None
    isolation: Isolation | None
    reason: str
    meaning: str
    message: str
    remedy: str
    warnings: tuple[str, ...]
    rules: list[RuleResult]
    patch: list[Operation]
    pod_diagram: PodDiagram | None


class OptionField(FrozenModel):
    """An option, with the default and the permission that the operator gives it."""

    key: str
    accepts: str
    default: str
    example: str
    help: str
    modes: list[Mode]
    allowed: bool


class Evaluation(FrozenModel):
    """The manifest with the annotations of the question, and after injection; `rows` differ in the additions only."""

    annotated: str
    injected: str
    rows: list[DiffRow]
    pods: list[PodResult]
    options: list[OptionField]


class Form(FrozenModel):
    """The values that a question can have; `settings` is the text that the operator's settings begin with."""

    version: str
    key: str
    namespace_values: tuple[str, ...]
    pod_values: tuple[str, ...]
    options: list[OptionField]
    settings: str
