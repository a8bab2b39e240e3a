"""Writes to a client no faster than the client reads."""

import asyncio
from collections import deque
from typing import Any

# Half a TLS record. OpenSSL's buffers keep the size of the largest write for as long as the connection lives.
_WRITE_BYTES = 8 * 1024


class PacedTransport:
    """A transport that writes in small pieces, and only while the transport below accepts more.

    `below` is the TLS transport, or the socket's if there is no TLS; `socket` is the socket's transport.
    """

    def __init__(self, below: asyncio.Transport, socket: asyncio.Transport) -> None:
        self._below = below
        self._socket = socket
        self._is_encrypted = below is not socket
        self._waiting: deque[memoryview] = deque()
        self._is_paused = self._is_closing = False
        if self._is_encrypted:
            # TLS pauses us as soon as the socket accepts no more, and reads ahead one record at most.
            below.set_write_buffer_limits(high=1)
            below.set_read_buffer_limits(high=_WRITE_BYTES)  # type: ignore[attr-defined]  # of TLS transports

    @property
    def unsent_bytes(self) -> int:
        """Return how many bytes were written and not yet received by the client."""
        unsent = self._socket.get_write_buffer_size() + sum(map(len, self._waiting))
        return unsent + self._below.get_write_buffer_size() if self._is_encrypted else unsent

    @property
    def undecrypted_bytes(self) -> int:
        """Return how many bytes were received and not yet decrypted."""
        return self._below.get_read_buffer_size() if self._is_encrypted else 0  # type: ignore[attr-defined]

    def write(self, data: Any) -> None:
        if self._is_closing:
            return
        if not self._waiting and len(data) <= _WRITE_BYTES:
            self._below.write(data)
            return
        self._waiting.append(memoryview(data))
        self._write_held_back()

    def pause(self) -> None:
        """Write nothing until `resume` is called."""
        self._is_paused = True

    def resume(self) -> bool:
        """Write again; return whether all held-back data is written."""
        self._is_paused = False
        self._write_held_back()
        return not self._waiting

    def _write_held_back(self) -> None:
        while self._waiting and not self._is_paused:
            data = self._waiting.popleft()
            if len(data) > _WRITE_BYTES:
                self._waiting.appendleft(data[_WRITE_BYTES:])
            self._below.write(data[:_WRITE_BYTES])
        if self._is_closing and not self._waiting:
            self._below.close()

    def close(self) -> None:
        self._is_closing = True
        self._write_held_back()

    def abort(self) -> None:
        self._is_closing = True
        self._waiting.clear()
        self._socket.abort()

    def is_closing(self) -> bool:
        return self._is_closing or self._below.is_closing()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)
