"""Splits a snapshot, a JSON array or NDJSON, into rows."""

import codecs
import enum
import re
from collections.abc import Iterator
from typing import AnyStr, Generic, NoReturn

from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import RecordT
from paymentagg.domain.ports import Batch
from paymentagg.entrypoints.snapshots.byte_stream import WHITESPACE, Buffer
from paymentagg.entrypoints.snapshots.row_reader import (
    LOOKAHEAD,
    MAX_ROW_BYTES,
    Incomplete,
    Malformed,
    RowReader,
    parse,
)

_WRAPPER = (
    "it is a single object without externalId, so it isn't a row; send the array of rows itself, without a wrapper"
)
_NOT_UTF8 = "this is not UTF-8; save the snapshot in UTF-8"
_ROW_TOO_LARGE = f"a row is larger than {MAX_ROW_BYTES} bytes; leave out the fields that a row doesn't need"
_NO_END = "it ends before the ] of the array, so it is truncated; send it again"
_TRAILING_COMMA = "a row must follow the comma; remove the comma before the ]"
_NO_COMMA = "a comma or the ] of the array must follow a row"
_AFTER_END = "nothing may follow the ] of the array"
_ARRAY_IN_LINES = "this line is an array, not a row; send one JSON object per line"
_TWO_IN_LINE = "something follows the row; send one JSON object per line"


class _Expected(enum.Enum):
    """What may come next in an array."""

    FIRST_ROW_OR_END = enum.auto()
    ROW = enum.auto()
    COMMA_OR_END = enum.auto()
    NOTHING = enum.auto()


_SMALL_STEP = 4 * 1024
"""How many bytes are parsed at once near a row that the fast path refuses: few other rows then take the slow path."""

_BEFORE_ROW = (_Expected.FIRST_ROW_OR_END, _Expected.ROW)
_SPACE = re.compile(rb"[ \t\r\n]*")
_TEXT_SPACE = re.compile(r"[ \t\r\n]*")
_COMMA = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
_TEXT_COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")


