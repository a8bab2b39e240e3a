"""Take the pictures of commands and of the playground in docs/assets: `make screenshots`.

Commands that need no cluster run in a pseudo-terminal and become SVG files; tests/docs compares these pictures with the
current output. The picture of the playground needs chromium, and the picture of `check` needs a kubeconfig.
"""

import argparse
import os
import pty
import shutil
import subprocess
import sys
import termios
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "docs/assets"
PROGRAMS = Path(sys.executable).parent
COLUMNS = 100

# The pictures that need no cluster: the name of each, and the shell commands that it shows
SESSIONS = {
    "terminal-inject": ("dind-webhook inject -f deploy/examples/job.yaml --diff --color=always | head -n 30",),
    "terminal-why": (
        "sed s/sidecar/sidcar/ deploy/examples/job.yaml | dind-webhook inject -f -",
        "dind-webhook explain -f deploy/examples/job.yaml --namespace-label=''",
    ),
}
CHECK = ("dind-webhook check",)

# Rich's own template would fetch a font from a server.
_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
  <style>
    .{unique_id}-matrix {{
      font: {char_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      line-height: {line_height}px;
    }}
    .{unique_id}-title {{ font: bold 18px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
  </g>
</svg>
"""


def picture(name: str, lines: tuple[str, ...], kubeconfig: Path | None = None) -> str:
    """Return an SVG of a terminal with these shell commands and their output."""
    # Independent of the current terminal and environment, so that every machine makes the same picture.
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor", _environ={}
    )
    for line in lines:
        console.print(Text.assemble(("$ ", "bold cyan"), (line, "bold")))
        console.print(Text.from_ansi(printed(line, kubeconfig)))
    svg = console.export_svg(title="dind-webhook", theme=SVG_EXPORT_THEME, code_format=_SVG, unique_id=name)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines())


def printed(line: str, kubeconfig: Path | None = None) -> str:
    """Return the output of a shell command on a terminal in the root of the repository, with colours."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, COLUMNS))
    environment = {"PATH": f"{PROGRAMS}:{os.defpath}", "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    if kubeconfig:
        environment["KUBECONFIG"] = str(kubeconfig)
    with subprocess.Popen(
        ["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment
    ):
        os.close(theirs)
        chunks = []
        try:
            while chunk := os.read(ours, 65536):
                chunks.append(chunk)
        except OSError:
            pass  # Linux reports a closed other end as an error
        os.close(ours)
    # The progress line is erased at the end; the output follows it.
    return b"".join(chunks).decode().replace("\r\n", "\n").rpartition("\x1b[2K")[2]


def take_playground(chromium: str) -> None:
    """Save a screenshot of `dind-webhook playground` in a browser."""
    command = [PROGRAMS / "dind-webhook", "playground", "--no-browser", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,760")
        # Virtual time for the page to load and draw, independent of the speed of the machine
        budget = "--virtual-time-budget=20000"
        kept = f"--screenshot={ASSETS / 'playground.png'}"
        subprocess.run([chromium, *flags, budget, kept, address], check=True, capture_output=True)
        process.terminate()


def main() -> None:
    """Take all pictures, and print which ones are left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="cluster for the picture of `check`")
    kubeconfig = parser.parse_args().kubeconfig
    for name, lines in SESSIONS.items():
        (ASSETS / f"{name}.svg").write_text(picture(name, lines), "utf-8")
    if kubeconfig:
        (ASSETS / "terminal-check.svg").write_text(picture("terminal-check", CHECK, kubeconfig.resolve()), "utf-8")
    else:
        sys.stderr.write("no picture of check: say --kubeconfig FILE\n")
    if chromium := shutil.which("chromium"):
        take_playground(chromium)
    else:
        sys.stderr.write("no picture of the playground: it takes chromium\n")


if __name__ == "__main__":
    main()
