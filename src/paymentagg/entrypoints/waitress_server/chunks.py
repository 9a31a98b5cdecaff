"""Decode chunked bodies (RFC 9112, section 7.1).

waitress copies what is left of a read for each chunk in it, so tiny chunks take time quadratic in their number, and it
keeps the header of a chunk and the trailer in memory without a limit.
"""

import re
from typing import BinaryIO

from waitress.utilities import BadRequest

from paymentagg.entrypoints.waitress_server.bodies import RequestBody

_HEADER = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
"""The size of a chunk and its extensions, which are ignored."""


class ChunkedReceiver:
    """Decodes one chunked body into a buffer."""

    def __init__(self, buf: RequestBody, max_header: int) -> None:
        self.buf = buf
        self.completed = False
        self.error: BadRequest | None = None
        self._max_header = max_header
        self._held = b""  # an incomplete header or trailer
        self._left = 0  # bytes of the current chunk that are to come
        self._ends = b""  # what must follow now: the end of a chunk, or nothing
        self._is_trailer = False

    def __len__(self) -> int:
        return len(self.buf)

    def getfile(self) -> BinaryIO:
        """Return the decoded body as a file at its start."""
        return self.buf.getfile()

    def getbuf(self) -> RequestBody:
        """Return the buffer of the decoded body."""
        return self.buf

    def received(self, data: bytes) -> int:
        """Decode more of the body and return the number of bytes consumed; ``error`` is set if it is invalid."""
        held = len(self._held)
        data = self._held + data
        self._held = b""
        parts: list[bytes] = []
        position = self._decode(data, parts)
        if parts:
            self.buf.append(b"".join(parts))
        if not (self.completed or self.error):
            self._held = data[position:]
            position = len(data)
            if len(self._held) > self._max_header:
                self._fail("the header of a chunk, or the trailer, is too long")
        return position - held

    def _decode(self, data: bytes, parts: list[bytes]) -> int:
        """Append the content of chunks to ``parts`` and return how far the data is decoded."""
        position, length = 0, len(data)
        while position < length and not self._is_trailer:
            if self._left:
                part = data[position : position + self._left]
                parts.append(part)
                position += len(part)
                self._left -= len(part)
                if self._left:
                    return position
                self._ends = b"\r\n"
            if self._ends:
                if not data.startswith(self._ends, position):
                    if not self._ends.startswith(data[position:]):
                        self._fail("a chunk is longer than its size")
                    return position
                position += len(self._ends)
                self._ends = b""
            header = _HEADER.match(data, position)
            if header is None:
                if data.find(b"\n", position) >= 0:
                    self._fail("the size of a chunk is invalid")
                return position
            position = header.end()
            self._left = int(header[1], 16)
            self._is_trailer = not self._left
        return self._skip_trailer(data, position) if self._is_trailer else position

    def _skip_trailer(self, data: bytes, position: int) -> int:
        if data.startswith(b"\r\n", position):
            end = position + 2
        else:
            found = data.find(b"\r\n\r\n", position)
            if found < 0:
                return position
            end = found + 4
        self.completed = True
        return end

    def _fail(self, reason: str) -> None:
        self.error = BadRequest(reason)
