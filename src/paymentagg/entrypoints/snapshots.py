"""From the bytes of a snapshot to batches of checked rows, lazily and in bounded memory.

A snapshot is a JSON array of rows or one row a line (NDJSON), in UTF-8, maybe gzipped. It is read whole or it is
refused: the errors come while the batches are drawn, so the rows count only when the last batch was drawn.
"""

import codecs
import enum
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from typing import AnyStr, Generic, NoReturn, Protocol, cast

import msgspec

from paymentagg.domain.errors import InvalidSnapshot, SnapshotTooLarge
from paymentagg.domain.model import Patient, Payment, RecordT
from paymentagg.domain.ports import Batch
from paymentagg.entrypoints.records import (
    LOOKAHEAD,
    MAX_ROW_BYTES,
    Incomplete,
    Malformed,
    RowReader,
    parse,
    patient_rows,
    payment_rows,
)

CHUNK_BYTES = 256 * 1024
"""How much is read and checked at once: much larger doesn't get faster, only larger."""

_SPACE = b" \t\r\n"
_GZIP = b"\x1f\x8b"

_EMPTY = "it is empty; the snapshot of no rows at all is []"
_NO_SNAPSHOT = (
    "it must begin with [, as a JSON array of rows, or with {, as one JSON object a line; in UTF-8, gzipped or not"
)
_NO_ARRAY = "a JSON array of rows is needed, so it must begin with ["
_WRAPPER = "it is a single object without externalId, so no row; send the array of rows itself, without a wrapper"
_NO_UTF8 = "this is not UTF-8; save the snapshot in UTF-8"
_NO_GZIP = "it was said to be gzipped, but isn't"
_BAD_GZIP = "the gzip data is cut off, damaged or followed by something else; compress and send it again"
_ROW_TOO_LARGE = f"a row is larger than {MAX_ROW_BYTES} bytes"
_NO_END = "it ends before the ] of the array; it was cut off, so send it again"
_TRAILING_COMMA = "a row must follow the comma"
_NO_COMMA = "a comma or the ] of the array must follow a row"
_AFTER_END = "nothing may follow the ] of the array"
_ARRAY_IN_LINES = "this line is an array, not a row; one JSON object a line is needed"
_TWO_IN_LINE = "something follows the row; one JSON object a line is needed"


class Form(enum.Enum):
    """The two forms of a snapshot."""

    ARRAY = enum.auto()
    NDJSON = enum.auto()


class Readable(Protocol):
    """A source of bytes: ``read(n)`` returns at most *n* bytes, maybe fewer, and none only at the end."""

    def read(self, size: int, /) -> bytes: ...


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


def read_patients(stream: Readable, options: Reading) -> Iterator[Batch[Patient]]:
    """Yield the patients of a snapshot, batch by batch.

    Raises:
        InvalidSnapshot: it can't be read whole.
        SnapshotTooLarge: it is larger than the options allow.
    """
    return _read(patient_rows(), stream, options)


def read_payments(stream: Readable, options: Reading) -> Iterator[Batch[Payment]]:
    """Yield the payments of a snapshot, batch by batch. *Raises* what ``read_patients`` raises."""
    return _read(payment_rows(), stream, options)


def _read(rows: RowReader[RecordT], stream: Readable, options: Reading) -> Iterator[Batch[RecordT]]:
    unread = _Unread(_expanded(stream, options))
    unread.skip_mark()
    first = unread.first()
    if not first:
        raise InvalidSnapshot(_EMPTY, offset=unread.offset)
    if options.form is None and first not in b"[{":
        raise InvalidSnapshot(_NO_SNAPSHOT, offset=unread.offset)
    if options.form is Form.ARRAY and first != b"[":
        raise InvalidSnapshot(_NO_ARRAY, offset=unread.offset)
    if options.form is Form.NDJSON or first == b"{":
        yield from _Lines(unread, rows, may_be_wrapper=options.form is None).batches()
    else:
        yield from _Array(unread, rows).batches()


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


def _expanded(stream: Readable, options: Reading) -> Iterator[bytes]:
    """Yield the bytes of a snapshot without compression, in chunks that are full, the last one apart."""
    sent = io.BufferedReader(_Sent(stream, options), max(options.chunk_bytes, len(_GZIP)))
    zipped = sent.peek(len(_GZIP)).startswith(_GZIP)
    if options.gzipped and not zipped:
        raise InvalidSnapshot(_NO_GZIP if sent.peek() else _EMPTY)
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


