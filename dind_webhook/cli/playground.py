"""`dind-webhook playground`."""

import os
import webbrowser
from pathlib import Path

from dind_webhook.cli.output import print_line
from dind_webhook.processes.playground import serve_playground
from dind_webhook.settings import load_settings


def run_playground(host: str, port: int, config: Path | None, *, browser: bool | None) -> None:
    """Serve the playground until Ctrl-C; `browser` opens a browser; None opens one if there is a desktop."""
    load_settings(config, os.environ, {})
    settings = config.read_text("utf-8") if config else ""
    opens_browser = (
        browser if browser is not None else bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    )

    def announce(url: str) -> None:
        print_line(f"Playground at {url} (Ctrl-C ends it)")
        if opens_browser and not webbrowser.open(url):
            print_line("no browser found; open this address yourself")

    serve_playground(host, port, settings, os.environ, announce)
