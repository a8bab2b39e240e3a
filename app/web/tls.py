"""The TLS side of the server: from two PEM files to a context."""

import ssl
from pathlib import Path

from app.errors import SettingsError


def load_tls_context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """Return a server context with this certificate; SettingsError where the files are no usable pair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for name, path in (("tls_cert_file", cert_file), ("tls_key_file", key_file)):
        try:
            path.read_bytes()
        except OSError as error:
            raise SettingsError([f"server.{name}: {path} cannot be read: {error.strerror}"]) from None
    try:
        context.load_cert_chain(cert_file, key_file)
    except ssl.SSLError as error:
        raise SettingsError([f"server.tls_cert_file: {cert_file} and {key_file} are no pair: {error.reason}"]) from None
    return context
