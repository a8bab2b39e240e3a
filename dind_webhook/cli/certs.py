"""`dind-webhook certs`."""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from dind_webhook.logs import configure_logs
from dind_webhook.processes.certs import maintain_certs
from dind_webhook.settings import load_settings


def run_certs(config: Path | None, flags: dict[str, Any]) -> NoReturn:
    """Load settings, issue and rotate certificates until SIGTERM, and exit."""
    settings = load_settings(config, os.environ, flags).settings
    configure_logs(settings.log.format, settings.log.level)
    maintain_certs(settings.certs)
    # Python's shutdown aborts if a thread holds the lock of standard error, or runs code of the cryptography library.
    sys.stderr.flush()
    os._exit(0)
