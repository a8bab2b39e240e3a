"""`dind-webhook certs`."""

import os
from pathlib import Path
from typing import Any

from app.logs import configure_logs
from app.settings import load_settings
from app.upkeep import maintain_certs


def run(config: Path | None, flags: dict[str, Any]) -> None:
    """Load settings and keep certificates."""
    settings = load_settings(config, os.environ, flags).settings
    configure_logs(settings.log.format, settings.log.level)
    maintain_certs(settings.certs)
