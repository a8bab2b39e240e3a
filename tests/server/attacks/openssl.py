"""A TLS client on OpenSSL itself, for records that Python's ssl module does not write."""

import ctypes
import socket
from typing import Any

_SSL, _CRYPTO = ctypes.CDLL("libssl.so.3"), ctypes.CDLL("libcrypto.so.3")
_READ_BYTES = 1 << 16
_UPDATE_REQUESTED = 1


def _function(library: Any, name: str, result: Any, *arguments: Any) -> Any:
    found = getattr(library, name)
    found.restype, found.argtypes = result, arguments
    return found


_P, _INT, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
_client_method = _function(_SSL, "TLS_client_method", _P)
_new_context = _function(_SSL, "SSL_CTX_new", _P, _P)
_new = _function(_SSL, "SSL_new", _P, _P)
_free = _function(_SSL, "SSL_free", None, _P)
_set_bio = _function(_SSL, "SSL_set_bio", None, _P, _P, _P)
_set_connect_state = _function(_SSL, "SSL_set_connect_state", None, _P)
_handshake = _function(_SSL, "SSL_do_handshake", _INT, _P)
_key_update = _function(_SSL, "SSL_key_update", _INT, _P, _INT)
_write = _function(_SSL, "SSL_write", _INT, _P, _TEXT, _INT)
_memory = _function(_CRYPTO, "BIO_s_mem", _P)
_new_bio = _function(_CRYPTO, "BIO_new", _P, _P)
_bio_read = _function(_CRYPTO, "BIO_read", _INT, _P, _TEXT, _INT)
_bio_write = _function(_CRYPTO, "BIO_write", _INT, _P, _TEXT, _INT)
_CONTEXT = _new_context(_client_method())


class TlsClient:
    """A connection with TLS 1.3. Records are returned, not sent."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self._ssl = _new(_CONTEXT)
        self._in, self._out = _new_bio(_memory()), _new_bio(_memory())
        _set_bio(self._ssl, self._in, self._out)
        _set_connect_state(self._ssl)
        while _handshake(self._ssl) != 1:
            raw.sendall(self._records())
            received = raw.recv(_READ_BYTES)
            if not received:
                raise ConnectionError("the server closed the connection")
            _bio_write(self._in, received, len(received))
        raw.sendall(self._records())

    def close(self) -> None:
        self.raw.close()
        _free(self._ssl)

    def key_updates(self, count: int) -> bytes:
        """Return records that each ask the server to change its keys, and to answer so."""
        for _ in range(count):
            _key_update(self._ssl, _UPDATE_REQUESTED)
            _handshake(self._ssl)
        return self._records()

    def records_of_one_byte(self, content: bytes) -> bytes:
        """Return a record for each byte."""
        for byte in content:
            _write(self._ssl, bytes([byte]), 1)
        return self._records()

    def _records(self) -> bytes:
        buffer, records = ctypes.create_string_buffer(_READ_BYTES), b""
        while (count := _bio_read(self._out, buffer, _READ_BYTES)) > 0:
            records += buffer.raw[:count]
        return records