class Array(Generic[RecordT]):
    """The rows of a JSON array in a buffer."""

    def __init__(self, buffer: Buffer, rows: RowReader[RecordT]) -> None:
        self._buffer = buffer
        self._rows: RowReader[RecordT] = rows
        self._expected = _Expected.FIRST_ROW_OR_END

    def batches(self) -> Iterator[Batch[RecordT]]:
        """Yield the rows of the array.

        Raises:
            InvalidSnapshot: the array can't be read to its end.
        """
        self._buffer.consume(len(b"["))
        while True:
            yield from self._parse_buffered()
            if self._buffer.ended:
                break
            self._buffer.fill()
        if self._expected is not _Expected.NOTHING:
            raise InvalidSnapshot(_NO_END, offset=self._buffer.offset)

    def _parse_buffered(self) -> Iterator[Batch[RecordT]]:
        """Yield all complete rows in the buffer; only the small steps around unusual rows take the slow path."""
        self._buffer.skip_whitespace()  # there may be more of it than fits the limits below
        if batch := self._fast(len(self._buffer.data)):
            yield batch
        offset = -1
        while offset != self._buffer.offset:
            offset = self._buffer.offset
            if batch := self._fast(_SMALL_STEP) or self._slow(_SMALL_STEP):
                yield batch
        if batch := self._slow(len(self._buffer.data)):
            yield batch

    def _fast(self, limit: int) -> Batch[RecordT] | None:
        """Return the complete rows in the first ``limit`` bytes, or None if they need the slow path."""
        if self._expected is _Expected.NOTHING:
            return None
        separator = _COMMA if self._expected is _Expected.COMMA_OR_END else _SPACE
        match = separator.match(self._buffer.data)
        taken = self._rows.fast_rows(self._buffer.data, match.end(), limit) if match else None
        if taken is None:
            return None
        batch, end = taken
        self._buffer.consume(end)
        self._expected = _Expected.COMMA_OR_END
        return batch

    def _slow(self, limit: int) -> Batch[RecordT] | None:
        """Return the complete rows in the first ``limit`` bytes, and which of them are rejected and why.

        Raises:
            InvalidSnapshot: these bytes are no part of a valid array.
        """
        data = self._buffer.data[:limit]
        ended = self._buffer.ended and len(data) == len(self._buffer.data)
        invalid_utf8 = False
        try:
            text, decoded = codecs.utf_8_decode(data, "strict", ended)
        except UnicodeDecodeError as error:
            invalid_utf8 = True
            text, decoded = data[: error.start].decode(), error.start
        parsed = _byte_length(
            text, 0, self._add_one_by_one(text, self._add_together(text), whole=ended and not invalid_utf8)
        )
        # The margin ensures that an error within the first MAX_ROW_BYTES is reported first, wherever the chunks end.
        if self._expected in _BEFORE_ROW and decoded - parsed > MAX_ROW_BYTES + 4 * LOOKAHEAD:
            self._refuse(_ROW_TOO_LARGE, parsed)
        if invalid_utf8:
            self._refuse(_NOT_UTF8, decoded)
        self._buffer.consume(parsed)
        return self._rows.take_batch()

    def _add_together(self, text: str) -> int:
        """Parse all rows that end within the text in one call and add them; return the position after them, else 0.

        A cut at a comma or after a "}" that leaves valid JSON is a row boundary, as in ``RowReader.fast_rows``.
        Without this step, bad rows and rows with backslashes take 1.2 to 1.5 times as long (CPU time, 20,000 to
        100,000 rows, 1 % or all of them bad).
        """
        separator = _TEXT_COMMA if self._expected is _Expected.COMMA_OR_END else _TEXT_SPACE
        match = separator.match(text)
        end = text.rfind("}") + 1 or text.rfind(",")
        if match is None or self._expected is _Expected.NOTHING or not 0 < 4 * (end - match.end()) <= MAX_ROW_BYTES:
            return 0  # a row may be too large
        array = f"[{text[match.end() : end]}]"
        try:
            rows, size = parse(array, 0, whole=True)
        except Malformed:
            return 0
        if size < len(array) or not isinstance(rows, list):
            return 0  # a "]" within the text ends the array, or is an error
        for row in rows:
            self._rows.add(row)
        self._expected = _Expected.COMMA_OR_END
        return end

    def _add_one_by_one(self, text: str, position: int, *, whole: bool) -> int:
        """Add the rows from ``position`` on; return the position from which on more text is needed, or the end."""
        while (position := _skip(_TEXT_SPACE, text, position)) < len(text):
            character = text[position]
            if self._expected is _Expected.NOTHING:
                self._refuse(_AFTER_END, _byte_length(text, 0, position))
            elif character == "]" and self._expected is not _Expected.ROW:
                self._expected = _Expected.NOTHING
                position += 1
            elif character == "]":
                self._refuse(_TRAILING_COMMA, _byte_length(text, 0, position))
            elif self._expected is not _Expected.COMMA_OR_END:
                end = self._row(text, position, whole=whole)
                if end is None:
                    break
                self._expected = _Expected.COMMA_OR_END
                position = end
            elif character == ",":
                self._expected = _Expected.ROW
                position += 1
            else:
                self._refuse(_NO_COMMA, _byte_length(text, 0, position))
        return position

    def _row(self, text: str, start: int, *, whole: bool) -> int | None:
        """Add the row at ``start``; return the position after it, or None if it may continue after the text."""
        try:
            row, end = parse(text, start, whole=whole)
        except Incomplete:
            return None
        except Malformed as error:
            if _byte_length(text, start, error.position) > MAX_ROW_BYTES:
                self._refuse(_ROW_TOO_LARGE, _byte_length(text, 0, start))
            self._refuse(error.reason, _byte_length(text, 0, error.position))
        if 4 * (end - start) > MAX_ROW_BYTES and _byte_length(text, start, end) > MAX_ROW_BYTES:
            self._refuse(_ROW_TOO_LARGE, _byte_length(text, 0, start))
        self._rows.add(row)
        return end

    def _refuse(self, reason: str, position: int) -> NoReturn:
        """Raise InvalidSnapshot for the error at ``position``, in bytes from the start of the buffer."""
        row = self._rows.rows + 1 if self._expected in _BEFORE_ROW else None
        raise InvalidSnapshot(reason, offset=self._buffer.offset + position, row=row)


