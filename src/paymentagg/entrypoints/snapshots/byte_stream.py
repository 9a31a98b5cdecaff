"""The bytes of a snapshot: counted and bounded as sent, unzipped, and handed on chunk by chunk."""

import codecs
import enum
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol, cast, runtime_checkable

import msgspec

from paymentagg.domain.errors import InvalidSnapshot, SnapshotTooLarge

CHUNK_BYTES = 256 * 1024
"""How much is read and checked at once: much larger doesn't get faster, only larger."""

_DIGEST_BYTES = 1024 * 1024

SPACE = b" \t\r\n"
_GZIP = b"\x1f\x8b"

EMPTY = "it is empty; the snapshot of no rows at all is []"
_NO_GZIP = "it was said to be gzipped, but isn't"
_BAD_GZIP = "the gzip data is cut off, damaged or followed by something else; compress and send it again"


class Form(enum.Enum):
    """The two forms of a snapshot."""

    ARRAY = enum.auto()
    NDJSON = enum.auto()


class Readable(Protocol):
    """A source of bytes: ``read(n)`` returns at most *n* bytes, maybe fewer, and none only at the end."""

    def read(self, size: int, /) -> bytes: ...


@runtime_checkable
class Repeatable(Protocol):
    """A source that may be seekable, and then can be read again from its start, which is 0."""

    def seekable(self) -> bool: ...

    def seek(self, offset: int, /) -> int: ...


class Reading(msgspec.Struct, frozen=True):
    """How a snapshot is to be read."""

    max_bytes: int
    """How large it may be, as sent and expanded."""
    form: Form | None = None
    """None: recognise it by content."""
    gzipped: bool | None = None
    """None: recognise it by content."""
    on_progress: Callable[[int], None] | None = None
    """Called after each read with the number of bytes, as sent, that it took."""
    chunk_bytes: int = CHUNK_BYTES


def digest_of(stream: Readable, manner: bytes, max_bytes: int) -> str:
    """Return the SHA-256 of the manner of reading and the bytes as sent, in hexadecimal digits.

    Raises:
        SnapshotTooLarge: there are more bytes than that.
    """
    digest = hashlib.sha256(manner)
    size = 0
    while chunk := stream.read(_DIGEST_BYTES):
        digest.update(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise SnapshotTooLarge(max_bytes)
    return digest.hexdigest()


class Unread:
    """The expanded bytes that were not made rows yet: ``data``, the first of which is the ``offset``-th of all."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.data = b""
        self.offset = 0
        self.ended = False
        self._chunks = chunks

    def more(self) -> None:
        """Append the next chunk, or note that there is none."""
        chunk = next(self._chunks, b"")
        self.ended = not chunk
        self.data += chunk

    def drop(self, size: int) -> None:
        """Take ``size`` bytes off the front."""
        self.data = self.data[size:]
        self.offset += size

    def strip(self) -> None:
        """Take the white space off the front."""
        self.drop(len(self.data) - len(self.data.lstrip(SPACE)))

    def skip_mark(self) -> None:
        """Take a byte order mark off the front."""
        while len(self.data) < len(codecs.BOM_UTF8) and not self.ended:
            self.more()
        if self.data.startswith(codecs.BOM_UTF8):
            self.drop(len(codecs.BOM_UTF8))

    def first(self) -> bytes:
        """Return the first byte that is no white space, none at the end."""
        self.strip()
        while not (self.data or self.ended):
            self.more()
            self.strip()
        return self.data[:1]


class _Sent(io.RawIOBase):
    """The bytes as sent: counted, held against the limit, and read until a buffer is full."""

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
    """Yield the bytes of a snapshot without compression, in chunks that are full, the last one apart."""
    sent = io.BufferedReader(_Sent(stream, options), max(options.chunk_bytes, len(_GZIP)))
    zipped = sent.peek(len(_GZIP)).startswith(_GZIP)
    if options.gzipped and not zipped:
        raise InvalidSnapshot(_NO_GZIP if sent.peek() else EMPTY)
    source: io.BufferedIOBase = sent
    if zipped and options.gzipped is not False:
        source = cast(io.BufferedIOBase, gzip.GzipFile(fileobj=sent))
    size = 0
    while chunk := _chunk(source, options.chunk_bytes):
        size += len(chunk)
        if size > options.max_bytes:
            raise SnapshotTooLarge(options.max_bytes)
        yield chunk


def _chunk(source: io.BufferedIOBase, size: int) -> bytes:
    try:
        return source.read(size)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InvalidSnapshot(_BAD_GZIP) from None
