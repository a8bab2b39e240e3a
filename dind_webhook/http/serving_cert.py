"""The serving certificate: PEM files become a TLS context that was tried in a handshake.

kubelet, cert-manager's Secret or `dind-webhook certs` writes the files. The server polls their content, because kubelet
swaps symlinks, which leaves time stamps as they are.
"""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from dind_webhook.errors import DindWebhookError, SettingsError
from dind_webhook.http.metrics import Metrics
from dind_webhook.timestamps import format_timestamp


class TlsFiles(NamedTuple):
    """Paths of PEM files: the certificate with its chain, its private key, and the CA of clients, if any."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class TlsRules(NamedTuple):
    """Requirements of a handshake. If `host` is not empty, the certificate must carry that name."""

    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ciphers: str = ""
    host: str = ""


class UnusableCertificateError(DindWebhookError):
    """The files hold no usable certificate; the text names the file and the problem."""


class Certificate(NamedTuple):
    """A context ready to serve, and when its certificate expires, in seconds since the epoch."""

    ssl_context: ssl.SSLContext
    not_after: float


def load_certificate(files: TlsFiles, rules: TlsRules) -> Certificate:
    """Return a context with this certificate; raise UnusableCertificateError if a client could not use it.

    The context was tried in a handshake: key and certificate match, the certificate is valid now and carries the name.
    """
    for path in files:
        if path is not None:
            _read(path)
    ssl_context = _new_ssl_context(rules)
    try:
        # Without a password argument, OpenSSL would prompt on the terminal for the one of an encrypted key.
        ssl_context.load_cert_chain(files.cert, files.key, password="")
    except (OSError, ValueError) as error:
        raise UnusableCertificateError(
            f"{files.cert} and {files.key} are not a certificate and its key: {_error_text(error)}"
        ) from None
    not_after = _try_handshake(ssl_context, files.cert, rules.host)
    if files.client_ca:
        ssl_context.verify_mode = ssl.CERT_REQUIRED
        try:
            ssl_context.load_verify_locations(files.client_ca)
        except OSError as error:
            raise UnusableCertificateError(f"{files.client_ca} has no CA certificate: {_error_text(error)}") from None
    return Certificate(ssl_context, not_after)


class ServedCertificate:
    """The current certificate. New files take effect without a restart; unusable files never do."""

    def __init__(self, files: TlsFiles, rules: TlsRules, metrics: Metrics) -> None:
        """Load the files for the first time; raise SettingsError if `rules` are not valid."""
        self._files = files
        self._rules = rules
        self._metrics = metrics
        self._log = structlog.get_logger()
        self._current: Certificate | None = None
        self._served_contents: tuple[bytes, ...] = ()
        self._problem = ""
        # This context has no certificate: each handshake gets the current context by the SNI callback. Loading a
        # new pair into a context in use would break it if certificate and key did not match.
        try:
            self.ssl_context = _new_ssl_context(rules)
        except ssl.SSLError:
            raise SettingsError([f"server.tls_ciphers: {rules.ciphers!r} names no cipher that OpenSSL has"]) from None
        if files.client_ca:
            self.ssl_context.verify_mode = ssl.CERT_REQUIRED
        # typeshed does not know the types of the arguments.
        self.ssl_context.sni_callback = self._choose
        self.refresh()

    def refresh(self) -> None:
        """Poll the files: serve a new usable certificate, otherwise keep the current one."""
        try:
            contents = self._contents()
            if contents == self._served_contents:
                self._mark_current()
                return
            certificate = self._load(contents)
        except UnusableCertificateError as error:
            self._refuse(str(error))
            return
        if certificate is None:
            return
        self._current, self._served_contents = certificate, contents
        self._mark_current()
        self._metrics.count_certificate_load(certificate.not_after)
        self._log.info("certificate loaded", file=str(self._files.cert), expires=_format_expiry(certificate.not_after))

    def problem(self, now: Callable[[], float] = time.time) -> str | None:
        """Return why TLS cannot be served, or None if it can."""
        if self._current is None:
            return f"no certificate: {self._problem}"
        if now() > self._current.not_after:
            return f"the certificate expired at {_format_expiry(self._current.not_after)}"
        return None

    def _load(self, contents: tuple[bytes, ...]) -> Certificate | None:
        """Load the files; return None if they changed while being read (retried at the next poll)."""
        try:
            certificate = load_certificate(self._files, self._rules)
        except UnusableCertificateError:
            if contents != self._contents():
                return None
            raise
        return certificate if contents == self._contents() else None

    def _contents(self) -> tuple[bytes, ...]:
        return tuple(_read(path) for path in self._files if path is not None)

    def _mark_current(self) -> None:
        self._problem = ""
        self._metrics.set_certificate_ok(ok=True)

    def _refuse(self, problem: str) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        self._metrics.count_certificate_load_error()
        self._metrics.set_certificate_ok(ok=False)
        self._log.error("certificate refused", problem=problem, still_serving=self._current is not None)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current.ssl_context
        return None


def _new_ssl_context(rules: TlsRules) -> ssl.SSLContext:
    ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ssl_context.minimum_version = rules.minimum_version
    # The API server speaks HTTP/1.1 to webhooks.
    ssl_context.set_alpn_protocols(["http/1.1"])
    if rules.ciphers:
        ssl_context.set_ciphers(rules.ciphers)
    return ssl_context


def _try_handshake(ssl_context: ssl.SSLContext, cert_file: Path, host: str) -> float:
    """Try a handshake in memory; return when the certificate expires, in seconds since the epoch."""
    client_ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_ssl_context.check_hostname = bool(host)
    client_ssl_context.hostname_checks_common_name = False
    # The API server checks the issuer. All other properties are checked here.
    client_ssl_context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    try:
        client_ssl_context.load_verify_locations(cert_file)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_ssl_context.wrap_bio(to_client, to_server, server_hostname=host or None)
        server = ssl_context.wrap_bio(to_server, to_client, server_side=True)
        waiting = {client.do_handshake, server.do_handshake}
        for step in (client.do_handshake, server.do_handshake) * 3:
            if step in waiting and _is_done(step):
                waiting.discard(step)
        peer = client.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise UnusableCertificateError(f"{cert_file}: {error.verify_message.rstrip('.')}") from None
    except ssl.SSLError as error:
        raise UnusableCertificateError(f"{cert_file}: a handshake with it fails: {error.reason}") from None
    except OSError as error:
        # The file was deleted after the server context read it.
        raise UnusableCertificateError(f"{cert_file} cannot be read: {error.strerror}") from None
    return ssl.cert_time_to_seconds(str(peer["notAfter"]))


def _is_done(step: Callable[[], None]) -> bool:
    try:
        step()
    except ssl.SSLWantReadError:
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableCertificateError(f"{path} cannot be read: {error.strerror}") from None


def _error_text(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return str(error.strerror)
    return getattr(error, "reason", None) or "one of them contains no PEM data"


def _format_expiry(seconds: float) -> str:
    return format_timestamp(datetime.fromtimestamp(seconds, UTC))
