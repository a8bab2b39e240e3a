"""`dind-webhook serve`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dind_webhook.cli.exit_codes import FAILED
from dind_webhook.errors import SettingsError
from dind_webhook.logs import configure_logs
from dind_webhook.processes.serve import serve
from dind_webhook.settings import load_settings

_DEV_HOSTS = ["localhost", "127.0.0.1", "::1"]
_DEV_LIFE = timedelta(days=1)
_DEV_SETTINGS: dict[str, dict[str, Any]] = {
    "server": {"host": "127.0.0.1", "grace_seconds": 0},
    "log": {"format": "text"},
}


def run_serve(config: Path | None, flags: dict[str, Any], *, dev: bool) -> int:
    """Load settings and serve; return the exit code: 0, or 1 if requests were cut off. `dev` issues a certificate."""
    if not dev:
        return _serve_with(config, flags)
    with _throwaway_files() as files:
        given = {
            group: {**_DEV_SETTINGS.get(group, {}), **flags.get(group, {})} for group in {**_DEV_SETTINGS, **flags}
        }
        given["server"] |= files
        return _serve_with(config, given)


def _serve_with(config: Path | None, flags: dict[str, Any]) -> int:
    settings = load_settings(config, os.environ, flags).settings
    configure_logs(settings.log.format, settings.log.level)
    return 0 if serve(settings) else FAILED


@contextmanager
def _throwaway_files() -> Iterator[dict[str, Any]]:
    from dind_webhook.certs import issue_throwaway_cert

    pair = issue_throwaway_cert(_DEV_HOSTS, datetime.now(UTC), _DEV_LIFE)
    try:
        directory = tempfile.TemporaryDirectory()
    except OSError:
        raise SettingsError(["--dev needs a directory for temporary files, such as /tmp"]) from None
    with directory as folder:
        cert_file, key_file = Path(folder, "tls.crt"), Path(folder, "tls.key")
        cert_file.write_bytes(pair.cert)
        key_file.write_bytes(pair.key)
        yield {"tls_cert_file": cert_file, "tls_key_file": key_file}