class _Unread:
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
        self.drop(len(self.data) - len(self.data.lstrip(_SPACE)))

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


class _Place(enum.Enum):
    """Where in an array we stand, by what may come next."""

    FIRST_ROW_OR_END = enum.auto()
    ROW = enum.auto()
    COMMA_OR_END = enum.auto()
    NOTHING = enum.auto()


_NEIGHBOURHOOD = 4 * 1024

_BEFORE_ROW = (_Place.FIRST_ROW_OR_END, _Place.ROW)
_GAP = re.compile(rb"[ \t\r\n]*")
_TEXT_GAP = re.compile(r"[ \t\r\n]*")
_COMMA = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")


class _Array(Generic[RecordT]):
    """The rows of a JSON array."""

    def __init__(self, unread: _Unread, rows: RowReader[RecordT]) -> None:
        self._unread = unread
        self._rows: RowReader[RecordT] = rows
        self._place = _Place.FIRST_ROW_OR_END

    def batches(self) -> Iterator[Batch[RecordT]]:
        self._unread.drop(len(b"["))
        while True:
            yield from self._drain()
            if self._unread.ended:
                break
            self._unread.more()
        if self._place is not _Place.NOTHING:
            raise InvalidSnapshot(_NO_END, offset=self._unread.offset)

    def _drain(self) -> Iterator[Batch[RecordT]]:
        """Take all whole rows that are there: quickly, but for the neighbourhood of rows that aren't plain."""
        if batch := self._quick(len(self._unread.data)):
            yield batch
        offset = -1
        while offset != self._unread.offset:
            offset = self._unread.offset
            if batch := self._quick(_NEIGHBOURHOOD) or self._thorough(_NEIGHBOURHOOD):
                yield batch
        if batch := self._thorough(len(self._unread.data)):
            yield batch

    def _quick(self, reach: int) -> Batch[RecordT] | None:
        """Take as many whole rows as there are within reach, if they are all plain."""
        if self._place is _Place.NOTHING:
            return None
        gap = _COMMA if self._place is _Place.COMMA_OR_END else _GAP
        found = gap.match(self._unread.data)
        taken = self._rows.quick_rows(self._unread.data, found.end(), reach) if found else None
        if taken is None:
            return None
        batch, end = taken
        self._unread.drop(end)
        self._place = _Place.COMMA_OR_END
        return batch

    def _thorough(self, reach: int) -> Batch[RecordT] | None:
        """Take as much as there is within reach, row by row, and find what is wrong with it."""
        data = self._unread.data[:reach]
        ended = self._unread.ended and len(data) == len(self._unread.data)
        faulty = False
        try:
            text, known = codecs.utf_8_decode(data, "strict", ended)
        except UnicodeDecodeError as error:
            faulty = True
            text, known = data[: error.start].decode(), error.start
        used = _size(text, 0, self._walk(text, whole=ended and not faulty))
        # The slack lets a fault within the first MAX_ROW_BYTES be found first, however the chunks were cut.
        if self._place in _BEFORE_ROW and known - used > MAX_ROW_BYTES + 4 * LOOKAHEAD:
            self._refuse(_ROW_TOO_LARGE, used)
        if faulty:
            self._refuse(_NO_UTF8, known)
        self._unread.drop(used)
        return self._rows.take()

    def _walk(self, text: str, *, whole: bool) -> int:
        """Take rows, commas and the end; return the position where more text is needed."""
        position = 0
        while (position := _behind(_TEXT_GAP, text, position)) < len(text):
            character = text[position]
            if self._place is _Place.NOTHING:
                self._refuse(_AFTER_END, _size(text, 0, position))
            elif character == "]" and self._place is not _Place.ROW:
                self._place = _Place.NOTHING
                position += 1
            elif character == "]":
                self._refuse(_TRAILING_COMMA, _size(text, 0, position))
            elif self._place is not _Place.COMMA_OR_END:
                end = self._row(text, position, whole=whole)
                if end is None:
                    break
                self._place = _Place.COMMA_OR_END
                position = end
            elif character == ",":
                self._place = _Place.ROW
                position += 1
            else:
                self._refuse(_NO_COMMA, _size(text, 0, position))
        return position

    def _row(self, text: str, start: int, *, whole: bool) -> int | None:
        """Take the row at ``start``; return the position behind it, None if it may go on behind the text."""
        try:
            row, end = parse(text, start, whole=whole)
        except Incomplete:
            return None
        except Malformed as error:
            if _size(text, start, error.position) > MAX_ROW_BYTES:
                self._refuse(_ROW_TOO_LARGE, _size(text, 0, start))
            self._refuse(error.reason, _size(text, 0, error.position))
        if 4 * (end - start) > MAX_ROW_BYTES and _size(text, start, end) > MAX_ROW_BYTES:
            self._refuse(_ROW_TOO_LARGE, _size(text, 0, start))
        self._rows.add(row)
        return end

    def _refuse(self, reason: str, position: int) -> NoReturn:
        """Refuse the snapshot for what is at the position, in bytes of what is unread."""
        row = self._rows.rows + 1 if self._place in _BEFORE_ROW else None
        raise InvalidSnapshot(reason, offset=self._unread.offset + position, row=row)


