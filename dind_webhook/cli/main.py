"""`dind-webhook`: the commands, and the one place where errors become exit codes."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it has no __all__

from dind_webhook import __version__
from dind_webhook.cli.exit_codes import ERROR
from dind_webhook.cli.flags import (
    Color,
    ColorFlag,
    Command,
    ConfigFlag,
    ContextFlag,
    FileFlag,
    Group,
    KubeconfigFlag,
    ManifestNamespaceFlag,
    NamespaceLabelFlag,
    OptionalFileFlag,
    OptionalNamespaceLabelFlag,
    RecursiveFlag,
    StrictFlag,
    check_class,
    check_name,
    check_namespace,
    one_of,
    output_flag,
    parse_output,
)
from dind_webhook.cli.output import (
    CheckOutput,
    ExplainOutput,
    InjectOutput,
    ListOutput,
    MigrateOutput,
    ObjectsOutput,
    SettingsOutput,
    VersionOutput,
    print_exactly,
    print_line,
)
from dind_webhook.errors import DindWebhookError

PROGRAM = "dind-webhook"

cli = typer.Typer(
    name=PROGRAM,
    cls=Group,
    help="Give annotated CI pods a working Docker daemon.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_SHELLS = ("bash", "zsh", "fish")


def main(program: str = PROGRAM) -> None:
    """Run the command line and exit with a code, see `dind_webhook.cli.exit_codes`. `program` is its name in help."""
    try:
        cli(prog_name=program)
    except DindWebhookError as error:
        for line in str(error).splitlines():
            print_line(f"error: {line}", file=sys.stderr)
        if error.hint:
            print_line(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(ERROR)


@cli.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print_line(__version__)
        raise typer.Exit


@cli.command("serve", cls=Command)
def _serve(
    tls_cert_file: Annotated[
        Path | None, typer.Option(help="PEM file with the serving certificate.", metavar="FILE")
    ] = None,
    tls_key_file: Annotated[Path | None, typer.Option(help="PEM file with its private key.", metavar="FILE")] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", metavar="ADDRESS", show_default="all")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="HTTPS port; 0 for a free one.", metavar="PORT", show_default="10250")
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(help="HTTP port of /healthz, /readyz and /metrics.", metavar="PORT", show_default="8080"),
    ] = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Issue a throw-away certificate, listen on loopback, log text.")
    ] = False,
    config: ConfigFlag = None,
) -> None:
    """Serve the webhook over TLS until SIGTERM."""
    from dind_webhook.cli.serve import run_serve

    given = {
        "tls_cert_file": tls_cert_file,
        "tls_key_file": tls_key_file,
        "host": host,
        "port": port,
        "health_port": health_port,
    }
    flags: dict[str, Any] = {"server": {name: value for name, value in given.items() if value is not None}}
    raise typer.Exit(run_serve(config, flags, dev=dev))


@cli.command("certs", cls=Command)
def _certs(
    directory: Annotated[
        Path | None, typer.Option(help="Directory for tls.crt and tls.key.", metavar="DIR", show_default=False)
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(help="HTTP port of /healthz, /readyz and /metrics.", metavar="PORT", show_default="8081"),
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig to use outside of a cluster.", metavar="FILE")
    ] = None,
    config: ConfigFlag = None,
) -> None:
    """Issue and rotate the webhook's TLS certificates until SIGTERM; runs beside the server in its pod."""
    from dind_webhook.cli.certs import run_certs

    given = {"directory": directory, "health_port": health_port, "kubeconfig": kubeconfig}
    run_certs(config, {"certs": {name: value for name, value in given.items() if value is not None}})


@cli.command("settings", cls=Command)
def _settings(
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Print the settings of injection that are in force in this namespace.",
            metavar="NAME",
            callback=check_namespace,
        ),
    ] = None,
    output: Annotated[str, output_flag(*SettingsOutput)] = "table",
    config: ConfigFlag = None,
) -> None:
    """Print every setting with its effective value and its origin: default, file or variable."""
    from dind_webhook.cli.settings import run_settings

    form = parse_output(output, SettingsOutput)
    raise typer.Exit(_run_ignoring_closed_pipe(lambda: run_settings(config, namespace, form)))


