"""The bytes of a snapshot: counted and limited as sent, decompressed, and yielded in chunks."""

import codecs
import enum
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import msgspec

from paymentagg.domain.errors import InvalidSnapshot, SnapshotTooLarge

CHUNK_BYTES = 256 * 1024
"""How much is read and checked at once. Much larger chunks take more memory and aren't faster."""

WHITESPACE = b" \t\r\n"
_GZIP = b"\x1f\x8b"
_GZIP_BYTES = 4 * 1024
"""How much is decompressed at once. zlib copies what follows a member: many tiny members make larger pieces slow."""

EMPTY = "it is empty; to send a snapshot without rows, send []"
_NO_GZIP = "it is declared as gzip but isn't gzip; compress it, or send it without Content-Encoding: gzip"
_BAD_GZIP = "the gzip data is truncated, damaged or followed by other data; compress and send it again"


class Form(enum.Enum):
    """The two forms of a snapshot."""

    ARRAY = enum.auto()
    NDJSON = enum.auto()


class Readable(Protocol):
    """A source of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes, or none at the end."""


@runtime_checkable
class Repeatable(Protocol):
    """A source of bytes that can be read again if it is seekable."""

    def seekable(self) -> bool:
        """Return whether ``seek`` works."""

    def seek(self, offset: int, /) -> int:
        """Continue at ``offset`` bytes from the start of the snapshot; return the new position."""


class Reading(msgspec.Struct, frozen=True):
    """The options for reading a snapshot."""

    max_bytes: int
    """The maximum size, which applies to the bytes as sent and to the decompressed bytes."""
    form: Form | None = None
    """None: recognise it by content."""
    gzipped: bool | None = None
    """None: recognise it by content."""
    on_progress: Callable[[int], None] | None = None
    """Called after each read with the number of bytes read, as sent."""
    chunk_bytes: int = CHUNK_BYTES
    keep_rows: bool = False
    """Whether each rejected row is kept whole, as a ``RejectedRow``."""


class Buffer:
    """The decompressed bytes that aren't parsed yet.

    ``data`` begins at byte ``offset`` of the decompressed snapshot; ``ended`` means that nothing follows ``data``.
    ``skipped_lines`` is the number of line ends in the white space that was skipped.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.data = b""
        self.offset = 0
        self.skipped_lines = 0
        self.ended = False
        self._chunks = chunks

    def fill(self) -> None:
        """Append the next chunk, or set ``ended`` if there is none."""
        chunk = next(self._chunks, b"")
        self.ended = not chunk
        self.data += chunk

    def consume(self, size: int) -> None:
        """Remove the first ``size`` bytes."""
        self.data = self.data[size:]
        self.offset += size

    def skip_whitespace(self) -> None:
        """Remove leading white space."""
        size = len(self.data) - len(self.data.lstrip(WHITESPACE))
        self.skipped_lines += self.data.count(b"\n", 0, size)
        self.consume(size)

    def skip_bom(self) -> None:
        """Remove a leading byte order mark."""
        while len(self.data) < len(codecs.BOM_UTF8) and not self.ended:
            self.fill()
        if self.data.startswith(codecs.BOM_UTF8):
            self.consume(len(codecs.BOM_UTF8))

    def peek(self) -> bytes:
        """Skip white space and return the next byte without consuming it, or no byte at the end."""
        self.skip_whitespace()
        while not (self.data or self.ended):
            self.fill()
            self.skip_whitespace()
        return self.data[:1]


class _LimitedInput(io.RawIOBase):
    """The bytes as sent, counted and limited; each read fills the whole buffer unless the stream ends."""

    def __init__(self, stream: Readable, options: Reading) -> None:
        self._stream = stream
        self._options = options
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]  # io calls it with nothing else
        filled = 0
        while filled < len(buffer):
            chunk = self._stream.read(len(buffer) - filled)
            if not chunk:
                break
            buffer[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
            self._count += len(chunk)
            if self._options.on_progress:
                self._options.on_progress(len(chunk))
            if self._count > self._options.max_bytes:
                raise SnapshotTooLarge(self._options.max_bytes)
        return filled


def expanded(stream: Readable, options: Reading) -> Iterator[bytes]:
    """Yield the decompressed bytes of a snapshot, in chunks of ``chunk_bytes``; the last one may be shorter.

    Raises:
        InvalidSnapshot: the gzip data is missing or damaged.
        SnapshotTooLarge: the snapshot is larger than ``max_bytes``, as sent or decompressed.
    """
    sent = io.BufferedReader(_LimitedInput(stream, options), max(options.chunk_bytes, len(_GZIP)))
    zipped = sent.peek(len(_GZIP)).startswith(_GZIP)
    if options.gzipped and not zipped:
        raise InvalidSnapshot(_NO_GZIP if sent.peek() else EMPTY)
    size = 0
    chunks = _unzipped if zipped and options.gzipped is not False else _plain
    for chunk in chunks(sent, options.chunk_bytes):
        size += len(chunk)
        if size > options.max_bytes:
            raise SnapshotTooLarge(options.max_bytes)
        yield chunk


class Digest:
    """The SHA-256 of the decompressed bytes of a snapshot and of the form in which they are read."""

    def __init__(self, form: Form | None) -> None:
        self._form = form
        self._sha256 = hashlib.sha256()
        self._first = b""
        self.complete = False

    def of(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks as they are; after the last one the digest is ``complete``."""
        for chunk in chunks:
            self._sha256.update(chunk)
            self._first = self._first or chunk.lstrip(WHITESPACE + codecs.BOM_UTF8)[:1]
            yield chunk
        self.complete = True

    def __str__(self) -> str:
        """Return it in hexadecimal digits."""
        form = self._form or (Form.ARRAY if self._first == b"[" else Form.NDJSON)
        whole = self._sha256.copy()
        whole.update(form.name.encode())
        return whole.hexdigest()


def _plain(sent: io.BufferedIOBase, size: int) -> Iterator[bytes]:
    while chunk := sent.read(size):
        yield chunk


def _unzipped(sent: io.BufferedIOBase, size: int) -> Iterator[bytes]:
    """Yield the decompressed bytes of all members (RFC 1952, section 2.2); nothing else may follow, not even NULs.

    The ``gzip`` module skips NULs between members and after them, so it takes some damaged files for whole ones.
    """
    expanded = bytearray()
    data = sent.read(_GZIP_BYTES)
    try:
        while data:
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            while not member.eof:
                chunk = member.decompress(data, size - len(expanded))
                if not (chunk or data or member.eof):
                    raise InvalidSnapshot(_BAD_GZIP)
                expanded += chunk
                if len(expanded) == size:
                    yield bytes(expanded)
                    expanded.clear()
                data = member.unconsumed_tail or (b"" if member.eof else sent.read(_GZIP_BYTES))
            data = member.unused_data or sent.read(_GZIP_BYTES)
    except zlib.error:
        raise InvalidSnapshot(_BAD_GZIP) from None
    if expanded:
        yield bytes(expanded)