class _Lines(Generic[RecordT]):
    """The rows of NDJSON, one a line."""

    def __init__(self, unread: _Unread, rows: RowReader[RecordT], *, may_be_wrapper: bool) -> None:
        self._unread = unread
        self._rows: RowReader[RecordT] = rows
        self._may_be_wrapper = may_be_wrapper

    def batches(self) -> Iterator[Batch[RecordT]]:
        batch: Batch[RecordT] | None = None
        while True:
            for batch in self._drain():
                yield batch
            self._unread.strip()
            if len(self._unread.data) > MAX_ROW_BYTES:
                self._refuse(_ROW_TOO_LARGE, 0)
            if self._unread.ended:
                break
            self._unread.more()
        if self._may_be_wrapper and self._rows.rows == 1 and batch and _lacks_external_id(batch):
            raise InvalidSnapshot(_WRAPPER, row=1)

    def _drain(self) -> Iterator[Batch[RecordT]]:
        """Take all whole lines that are there: quickly, but for the neighbourhood of rows that aren't plain."""
        lines = self._lines(len(self._unread.data))
        if batch := self._rows.quick_lines(lines):
            self._unread.drop(len(lines))
            yield batch
        while lines := self._lines(_NEIGHBOURHOOD):
            if batch := self._rows.quick_lines(lines) or self._thorough(lines):
                yield batch
            self._unread.drop(len(lines))

    def _lines(self, reach: int) -> bytes:
        """Return the whole lines within reach, or else the one that begins there, or else nothing."""
        data = self._unread.data
        if self._unread.ended and len(data) <= reach:
            return data
        end = data.rfind(b"\n", 0, reach) + 1 or data.find(b"\n") + 1
        return data if self._unread.ended and not end else data[:end]

    def _thorough(self, lines: bytes) -> Batch[RecordT] | None:
        """Take the rows one by one, and find what is wrong with them."""
        start = _behind(_GAP, lines, 0)
        while start < len(lines):
            end = lines.find(b"\n", start)
            end = end if end >= 0 else len(lines)
            self._row(lines[start:end], start)
            start = _behind(_GAP, lines, end)
        return self._rows.take()

    def _row(self, line: bytes, start: int) -> None:
        if len(line) > MAX_ROW_BYTES:
            self._refuse(_ROW_TOO_LARGE, start)
        try:
            text = line.rstrip(_SPACE).decode()
        except UnicodeDecodeError as error:
            self._refuse(_NO_UTF8, start + error.start)
        try:
            row, end = parse(text, 0, whole=True)
        except Malformed as error:
            self._refuse(error.reason, start + _size(text, 0, error.position))
        if end < len(text):
            self._refuse(_TWO_IN_LINE, start + _size(text, 0, end))
        if isinstance(row, list):
            self._refuse(_ARRAY_IN_LINES, start)
        self._rows.add(row)

    def _refuse(self, reason: str, position: int) -> NoReturn:
        """Refuse the snapshot for what is at the position, in bytes of what is unread."""
        raise InvalidSnapshot(reason, offset=self._unread.offset + position, row=self._rows.rows + 1)


def _behind(gap: re.Pattern[AnyStr], text: AnyStr, start: int) -> int:
    found = gap.match(text, start)
    return found.end() if found else start


def _size(text: str, start: int, end: int) -> int:
    """Return how many bytes the characters from ``start`` to ``end`` take."""
    return len(text[start:end].encode())


def _lacks_external_id(batch: Batch[RecordT]) -> bool:
    return any(rejection.field == "externalId" and rejection.code == "missing" for rejection in batch.rejections)