@cli.command("inject", cls=Command)
def _inject(
    filename: FileFlag,
    recursive: RecursiveFlag = False,
    namespace: ManifestNamespaceFlag = "",
    namespace_label: NamespaceLabelFlag = "enabled",
    output: Annotated[str | None, output_flag("json", "yaml", default="; otherwise that of the files")] = None,
    patch: Annotated[bool, typer.Option("--patch", help="Print the JSON Patch of each object instead.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print a diff of each object instead.")] = False,
    strict: StrictFlag = False,
    color: ColorFlag = Color.AUTO,
    config: ConfigFlag = None,
) -> None:
    """Inject Docker into manifests, without a cluster.

    Prints the manifests to standard output, with comments and order kept, and a report to standard error. If a pod
    is denied, no manifest is printed, so that kubectl has nothing to apply.
    """
    from dind_webhook.cli.inject import run_inject

    if sum([patch, diff, output is not None]) > 1:
        raise typer.BadParameter("--patch, --diff and --output exclude each other")
    form = InjectOutput.PATCH if patch else InjectOutput.DIFF if diff else InjectOutput.MANIFEST
    if output is not None:
        form = parse_output(output, InjectOutput, "json", "yaml")
    inject_files = partial(
        run_inject,
        filename,
        recursive=recursive,
        namespace=namespace,
        namespace_label=namespace_label,
        output=form,
        strict=strict,
        color=color.value,
        config=config,
    )
    raise typer.Exit(_run_ignoring_closed_pipe(inject_files))


@cli.command("explain", cls=Command)
def _explain(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TYPE/NAME",
            autocompletion=one_of(
                "pod/", "deployment/", "statefulset/", "daemonset/", "replicaset/", "job/", "cronjob/", "namespace/"
            ),
            help="Object in a cluster, such as pod/x, deployment/x, job/x or namespace/x.",
        ),
    ] = None,
    filename: OptionalFileFlag = None,
    recursive: RecursiveFlag = False,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Namespace of the object, or of objects in files that name none.",
            metavar="NAME",
            callback=check_namespace,
        ),
    ] = None,
    namespace_label: OptionalNamespaceLabelFlag = None,
    output: Annotated[str, output_flag(*ExplainOutput)] = "text",
    strict: StrictFlag = False,
    kubeconfig: KubeconfigFlag = None,
    context: ContextFlag = None,
    color: ColorFlag = Color.AUTO,
    config: ConfigFlag = None,
) -> None:
    """Explain why pods are or aren't injected, rule by rule, and how to change that.

    Explains the pods of manifests (--filename), or an object in a cluster (TYPE/NAME).
    """
    if (target is None) is (not filename):
        raise typer.BadParameter("name either an object in a cluster, such as pod/build, or --filename FILE")
    form = parse_output(output, ExplainOutput)
    if target is not None:
        from dind_webhook.cli.explain_live import run_explain_live

        if recursive or strict:
            raise typer.BadParameter("--recursive and --strict are for --filename")
        explain_live = partial(
            run_explain_live,
            target,
            namespace=namespace,
            namespace_label=namespace_label,
            kubeconfig=kubeconfig,
            context=context,
            output=form,
            color=color.value,
            config=config,
        )
        raise typer.Exit(_run_ignoring_closed_pipe(explain_live))
    from dind_webhook.cli.explain import run_explain

    explain_files = partial(
        run_explain,
        filename or [],
        recursive=recursive,
        namespace=namespace or "",
        namespace_label="enabled" if namespace_label is None else namespace_label,
        output=form,
        strict=strict,
        color=color.value,
        config=config,
    )
    raise typer.Exit(_run_ignoring_closed_pipe(explain_files))


@cli.command("check", cls=Command)
def _check(
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Check this namespace only.",
            metavar="NAME",
            show_default="all namespaces",
            callback=check_namespace,
        ),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Check all namespaces, as without --namespace.")
    ] = False,
    pod: Annotated[
        str | None, typer.Option("--pod", help="Check this pod of the namespace only.", metavar="NAME")
    ] = None,
    wait: Annotated[
        str, typer.Option("--wait", help="Try again until no check fails, for this long.", metavar="DURATION")
    ] = "0s",
    output: Annotated[str, output_flag(*CheckOutput)] = "table",
    release: Annotated[
        str | None, typer.Option("--release", help="Release to check, if there are several.", metavar="NAME")
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", help="Release to check, by the name of its webhook configuration.", metavar="NAME"),
    ] = None,
    kubeconfig: KubeconfigFlag = None,
    context: ContextFlag = None,
    color: ColorFlag = Color.AUTO,
) -> None:
    """Check an installation and suggest fixes.

    Nothing is changed in the cluster. Checks of objects that you may not read are skipped.

    Exit code 0: no check failed, though there may be warnings; 1: a check failed; 2: the cluster can't be reached.
    """
    from dind_webhook.cli.check import run_check
    from dind_webhook.diagnostics import Scope
    from dind_webhook.settings import parse_duration

    if all_namespaces and (namespace or pod):
        raise typer.BadParameter("--all-namespaces excludes --namespace and --pod")
    form = parse_output(output, CheckOutput)
    try:
        span = parse_duration(wait)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wait") from None
    scope = Scope(namespace, pod, webhook, release)
    raise typer.Exit(_run_ignoring_closed_pipe(lambda: run_check(kubeconfig, context, scope, span, form, color.value)))