class Lines(Generic[RecordT]):
    """The rows of NDJSON, one per line, in a buffer.

    Args:
        may_be_wrapper: refuse a single object without ``externalId``, which may be a wrapper around an array.
    """

    def __init__(self, buffer: Buffer, rows: RowReader[RecordT], *, may_be_wrapper: bool) -> None:
        self._buffer = buffer
        self._rows: RowReader[RecordT] = rows
        self._may_be_wrapper = may_be_wrapper

    def batches(self) -> Iterator[Batch[RecordT]]:
        """Yield the rows of all lines.

        Raises:
            InvalidSnapshot: a line is not one JSON value, or the lines can't be read to their end.
        """
        batch: Batch[RecordT] | None = None
        while True:
            for batch in self._parse_buffered():
                yield batch
            self._buffer.skip_whitespace()
            if len(self._buffer.data) > MAX_ROW_BYTES:
                self._refuse(_ROW_TOO_LARGE, 0)
            if self._buffer.ended:
                break
            self._buffer.fill()
        if self._may_be_wrapper and self._rows.rows == 1 and batch and _misses_external_id(batch):
            raise InvalidSnapshot(_WRAPPER, row=1)

    def _parse_buffered(self) -> Iterator[Batch[RecordT]]:
        """Yield the rows of all complete lines; only the small steps around unusual rows take the slow path."""
        lines = self._lines(len(self._buffer.data))
        if batch := self._rows.fast_lines(lines):
            self._buffer.consume(len(lines))
            yield batch
        while lines := self._lines(_SMALL_STEP):
            if batch := self._rows.fast_lines(lines) or self._slow(lines):
                yield batch
            self._buffer.consume(len(lines))

    def _lines(self, limit: int) -> bytes:
        """Return the complete lines in the first ``limit`` bytes, else the first line, or b"" if it is incomplete."""
        data = self._buffer.data
        if self._buffer.ended and len(data) <= limit:
            return data
        end = data.rfind(b"\n", 0, limit) + 1 or data.find(b"\n") + 1
        return data if self._buffer.ended and not end else data[:end]

    def _slow(self, lines: bytes) -> Batch[RecordT] | None:
        """Return the rows of the lines, and which of them are rejected and why.

        Raises:
            InvalidSnapshot: a line is not one JSON value.
        """
        start = _skip(_SPACE, lines, 0)
        while start < len(lines):
            end = lines.find(b"\n", start)
            end = end if end >= 0 else len(lines)
            self._row(lines[start:end], start)
            start = _skip(_SPACE, lines, end)
        return self._rows.take_batch()

    def _row(self, line: bytes, start: int) -> None:
        if len(line) > MAX_ROW_BYTES:
            self._refuse(_ROW_TOO_LARGE, start)
        try:
            text = line.rstrip(WHITESPACE).decode()
        except UnicodeDecodeError as error:
            self._refuse(_NOT_UTF8, start + error.start)
        try:
            row, end = parse(text, 0, whole=True)
        except Malformed as error:
            self._refuse(error.reason, start + _byte_length(text, 0, error.position))
        if end < len(text):
            self._refuse(_TWO_IN_LINE, start + _byte_length(text, 0, end))
        if isinstance(row, list):
            self._refuse(_ARRAY_IN_LINES, start)
        self._rows.add(row)

    def _refuse(self, reason: str, position: int) -> NoReturn:
        """Raise InvalidSnapshot for the error at ``position``, in bytes from the start of the buffer."""
        raise InvalidSnapshot(reason, offset=self._buffer.offset + position, row=self._rows.rows + 1)


def _skip(pattern: re.Pattern[AnyStr], text: AnyStr, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _byte_length(text: str, start: int, end: int) -> int:
    """Return the length of ``text[start:end]`` in UTF-8."""
    return len(text[start:end].encode())


def _misses_external_id(batch: Batch[RecordT]) -> bool:
    return any(rejection.field == "externalId" and rejection.code == "missing" for rejection in batch.rejections)
