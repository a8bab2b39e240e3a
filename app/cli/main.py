"""`dind-webhook`: the commands, their flags, and the one place where errors become exit codes."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app import __version__
from app.cli.output import print_line
from app.errors import DindWebhookError

PROGRAM = "dind-webhook"
USAGE = 2

cli = typer.Typer(
    name=PROGRAM,
    help="Give annotated CI pods a working Docker daemon.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Color(StrEnum):
    """When to colour what is printed."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def _one_of(*words: str) -> Callable[[str], list[str]]:
    """Return what completes the words that begin as one that is typed."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


ConfigFlag = Annotated[
    Path | None,
    typer.Option("--config", envvar="DIND_WEBHOOK_CONFIG", help="YAML file with operator settings.", metavar="FILE"),
]
_FILE = typer.Option(
    "--filename", "-f", help="Manifest to read, - for standard input; may be repeated.", metavar="FILE"
)
FileFlag = Annotated[list[str], _FILE]
OptionalFileFlag = Annotated[list[str] | None, _FILE]
_complete_label = _one_of("enabled", "sidecar", "daemonset")
_LABEL_HELP = "Value of the namespace's label dind.io/inject: enabled, sidecar, daemonset, or empty for none."
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
        show_default="with -f enabled, else what the cluster says",
    ),
]
NamespaceFlag = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace to look at.", metavar="NAME"),
]
KubeconfigFlag = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Kubeconfig, instead of KUBECONFIG or ~/.kube/config.", metavar="FILE"),
]
ContextFlag = Annotated[
    str | None,
    typer.Option("--context", help="Context of the kubeconfig, instead of its current one.", metavar="NAME"),
]
ColorFlag = Annotated[Color, typer.Option("--color", help="Colour the output: auto, always or never.")]


def main(program: str = PROGRAM) -> None:
    """Run the command line and exit: 0 done, 1 a pod was denied or a check failed, 2 it could not be done.

    `program` is what the help calls it.
    """
    try:
        cli(prog_name=program)
    except DindWebhookError as error:
        for line in str(error).splitlines():
            print_line(f"error: {line}", file=sys.stderr)
        if error.hint:
            print_line(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(USAGE)


@cli.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print_line(__version__)
        raise typer.Exit


@cli.command("serve")
def _serve(
    tls_cert_file: Annotated[
        Path | None, typer.Option(help="PEM file with the serving certificate.", metavar="FILE")
    ] = None,
    tls_key_file: Annotated[Path | None, typer.Option(help="PEM file with its private key.", metavar="FILE")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="all")] = None,
    port: Annotated[int | None, typer.Option(help="HTTPS port; 0 for a free one.", show_default="10250")] = None,
    health_port: Annotated[
        int | None, typer.Option(help="HTTP port of /healthz, /readyz and /metrics.", show_default="8080")
    ] = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Make a throw-away certificate, listen on loopback, log text.")
    ] = False,
    config: ConfigFlag = None,
) -> None:
    """Serve the webhook over TLS until SIGTERM."""
    from app.cli.serve import run_serve

    given = {
        "tls_cert_file": tls_cert_file,
        "tls_key_file": tls_key_file,
        "host": host,
        "port": port,
        "health_port": health_port,
    }
    flags: dict[str, Any] = {"server": {name: value for name, value in given.items() if value is not None}}
    raise typer.Exit(run_serve(config, flags, dev))


@cli.command("certs")
def _certs(
    directory: Annotated[
        Path | None, typer.Option(help="Directory for tls.crt and tls.key.", metavar="DIR", show_default=False)
    ] = None,
    health_port: Annotated[
        int | None, typer.Option(help="HTTP port of /healthz, /readyz and /metrics.", show_default="8081")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig to use outside of a cluster.", metavar="FILE")
    ] = None,
    config: ConfigFlag = None,
) -> None:
    """Keep the webhook's own certificates, and caBundle, until SIGTERM; runs beside the server in its pod."""
    from app.cli.certs import run_certs

    given = {"directory": directory, "health_port": health_port, "kubeconfig": kubeconfig}
    run_certs(config, {"certs": {name: value for name, value in given.items() if value is not None}})


@cli.command("settings")
def _settings(
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="table or json.", metavar="FORMAT", autocompletion=_one_of("table", "json")
        ),
    ] = "table",
    config: ConfigFlag = None,
) -> None:
    """Print every setting with its effective value and its origin: default, file or variable."""
    from app.cli.settings import SettingsOutput, run_settings

    if output not in set(SettingsOutput):
        raise typer.BadParameter(f"{output!r} is neither {' nor '.join(SettingsOutput)}", param_hint="--output")
    raise typer.Exit(_printing(lambda: run_settings(config, SettingsOutput(output))))


