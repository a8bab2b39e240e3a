"""The one place where commands print. Text of pods and clusters is escaped here before it reaches a terminal."""

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

import orjson
import typer

from dind_webhook.printable import printable, printable_json, printable_lines

if TYPE_CHECKING:  # imported late, to keep start-up fast
    from dind_webhook.injection import Decision

# Text, or text and its style: a colour of click or `bold`
Part: TypeAlias = str | tuple[str, str | None]


class CheckOutput(StrEnum):
    """The form in which results of checks are printed."""

    TABLE = "table"
    SHORT = "short"
    JSON = "json"


class ExplainOutput(StrEnum):
    """The form in which explanations are printed."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class InjectOutput(StrEnum):
    """The form in which injected objects are printed; `manifest` keeps the format of the input files."""

    JSON = "json"
    YAML = "yaml"
    MANIFEST = "manifest"
    PATCH = "patch"
    DIFF = "diff"


class ListOutput(StrEnum):
    """The form in which injected pods are listed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    NAME = "name"


class MigrateOutput(StrEnum):
    """The form in which the findings of a migration are printed."""

    TABLE = "table"
    JSON = "json"
    DIFF = "diff"


class ObjectsOutput(StrEnum):
    """The form in which objects for `kubectl apply` are printed."""

    YAML = "yaml"
    JSON = "json"


class SettingsOutput(StrEnum):
    """The form in which settings are printed."""

    TABLE = "table"
    JSON = "json"


class VersionOutput(StrEnum):
    """The form in which the version is printed."""

    TEXT = "text"
    SHORT = "short"
    JSON = "json"
    YAML = "yaml"


def print_line(*parts: Part, color: str = "never", file: TextIO | None = None) -> None:
    """Print the parts of one line, in colours if `color` is `always`, or `auto` and the output is a terminal.

    `file` is standard output unless given. See https://no-color.org for NO_COLOR.
    """
    file = file or sys.stdout
    is_color_terminal = file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    is_colored = color == "always" or (color == "auto" and is_color_terminal)
    print("".join(_render(part, is_colored=is_colored) for part in parts), file=file, flush=True)


def print_to_stderr(text: str, style: str, color: str) -> None:
    """Print a line to standard error in a colour, as `print_line` does."""
    print_line((text, style), color=color, file=sys.stderr)


def print_json(value: Any) -> None:
    """Print a value as JSON, indented."""
    print(printable_json(orjson.dumps(value, option=orjson.OPT_INDENT_2), indent=2).decode())


def print_objects(objects: list[Any], output: ObjectsOutput) -> None:
    """Print objects for `kubectl apply -f -`."""
    from dind_webhook.manifests import dump_documents  # late, to keep start-up fast

    if output is ObjectsOutput.JSON:
        print_json({"apiVersion": "v1", "kind": "List", "items": objects})
    else:
        print_exactly(dump_documents(objects))


def print_exactly(text: str) -> None:
    """Write text unchanged for another program. On a terminal, escape unprintable characters."""
    if sys.stdout.isatty():
        text = printable_lines(text)
    # As bytes: manifests are UTF-8 in every locale, and keep their line ends on every system.
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def describe(decision: "Decision") -> str:
    """Return the outcome, reason, mode, isolation and message of a decision as one line."""
    text = str(decision.outcome)
    if decision.outcome == "injected":
        isolation = f", isolation {decision.isolation}" if decision.isolation not in (None, "none") else ""
        return f"{text} ({decision.mode}{isolation})"
    text += f" ({decision.reason.slug})"
    # The warnings of a pod that is left alone have the message.
    return f"{text}: {decision.message if decision.outcome == 'denied' else decision.reason.meaning}"


def style_of(decision: "Decision") -> str:
    """Return the colour of a decision."""
    return {"injected": typer.colors.GREEN, "untouched": typer.colors.YELLOW, "denied": typer.colors.RED}[
        decision.outcome
    ]


def _render(part: Part, *, is_colored: bool) -> str:
    text, style = (part, None) if isinstance(part, str) else part
    text = printable(text)
    if not is_colored or not style:
        return text
    return typer.style(text, bold=True) if style == "bold" else typer.style(text, fg=style)
