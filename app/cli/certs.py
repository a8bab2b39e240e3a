"""`dind-webhook certs`."""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from app.logs import configure_logs
from app.processes.certs import maintain_certs
from app.settings import load_settings


def run_certs(config: Path | None, flags: dict[str, Any]) -> NoReturn:
    """Load settings, keep certificates, and exit."""
    settings = load_settings(config, os.environ, flags).settings
    configure_logs(settings.log.format, settings.log.level)
    maintain_certs(settings.certs)
    # Its threads may be in the middle of anything. Where one of them holds the lock of standard error, or is in the
    # library for certificates, Python's own end would abort.
    sys.stderr.flush()
    os._exit(0)