@cli.command("inject")
def _inject(
    filename: FileFlag,
    namespace_label: NamespaceLabelFlag = "enabled",
    patch: Annotated[bool, typer.Option("--patch", help="Print the JSON Patch of each object.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print a diff of each object.")] = False,
    color: ColorFlag = Color.AUTO,
    config: ConfigFlag = None,
) -> None:
    """Do to manifests, offline, what the webhook would do to their pods.

    Prints the manifests, with comments and order kept, and a report on standard error. Where a pod
    is denied, nothing is printed for kubectl to apply.
    """
    from app.cli.inject import InjectOutput, run_inject

    if patch and diff:
        raise typer.BadParameter("--patch and --diff exclude each other")
    output = InjectOutput.PATCH if patch else InjectOutput.DIFF if diff else InjectOutput.MANIFEST
    raise typer.Exit(_printing(lambda: run_inject(filename, namespace_label, output, color.value, config)))


@cli.command("explain")
def _explain(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TYPE/NAME",
            autocompletion=_one_of(
                "pod/", "deployment/", "statefulset/", "daemonset/", "job/", "cronjob/", "namespace/"
            ),
            help="Object of a live cluster: pod/x, deployment/x, job/x, namespace/x and the like.",
        ),
    ] = None,
    filename: OptionalFileFlag = None,
    namespace: NamespaceFlag = None,
    namespace_label: OptionalNamespaceLabelFlag = None,
    kubeconfig: KubeconfigFlag = None,
    context: ContextFlag = None,
    color: ColorFlag = Color.AUTO,
    config: ConfigFlag = None,
) -> None:
    """Say why pods would or would not be injected, rule by rule, and what changes that.

    Of a manifest (-f), offline, or of an object in a live cluster (TYPE/NAME).
    """
    if (target is None) is (not filename):
        raise typer.BadParameter("say either what to look at in a cluster, as in pod/build, or --filename FILE")
    if target is not None:
        from app.cli.explain_live import run_explain_live

        code = _printing(
            lambda: run_explain_live(target, namespace, namespace_label, kubeconfig, context, color.value, config)
        )
        raise typer.Exit(code)
    from app.cli.explain import run_explain

    label = "enabled" if namespace_label is None else namespace_label
    raise typer.Exit(_printing(lambda: run_explain(filename or [], label, color.value, config)))


@cli.command("check")
def _check(
    namespace: NamespaceFlag = None,
    pod: Annotated[
        str | None, typer.Option("--pod", help="Look at this pod of the namespace only.", metavar="NAME")
    ] = None,
    wait: Annotated[
        str, typer.Option("--wait", help="Try again until no check fails, for this long.", metavar="DURATION")
    ] = "0s",
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="table, short or json.",
            metavar="FORMAT",
            autocompletion=_one_of("table", "short", "json"),
        ),
    ] = "table",
    release: Annotated[
        str | None, typer.Option("--release", help="Release to check, where there are several.", metavar="NAME")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option("--webhook", help="The same, by the name of its configuration.", metavar="NAME")
    ] = None,
    kubeconfig: KubeconfigFlag = None,
    context: ContextFlag = None,
    color: ColorFlag = Color.AUTO,
) -> None:
    """Look at a live install and say what is wrong with it, and what mends it.

    Nothing is changed in the cluster. What you may not read is skipped. Exit code 0: no check failed, though there may
    be warnings; 1: one did; 2: the cluster cannot be asked.
    """
    from app.cli.check import CheckOutput, run_check
    from app.diagnostics import Scope
    from app.settings import parse_duration

    if output not in set(CheckOutput):
        raise typer.BadParameter(f"{output!r} is none of {', '.join(CheckOutput)}", param_hint="--output")
    try:
        span = parse_duration(wait)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wait") from None
    scope = Scope(namespace, pod, webhook, release)
    raise typer.Exit(_printing(lambda: run_check(kubeconfig, context, scope, span, CheckOutput(output), color.value)))


@cli.command("playground")
def _playground(
    host: Annotated[str, typer.Option(help="Loopback address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page; 0 for a free one.", min=0, max=65535)] = 8088,
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="Open a browser.", show_default="where a desktop is there"),
    ] = None,
    config: ConfigFlag = None,
) -> None:
    """Show in a browser what the webhook would do to a pod; for this machine only, until Ctrl-C."""
    from app.cli.playground import run_playground

    run_playground(host, port, browser, config)


def _printing(run: Callable[[], int]) -> int:
    """Return the exit code of a command that prints; a reader that has seen enough, as in `… | head`, is no error."""
    try:
        code = run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Or Python would try once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
