"""Splits a JSON array into rows."""

import codecs
import enum
import re
from collections.abc import Iterator
from typing import AnyStr, Generic, NoReturn

from paymentagg.domain.batches import Batch
from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import RecordT
from paymentagg.entrypoints.snapshots.byte_stream import Buffer
from paymentagg.entrypoints.snapshots.row_reader import (
    LOOKAHEAD,
    MAX_ROW_BYTES,
    Incomplete,
    Malformed,
    RowReader,
    parse,
)

NOT_UTF8 = "this is not UTF-8; save the snapshot in UTF-8"
ROW_TOO_LARGE = f"a row is larger than {MAX_ROW_BYTES} bytes; leave out the fields that a row doesn't need"
_NO_END = "it ends before the ] of the array, so it is truncated; send it again"
_TRAILING_COMMA = "a row must follow the comma; remove the comma before the ]"
_NO_COMMA = "a comma or the ] of the array must follow a row"
_AFTER_END = "nothing may follow the ] of the array"


class _Expected(enum.Enum):
    """What may come next in an array."""

    FIRST_ROW_OR_END = enum.auto()
    ROW = enum.auto()
    COMMA_OR_END = enum.auto()
    NOTHING = enum.auto()


SMALL_STEP = 4 * 1024
"""How many bytes are parsed at once near a row that the fast path refuses: few other rows then take the slow path."""

_BEFORE_ROW = (_Expected.FIRST_ROW_OR_END, _Expected.ROW)
SPACE = re.compile(rb"[ \t\r\n]*")
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
            if batch := self._fast(SMALL_STEP) or self._slow(SMALL_STEP):
                yield batch
        if batch := self._slow(len(self._buffer.data)):
            yield batch

    def _fast(self, limit: int) -> Batch[RecordT] | None:
        """Return the complete rows in the first ``limit`` bytes, or None if they need the slow path."""
        if self._expected is _Expected.NOTHING:
            return None
        separator = _COMMA if self._expected is _Expected.COMMA_OR_END else SPACE
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
        together = 0 if self._rows.keeps_rows else self._add_together(text)
        parsed = byte_length(text, 0, self._add_one_by_one(text, together, whole=ended and not invalid_utf8))
        # The margin ensures that an error within the first MAX_ROW_BYTES is reported first, wherever the chunks end.
        if self._expected in _BEFORE_ROW and decoded - parsed > MAX_ROW_BYTES + 4 * LOOKAHEAD:
            self._refuse(ROW_TOO_LARGE, parsed)
        if invalid_utf8:
            self._refuse(NOT_UTF8, decoded)
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
        while (position := skip(_TEXT_SPACE, text, position)) < len(text):
            character = text[position]
            if self._expected is _Expected.NOTHING:
                self._refuse(_AFTER_END, byte_length(text, 0, position))
            elif character == "]" and self._expected is not _Expected.ROW:
                self._expected = _Expected.NOTHING
                position += 1
            elif character == "]":
                self._refuse(_TRAILING_COMMA, byte_length(text, 0, position))
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
                self._refuse(_NO_COMMA, byte_length(text, 0, position))
        return position

    def _row(self, text: str, start: int, *, whole: bool) -> int | None:
        """Add the row at ``start``; return the position after it, or None if it may continue after the text."""
        try:
            row, end = parse(text, start, whole=whole)
        except Incomplete:
            return None
        except Malformed as error:
            if byte_length(text, start, error.position) > MAX_ROW_BYTES:
                self._refuse(ROW_TOO_LARGE, byte_length(text, 0, start))
            self._refuse(error.reason, byte_length(text, 0, error.position))
        if 4 * (end - start) > MAX_ROW_BYTES and byte_length(text, start, end) > MAX_ROW_BYTES:
            self._refuse(ROW_TOO_LARGE, byte_length(text, 0, start))
        self._rows.add(row, text[start:end])
        return end

    def _refuse(self, reason: str, position: int) -> NoReturn:
        """Raise InvalidSnapshot for the error at ``position``, in bytes from the start of the buffer."""
        row = self._rows.last + 1 if self._expected in _BEFORE_ROW else None
        raise InvalidSnapshot(reason, offset=self._buffer.offset + position, row=row)


def skip(pattern: re.Pattern[AnyStr], text: AnyStr, start: int) -> int:
    """Return the position after what the pattern matches at ``start``."""
    match = pattern.match(text, start)
    return match.end() if match else start


def byte_length(text: str, start: int, end: int) -> int:
    """Return the length of ``text[start:end]`` in UTF-8."""
    return len(text[start:end].encode())
