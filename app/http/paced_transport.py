"""Writing to a client no faster than it reads."""

import asyncio
from collections import deque
from typing import Any

# Half a TLS record. OpenSSL's buffers keep the size of the largest write for as long as the connection lives.
_PIECE_BYTES = 8 * 1024


class PacedTransport:
    """A transport that passes on what it is to write in pieces, and only while the transport below takes them.

    `below` is that of TLS where there is TLS, `socket` that of the socket; the same where there is none.
    """

    def __init__(self, below: asyncio.Transport, socket: asyncio.Transport) -> None:
        self._below = below
        self._socket = socket
        self._is_encrypted = below is not socket
        self._waiting: deque[memoryview] = deque()
        self._is_paused = self._closes = False
        if self._is_encrypted:
            # Told as soon as the socket takes no more; and no more is read ahead than a record.
            below.set_write_buffer_limits(high=1)
            below.set_read_buffer_limits(high=_PIECE_BYTES)  # type: ignore[attr-defined]  # of TLS transports

    @property
    def unsent_bytes(self) -> int:
        """How much was written and not taken by the client."""
        unsent = self._socket.get_write_buffer_size() + sum(map(len, self._waiting))
        return unsent + self._below.get_write_buffer_size() if self._is_encrypted else unsent

    @property
    def unread_bytes(self) -> int:
        """How much was received and is not decrypted yet."""
        return self._below.get_read_buffer_size() if self._is_encrypted else 0  # type: ignore[attr-defined]

    def write(self, data: Any) -> None:
        if self._closes:
            return
        if not self._waiting and len(data) <= _PIECE_BYTES:
            self._below.write(data)
            return
        self._waiting.append(memoryview(data))
        self._pass_on()

    def pause(self) -> None:
        """Pass nothing on for now."""
        self._is_paused = True

    def resume(self) -> bool:
        """Pass on again; return whether nothing is left that waits."""
        self._is_paused = False
        self._pass_on()
        return not self._waiting

    def _pass_on(self) -> None:
        while self._waiting and not self._is_paused:
            data = self._waiting.popleft()
            if len(data) > _PIECE_BYTES:
                self._waiting.appendleft(data[_PIECE_BYTES:])
            self._below.write(data[:_PIECE_BYTES])
        if self._closes and not self._waiting:
            self._below.close()

    def close(self) -> None:
        self._closes = True
        self._pass_on()

    def abort(self) -> None:
        self._closes = True
        self._waiting.clear()
        self._socket.abort()

    def is_closing(self) -> bool:
        return self._closes or self._below.is_closing()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)
