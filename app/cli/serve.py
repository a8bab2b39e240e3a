"""`dind-webhook serve`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.errors import SettingsError
from app.logs import configure_logs
from app.server import serve
from app.settings import load_settings
from app.web import load_tls_context

_DEV_HOSTS = ["localhost", "127.0.0.1", "::1"]
_DEV_LIFE = timedelta(days=1)
_DEV_SETTINGS = {"server": {"host": "127.0.0.1"}, "log": {"format": "text"}}


def run(config: Path | None, flags: dict[str, Any], dev: bool) -> None:
    """Load settings and certificate and serve; `dev` makes a certificate of its own."""
    if dev:
        flags = {
            group: {**_DEV_SETTINGS.get(group, {}), **flags.get(group, {})} for group in {**_DEV_SETTINGS, **flags}
        }
    settings = load_settings(config, os.environ, flags).settings
    configure_logs(settings.log.format, settings.log.level)
    server = settings.server
    if dev:
        with _throwaway_files() as (cert_file, key_file):
            context = load_tls_context(cert_file, key_file)
    elif server.tls_cert_file and server.tls_key_file:
        context = load_tls_context(server.tls_cert_file, server.tls_key_file)
    else:
        raise SettingsError(["server.tls_cert_file and server.tls_key_file are needed (or --dev, to try it out)"])
    serve(settings, context)


@contextmanager
def _throwaway_files() -> Iterator[tuple[Path, Path]]:
    from app.certs import issue_throwaway_cert

    pair = issue_throwaway_cert(_DEV_HOSTS, datetime.now(UTC), _DEV_LIFE)
    with tempfile.TemporaryDirectory() as folder:
        cert_file, key_file = Path(folder, "tls.crt"), Path(folder, "tls.key")
        cert_file.write_bytes(pair.cert)
        key_file.write_bytes(pair.key)
        yield cert_file, key_file
