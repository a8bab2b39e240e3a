"""`dind-webhook playground`."""

import os
import webbrowser
from pathlib import Path

from app.cli.output import print_line
from app.processes.playground import serve_playground
from app.settings import load_settings


def run_playground(host: str, port: int, config: Path | None, *, browser: bool | None) -> None:
    """Serve the playground until Ctrl-C; `browser` says whether to open a browser, None: if there is a desktop."""
    load_settings(config, os.environ, {})
    settings = config.read_text("utf-8") if config else ""
    wanted = browser if browser is not None else bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))

    def announce(url: str) -> None:
        print_line(f"Playground at {url} (Ctrl-C ends it)")
        if wanted and not webbrowser.open(url):
            print_line("no browser was found here; open that address in one of yours")

    serve_playground(host, port, settings, os.environ, announce)
