"""Print progress: the current step and its duration."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_console = Console(stderr=True, highlight=False)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show a step while it runs, and then its duration: a spinner on a terminal, plain lines otherwise."""
    begin = time.monotonic()
    if _console.is_terminal:
        with _console.status(what):
            yield
    else:
        say(f"        {what} ...")
        yield
    say(f"{time.monotonic() - begin:5.1f} s {what}")


def say(line: str) -> None:
    """Print a line for the user on standard error; standard output is for programs."""
    _console.print(line, markup=False, soft_wrap=True)
    sys.stderr.flush()
