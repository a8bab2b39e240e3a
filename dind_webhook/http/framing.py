"""Cuts the input of a connection so that the parser gets one request at a time (RFC 9112, section 6).

httptools cannot be paused: it parses all of the input that it is given.
"""

from dind_webhook.http.limits import MAX_HEAD_BYTES

_END_OF_HEAD = b"\r\n\r\n"
# The longest piece of a chunked body
_CHUNKED_PIECE_BYTES = 4 * 1024


class MessageFramer:
    """Cuts input into pieces that hold parts of one request only.

    A piece ends at the end of a head or of a body, or at the end of the input. The protocol reports what the parser
    found: `head_complete`, `body_received`, `message_complete`.
    """

    def __init__(self) -> None:
        self.unparsed = b""
        self.message_complete()

    def message_complete(self) -> None:
        """Expect the head of a request next."""
        self.is_in_head = True
        self._body_left = -1
        self.bytes_without_body = 0
        # The end of the previous piece: the blank line after a head may begin there.
        self._tail = b""

    def head_complete(self, body_length: int) -> None:
        """Expect a body of `body_length` bytes; -1 for a chunked body."""
        self.is_in_head = False
        self._body_left = body_length

    def body_received(self, count: int) -> None:
        """Note that `count` bytes of the body were parsed."""
        self.bytes_without_body = 0
        if self._body_left > 0:
            self._body_left -= count

    def add(self, data: bytes) -> None:
        """Add input."""
        self.unparsed = self.unparsed + data if self.unparsed else data

    def next_piece(self) -> bytes:
        """Return the next piece for the parser; empty if the head is too large."""
        data = self.unparsed
        end = self._body_left
        is_sized = end > 0
        if not is_sized:
            # A chunked body ends with a blank line, as a head does.
            end = (self._tail + data).find(_END_OF_HEAD)
            end = len(data) if end < 0 else end + len(_END_OF_HEAD) - len(self._tail)
            if not self.is_in_head and end > _CHUNKED_PIECE_BYTES:
                end = _CHUNKED_PIECE_BYTES
        if end >= len(data):
            self.unparsed = b""
        else:
            self.unparsed, data = data[end:], data[:end]
        # The limit counts the bytes since the last body byte.
        too_large = self.bytes_without_body > MAX_HEAD_BYTES
        self.bytes_without_body += len(data)
        if too_large or (self.is_in_head and self.bytes_without_body > MAX_HEAD_BYTES):
            return b""
        if not is_sized:
            self._tail = b"" if data.endswith(_END_OF_HEAD) else data[1 - len(_END_OF_HEAD) :]
        return data