@cli.command("list", cls=Command)
def _list(
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="List the pods of this namespace only.",
            metavar="NAME",
            show_default="all namespaces",
            callback=check_namespace,
        ),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="List the pods of all namespaces, as without --namespace.")
    ] = False,
    output: Annotated[str, output_flag(*ListOutput)] = "table",
    kubeconfig: KubeconfigFlag = None,
    context: ContextFlag = None,
) -> None:
    """List the injected pods of a cluster, with their owners, and what their daemons request and use.

    Pods that have ended are left out. The use is that of metrics.k8s.io, where the cluster has it.
    """
    from dind_webhook.cli.list_pods import run_list

    if all_namespaces and namespace:
        raise typer.BadParameter("--all-namespaces excludes --namespace")
    list_pods = partial(
        run_list,
        namespace=namespace,
        output=parse_output(output, ListOutput),
        kubeconfig=kubeconfig,
        context=context,
        now=datetime.now(UTC),
    )
    raise typer.Exit(_run_ignoring_closed_pipe(list_pods))


@cli.command("migrate", cls=Command)
def _migrate(
    filename: OptionalFileFlag = None,
    recursive: RecursiveFlag = False,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Namespace to search, or of objects in files that name none.",
            metavar="NAME",
            show_default="that of the context",
            callback=check_namespace,
        ),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Search all namespaces of the cluster.")
    ] = False,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            help="Mode that rewritten pods ask for: sidecar or daemonset.",
            metavar="MODE",
            autocompletion=one_of("sidecar", "daemonset"),
        ),
    ] = "sidecar",
    output: Annotated[str | None, output_flag("table", "json", default="; table by default")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print a diff of each object that converts instead.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Rewrite the files of --filename in place.")] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the workloads of the cluster, each after a dry run.")
    ] = False,
    strict: StrictFlag = False,
    kubeconfig: KubeconfigFlag = None,
    context: ContextFlag = None,
    color: ColorFlag = Color.AUTO,
    config: ConfigFlag = None,
) -> None:
    """Find pods that use the node's container runtime or a Docker daemon of their own, and rewrite them for injection.

    Searches manifests (--filename) or a cluster. Nothing is changed without --write or --apply.

    Exit code 0: nothing is left to migrate; 1: something is left; 2: a file or the cluster can't be read.
    """
    from dind_webhook.injection import Mode

    if sum([diff, write, apply]) > 1 or (diff and output is not None):
        raise typer.BadParameter("--diff, --write and --apply exclude each other, and --diff excludes --output")
    if mode not in set(Mode):
        raise typer.BadParameter(f"{mode!r} is none of {', '.join(Mode)}", param_hint="--mode")
    form = MigrateOutput.DIFF if diff else parse_output(output or "table", MigrateOutput, "table", "json")
    if not filename:
        from dind_webhook.cli.migrate_live import run_migrate_live

        if recursive or strict or write:
            raise typer.BadParameter("--recursive, --strict and --write are for --filename")
        if all_namespaces and namespace:
            raise typer.BadParameter("--all-namespaces excludes --namespace")
        migrate_live = partial(
            run_migrate_live,
            namespace=namespace,
            all_namespaces=all_namespaces,
            mode=Mode(mode),
            output=form,
            apply=apply,
            kubeconfig=kubeconfig,
            context=context,
            color=color.value,
            config=config,
        )
        raise typer.Exit(_run_ignoring_closed_pipe(migrate_live))
    from dind_webhook.cli.migrate import run_migrate

    if all_namespaces or apply or kubeconfig or context:
        raise typer.BadParameter(
            "--all-namespaces, --apply, --kubeconfig and --context are for a cluster, and --filename is not"
        )
    if write and "-" in filename:
        raise typer.BadParameter("--write cannot rewrite standard input: name a file, or use --diff")
    migrate_files = partial(
        run_migrate,
        filename,
        recursive=recursive,
        namespace=namespace or "",
        mode=Mode(mode),
        output=form,
        write=write,
        strict=strict,
        color=color.value,
        config=config,
    )
    raise typer.Exit(_run_ignoring_closed_pipe(migrate_files))


