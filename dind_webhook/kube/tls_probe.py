"""Finds the certificate that a server has, and whether the API server would trust it."""

import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol

from dind_webhook.errors import ApiError
from dind_webhook.kube.api_errors import describe_cause

_SECONDS = 10
_CHUNK = 16 * 1024
# X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED: the chain is complete otherwise.
_VALIDITY_PERIOD_ERRORS = (9, 10)


class ProbedCertificate(NamedTuple):
    """A served certificate in DER, and why the CA bundle does not trust it; None if it does."""

    certificate: bytes
    trust_error: str | None


class Stream(Protocol):
    """The part of a socket that a handshake needs."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


def connect_to(host: str, port: int) -> Stream:
    """Return a connection; ApiError if nothing listens there."""
    try:
        return socket.create_connection((host, port), timeout=_SECONDS)
    except OSError as error:
        raise ApiError(f"{host}:{port} does not answer: {describe_cause(error)}") from None


def probe_tls(connect: Callable[[], Stream], server_name: str, bundle: bytes) -> ProbedCertificate:
    """Return the certificate that is served for a name, verified with a PEM bundle, or the system's CAs without one.

    Expiry and names are not checked: the caller can read both from the certificate. Raise ApiError if nothing answers,
    or the answer is not TLS.
    """
    # Two handshakes: the first one does not verify, so it also gets a certificate that is not trusted.
    _, certificate = _handshake(connect, _unverified_context(), server_name)
    try:
        verifying = _unverified_context()
        verifying.check_hostname = False
        verifying.verify_mode = ssl.CERT_REQUIRED
        # As in Go, any certificate in the bundle is a trust anchor, even if it is not self-signed.
        verifying.verify_flags = ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
        if bundle:
            verifying.load_verify_locations(cadata=bundle.decode("ascii"))
        else:
            verifying.load_default_certs(ssl.Purpose.SERVER_AUTH)
    except (ssl.SSLError, ValueError):
        return ProbedCertificate(certificate, "the CA bundle is malformed")
    trust_error, _ = _handshake(connect, verifying, server_name)
    return ProbedCertificate(certificate, trust_error)


def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _handshake(connect: Callable[[], Stream], context: ssl.SSLContext, server_name: str) -> tuple[str | None, bytes]:
    """Do a handshake; return why the certificate is not trusted, or None, and the certificate if it is."""
    stream = connect()
    try:
        stream.settimeout(_SECONDS)
        return None, _complete_handshake(stream, context, server_name)
    except ssl.SSLCertVerificationError as error:
        return (None if error.verify_code in _VALIDITY_PERIOD_ERRORS else error.verify_message), b""
    except ssl.SSLError as error:
        raise ApiError(f"the server does not speak TLS: {describe_cause(error)}") from None
    except OSError as error:
        raise ApiError(f"the connection broke: {describe_cause(error)}") from None
    finally:
        stream.close()


def _complete_handshake(stream: Stream, context: ssl.SSLContext, server_name: str) -> bytes:
    # ssl cannot wrap a port-forward, which is not a socket.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            stream.sendall(outgoing.read())
            received = stream.recv(_CHUNK)
            if not received:
                raise ConnectionResetError("the server closed it") from None
            incoming.write(received)
    stream.sendall(outgoing.read())
    return tls.getpeercert(binary_form=True) or b""
