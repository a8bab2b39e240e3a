"""Where requests begin and end in the bytes of a connection (RFC 9112, section 6), as far as is seen before parsing."""

# Of a head, and of what follows the last byte of a body that is not a body: trailers, extensions of chunks
MOST_HEAD_BYTES = 32 * 1024
_END_OF_HEAD = b"\r\n\r\n"
# How much of a body of unknown length is parsed at a time
_PIECE_BYTES = 4 * 1024


class MessageFramer:
    """Cuts the bytes of a connection into pieces for the parser, so that no piece has more than one request in it.

    A piece ends where a head or a body does, or else with what is here. The parser says what it has found:
    `head_complete`, `body_received`, `message_complete`.
    """

    def __init__(self) -> None:
        self.unparsed = b""
        self.message_complete()

    def message_complete(self) -> None:
        """Expect the head of a request next."""
        self.is_in_head = True
        self._body_left = -1
        self.bytes_without_body = 0
        # The end of the last piece, where the end of the head may have begun
        self._tail = b""

    def head_complete(self, body_length: int) -> None:
        """Expect a body of so many bytes, -1 for chunks."""
        self.is_in_head = False
        self._body_left = body_length

    def body_received(self, count: int) -> None:
        """Note that so many bytes of the body were parsed."""
        self.bytes_without_body = 0
        if self._body_left > 0:
            self._body_left -= count

    def add(self, data: bytes) -> None:
        """Take what was received."""
        self.unparsed = self.unparsed + data if self.unparsed else data

    def next_piece(self) -> bytes:
        """Return what is to be parsed next of what is here; nothing where there is more of a head than is accepted."""
        data = self.unparsed
        end = self._body_left
        is_sized = end > 0
        if not is_sized:
            # A body of chunks ends as a head does.
            end = (self._tail + data).find(_END_OF_HEAD)
            end = len(data) if end < 0 else end + len(_END_OF_HEAD) - len(self._tail)
            if not self.is_in_head and end > _PIECE_BYTES:
                end = _PIECE_BYTES
        if end >= len(data):
            self.unparsed = b""
        else:
            self.unparsed, data = data[end:], data[:end]
        # A piece of a body may be of any length: what counts is what came without any of it.
        too_large = self.bytes_without_body > MOST_HEAD_BYTES
        self.bytes_without_body += len(data)
        if too_large or (self.is_in_head and self.bytes_without_body > MOST_HEAD_BYTES):
            return b""
        if not is_sized:
            self._tail = b"" if data.endswith(_END_OF_HEAD) else data[1 - len(_END_OF_HEAD) :]
        return data