@cli.command("policy", cls=Command)
def _policy(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-f",
            envvar="DIND_WEBHOOK_CONFIG",
            help="YAML file with operator settings, or the chart's ConfigMap of them; - for standard input.",
            metavar="FILE",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="Beginning of the names of the policies; dind-webhook, or that of the chart, by default.",
            metavar="NAME",
            callback=check_name,
        ),
    ] = None,
    output: Annotated[str, output_flag(*ObjectsOutput)] = "yaml",
    static: Annotated[
        Path | None,
        typer.Option(
            "--static",
            help="Write files that an API server reads when it starts (Kubernetes 1.37), and print their names.",
            metavar="DIRECTORY",
        ),
    ] = None,
    kubeconfig: KubeconfigFlag = None,
    context: ContextFlag = None,
) -> None:
    """Print the operator's settings as policies of the API server, which inject pods without a webhook.

    They need Kubernetes 1.36 or newer. With --kubeconfig or --context, the command checks that of the cluster first. It
    changes nothing there.

    Exit code 0: done; 2: the settings cannot become policies, or the API server is too old or can't be reached.
    """
    from dind_webhook.cli.policy import run_policy

    form = parse_output(output, ObjectsOutput)
    raise typer.Exit(_run_ignoring_closed_pipe(lambda: run_policy(config, name, form, static, kubeconfig, context)))


@cli.command("golden", cls=Command)
def _golden(
    images: Annotated[
        list[str] | None,
        typer.Option("--image", help="Image in the volume. May be repeated.", metavar="IMAGE"),
    ] = None,
    builds: Annotated[
        list[str] | None,
        typer.Option(
            "--build",
            help="Context of a docker build, whose cache stays in the volume: the URL of a Git repository or an "
            "archive. May be repeated.",
            metavar="URL",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Name of the objects.", metavar="NAME", callback=check_name)
    ] = "docker-golden",
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Namespace of the objects, whose settings count.",
            metavar="NAME",
            show_default="that of kubectl",
            callback=check_namespace,
        ),
    ] = None,
    storage_class: Annotated[
        str,
        typer.Option(
            "--storage-class",
            help="StorageClass of the volume.",
            metavar="NAME",
            show_default="the settings', else the cluster's",
            callback=check_class,
        ),
    ] = "",
    snapshot_class: Annotated[
        str,
        typer.Option(
            "--snapshot-class",
            help="Print only the VolumeSnapshot of the volume, of this class. Apply it when the Job is complete.",
            metavar="NAME",
            show_default=False,
            callback=check_class,
        ),
    ] = "",
    output: Annotated[str, output_flag(*ObjectsOutput)] = "yaml",
    config: ConfigFlag = None,
) -> None:
    """Print a claim, and a Job that pulls images into it, so that pods can start with a copy of them.

    Set the annotation or default storage-data-source of pods to pvc/NAME when the Job is complete, or to
    volumesnapshot/NAME when the VolumeSnapshot is ready.

    Exit code 0: done; 2: wrong usage, or settings with which no pod could have a copy.
    """
    from dind_webhook.cli.golden import run_golden
    from dind_webhook.golden_volume import Contents

    form = parse_output(output, ObjectsOutput)
    contents = Contents(tuple(images or ()), tuple(builds or ()))
    raise typer.Exit(
        _run_ignoring_closed_pipe(
            lambda: run_golden(config, name, namespace, contents, storage_class, snapshot_class, form)
        )
    )


@cli.command("playground", cls=Command)
def _playground(
    host: Annotated[str, typer.Option(help="Loopback address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port of the page; 0 for a free one.", metavar="PORT", min=0, max=65535)
    ] = 8088,
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="Open a browser.", show_default="if there is a desktop"),
    ] = None,
    config: ConfigFlag = None,
) -> None:
    """Show injection in a browser on this machine, until Ctrl-C."""
    from dind_webhook.cli.playground import run_playground

    run_playground(host, port, config, browser=browser)


@cli.command("version", cls=Command)
def _version(output: Annotated[str, output_flag(*VersionOutput)] = "text") -> None:
    """Print the version of this program, of Python, and the platform."""
    from dind_webhook.cli.version import run_version

    form = parse_output(output, VersionOutput)
    raise typer.Exit(_run_ignoring_closed_pipe(lambda: run_version(form)))


@cli.command("completion", cls=Command)
def _completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", autocompletion=one_of(*_SHELLS))],
) -> None:
    """Print the script that makes a shell complete commands and flags.

    To load it in the current shell: source <(dind-webhook completion bash), or dind-webhook completion fish | source.
    """
    if shell not in _SHELLS:
        raise typer.BadParameter(f"{shell!r} is none of {', '.join(_SHELLS)}", param_hint="SHELL")
    variable = f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE"
    script = get_completion_script(prog_name=PROGRAM, complete_var=variable, shell=shell)
    raise typer.Exit(_run_ignoring_closed_pipe(lambda: print_exactly(f"{script}\n")))


def _run_ignoring_closed_pipe(run: Callable[[], int | None]) -> int:
    """Run a command that prints, and return its exit code, 0 for None.

    It is not an error if the reader closes the pipe, as in `… | head`.
    """
    try:
        code = run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise Python flushes again at exit, and prints a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code or 0
