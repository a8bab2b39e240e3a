"""`kubectl dind`: the same commands as a plugin of kubectl, and completion as kubectl asks plugins for it.

kubectl runs what is called `kubectl-dind` on the PATH for `kubectl dind`, and `kubectl_complete-dind` with the words
that are there, the last of them perhaps empty. It wants a line for each way to go on, and a number that says what the
shell may add: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
"""

import contextlib
import io
import os
import shlex
import sys

from app.cli.main import PROGRAM, cli, main
from app.cli.output import print_exactly, print_line

# ShellCompDirectiveDefault and ShellCompDirectiveNoFileComp of cobra
_WITH_FILES, _WITHOUT_FILES = ":0", ":4"
_OF_FILES = ("-f", "--filename", "--config", "--kubeconfig", "--tls-cert-file", "--tls-key-file", "--directory")


def plugin() -> None:
    """Run the command line as `kubectl dind`."""
    main("kubectl dind")


def complete() -> None:
    """Print how the words of the command line may go on."""
    words = sys.argv[1:]
    # AdmissionInputs as fish asks, whose lines are those of kubectl: a word, a tab, what it means.
    os.environ[f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE"] = "complete_fish"
    os.environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    os.environ["_TYPER_COMPLETE_ARGS"] = shlex.join([PROGRAM, *words[:-1]]) + " " + "".join(words[-1:])
    lines = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(lines):
        cli(prog_name=PROGRAM)
    for line in filter(None, lines.getvalue().splitlines()):
        print_exactly(f"{line}\n")
    print_line(_WITH_FILES if words[-2:-1] and words[-2] in _OF_FILES else _WITHOUT_FILES)
