"""Run a program until it ends, with its output in a log."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.errors import ClusterError

Command = Sequence[str | Path]


def run(
    what: str, command: Command, log: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> None:
    """Run a command, and append its output to the log.

    `what` says what the command does, for example "building kubelet". The error of a failed command has it and the log.
    """
    with log.open("a") as output:
        _execute(what, command, log, _start(command, output.fileno(), output.fileno(), environment, folder))


def output_of(
    what: str, command: Command, log: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> str:
    """Run a command and return its standard output. Append its standard error to the log."""
    with log.open("a") as output:
        return _execute(what, command, log, _start(command, subprocess.PIPE, output.fileno(), environment, folder))


def succeeds(command: Command) -> bool:
    """Run a command without showing its output, and return whether its exit code is 0."""
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def last_line(log: Path) -> str:
    """Return the last non-empty line of a log, without colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text("utf-8", "replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def _start(
    command: Command, output: int, errors: int, environment: Mapping[str, str] | None, folder: Path | None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        text=True,
        env={**os.environ, **(environment or {})},
        cwd=folder,
        start_new_session=True,
    )


def _execute(what: str, command: Command, log: Path, child: subprocess.Popen[str]) -> str:
    try:
        output, _ = child.communicate()
    except BaseException:
        # Kill the process group: go and docker start child processes.
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    if child.returncode:
        program = Path(command[0]).name
        raise ClusterError(f"{what} failed ({program} ended with {child.returncode}): {last_line(log)}", log)
    return output or ""
