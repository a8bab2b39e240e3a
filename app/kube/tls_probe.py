"""What certificate is served somewhere, and whether the API server would trust it."""

import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol

from app.errors import ApiError
from app.kube.api_errors import describe_cause

_SECONDS = 10
_CHUNK = 16 * 1024
# X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED: said of a chain that is complete otherwise.
_ABOUT_TIME = (9, 10)


class ProbedCertificate(NamedTuple):
    """The certificate that is served, in DER, and why a bundle of CAs does not lead to it, None where it does."""

    certificate: bytes
    trust_error: str | None


class Stream(Protocol):
    """What a handshake needs of a socket."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


def connect_to(host: str, port: int) -> Stream:
    """Return a connection; ApiError where nobody is there."""
    try:
        return socket.create_connection((host, port), timeout=_SECONDS)
    except OSError as error:
        raise ApiError(f"{host}:{port} does not answer: {describe_cause(error)}") from None


def probe_tls(connect: Callable[[], Stream], server_name: str, bundle: bytes) -> ProbedCertificate:
    """Return what is served under a name, held against the PEM certificates of a bundle, or the system's without one.

    Time and names are the caller's to judge: both can be read from the certificate. ApiError where nobody answers, or
    no TLS.
    """
    # Two, so that a certificate that is not trusted can still be looked at.
    _, certificate = _shake(connect, _context(), server_name)
    try:
        trusting = _context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_REQUIRED
        # As Go does: any certificate in the bundle is an anchor, self-signed or not.
        trusting.verify_flags = ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
        if bundle:
            trusting.load_verify_locations(cadata=bundle.decode("ascii"))
        else:
            trusting.load_default_certs(ssl.Purpose.SERVER_AUTH)
    except (ssl.SSLError, ValueError):
        return ProbedCertificate(certificate, "the bundle cannot be read")
    trust_error, _ = _shake(connect, trusting, server_name)
    return ProbedCertificate(certificate, trust_error)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _shake(connect: Callable[[], Stream], context: ssl.SSLContext, server_name: str) -> tuple[str | None, bytes]:
    """Return why the certificate is not trusted, and the certificate, which is empty then."""
    stream = connect()
    try:
        stream.settimeout(_SECONDS)
        return None, _drive(stream, context, server_name)
    except ssl.SSLCertVerificationError as error:
        return (None if error.verify_code in _ABOUT_TIME else error.verify_message), b""
    except ssl.SSLError as error:
        raise ApiError(f"what answers speaks no TLS: {describe_cause(error)}") from None
    except OSError as error:
        raise ApiError(f"the connection broke: {describe_cause(error)}") from None
    finally:
        stream.close()


def _drive(stream: Stream, context: ssl.SSLContext, server_name: str) -> bytes:
    # In memory: a connection through the API server is no socket that ssl could wrap.
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
                raise ConnectionResetError("it was closed") from None
            incoming.write(received)
    stream.sendall(outgoing.read())
    return tls.getpeercert(binary_form=True) or b""
