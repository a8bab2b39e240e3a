"""The flags that several commands share, and the layout of the help."""

import inspect
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from dind_webhook.model import is_dns_label, is_dns_subdomain

_Format = TypeVar("_Format", bound=StrEnum)


class Color(StrEnum):
    """When to print in colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class _ReadableHelp:
    """Help without the types of arguments and of flags without a value, and without line ends inside paragraphs."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        text = inspect.cleandoc(options.get("help") or "")
        options["help"] = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
        super().__init__(*arguments, **options)

    def get_params(self, ctx: Any) -> Any:
        parameters = super().get_params(ctx)  # type: ignore[misc]  # of the class beside this one
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
            if parameter.param_type_name == "argument":
                # The name of an argument, such as TYPE/NAME, already says what it is.
                parameter.display_type_rich = lambda **_: None
        return parameters


class Command(_ReadableHelp, TyperCommand):
    """A command."""


class Group(_ReadableHelp, TyperGroup):
    """The program itself."""


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Return the function that completes these words."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def output_flag(*words: str, default: str = "") -> Any:
    """Return the flag that chooses the format of the output; `default` says which it is without the flag."""
    text = f"Output format: {', '.join(words[:-1])} or {words[-1]}{default}."
    return typer.Option("--output", "-o", help=text, metavar="FORMAT", autocompletion=one_of(*words))


def parse_output(value: str, format_: type[_Format], *words: str) -> _Format:
    """Return the format that an output flag names; raise BadParameter if it is not accepted. `words` default to all."""
    accepted = words or tuple(format_)
    if value not in accepted:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(accepted)}", param_hint="--output")
    return format_(value)


def check_namespace(name: str | None) -> str | None:
    """Return the name of a namespace; raise BadParameter if no namespace can have it."""
    if name and not is_dns_label(name):
        raise typer.BadParameter(f"{name!r} is not a valid name of a namespace: use lower-case letters, digits and -")
    return name


def check_name(name: str | None) -> str | None:
    """Return the beginning of the names of objects; raise BadParameter if no object can have it."""
    if name is not None and not is_dns_label(name):
        raise typer.BadParameter(f"{name!r} is not a valid name: use lower-case letters, digits and -")
    return name


def check_class(name: str) -> str:
    """Return the name of a class of volumes or snapshots, or an empty text; raise BadParameter if none can have it."""
    if name and not is_dns_subdomain(name):
        raise typer.BadParameter(f"{name!r} is not a valid name: use lower-case letters, digits, - and .")
    return name


def _parse_color(value: str) -> Color:
    try:
        return Color(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(Color)}") from None


ConfigFlag = Annotated[
    Path | None,
    typer.Option("--config", envvar="DIND_WEBHOOK_CONFIG", help="YAML file with operator settings.", metavar="FILE"),
]
_FILE = typer.Option(
    "--filename",
    "-f",
    help="Manifest, or a directory of manifests; - reads standard input. May be repeated.",
    metavar="FILE",
)
FileFlag = Annotated[list[str], _FILE]
OptionalFileFlag = Annotated[list[str] | None, _FILE]
RecursiveFlag = Annotated[
    bool, typer.Option("--recursive", "-R", help="Read the subdirectories of --filename directories too.")
]
StrictFlag = Annotated[bool, typer.Option("--strict", help="Exit with 1 if a file has an object of an unknown kind.")]
ManifestNamespaceFlag = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace of objects that name none.",
        metavar="NAME",
        show_default=False,
        callback=check_namespace,
    ),
]
_complete_label = one_of("enabled", "sidecar", "daemonset")
_LABEL_HELP = (
    "Value of the namespace's label dind.io/inject: enabled, sidecar, daemonset, or empty for none. Also "
    "dind.io/node-socket=replace, alone or after a comma."
)
NamespaceLabelFlag = Annotated[
    str, typer.Option("--namespace-label", help=_LABEL_HELP, metavar="VALUE", autocompletion=_complete_label)
]
OptionalNamespaceLabelFlag = Annotated[
    str | None,
    typer.Option(
        "--namespace-label",
        help=_LABEL_HELP,
        metavar="VALUE",
        autocompletion=_complete_label,
        show_default="enabled with --filename, else the cluster's",
    ),
]
KubeconfigFlag = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Kubeconfig, instead of KUBECONFIG or ~/.kube/config.", metavar="FILE"),
]
ContextFlag = Annotated[
    str | None,
    typer.Option("--context", help="Context of the kubeconfig, instead of its current one.", metavar="NAME"),
]
ColorFlag = Annotated[
    Color,
    typer.Option(
        "--color",
        help="Print in colours: auto, always or never.",
        metavar="WHEN",
        parser=_parse_color,
        autocompletion=one_of(*Color),
    ),
]
