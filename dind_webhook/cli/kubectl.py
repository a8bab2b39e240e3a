"""`kubectl dind`: the same commands as a plugin of kubectl, and their completion.

kubectl runs the program `kubectl-dind` on the PATH for `kubectl dind`. For completion kubectl runs
`kubectl_complete-dind` with the words of the command line, the last of which may be empty. It prints a line for each
completion, and a number that tells the shell whether to add names of files:
https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
"""

import contextlib
import io
import os
import shlex
import sys

from dind_webhook.cli.main import PROGRAM, cli, main
from dind_webhook.cli.output import print_exactly, print_line

# ShellCompDirectiveDefault and ShellCompDirectiveNoFileComp of cobra
_WITH_FILES, _WITHOUT_FILES = ":0", ":4"
_FILE_FLAGS = ("-f", "--filename", "--config", "--kubeconfig", "--tls-cert-file", "--tls-key-file", "--directory")


def plugin() -> None:
    """Run the command line as `kubectl dind`."""
    main("kubectl dind")


def complete() -> None:
    """Print the completions of the last word of the command line."""
    words = sys.argv[1:]
    # kubectl expects the format of fish: a word, a tab, its description.
    os.environ[f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE"] = "complete_fish"
    os.environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    os.environ["_TYPER_COMPLETE_ARGS"] = shlex.join([PROGRAM, *words[:-1]]) + " " + "".join(words[-1:])
    lines = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(lines):
        cli(prog_name=PROGRAM)
    for line in filter(None, lines.getvalue().splitlines()):
        print_exactly(f"{line}\n")
    print_line(_WITH_FILES if words[-2:-1] and words[-2] in _FILE_FLAGS else _WITHOUT_FILES)
