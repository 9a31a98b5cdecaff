"""Where the rows of a snapshot begin and end: in a JSON array, or one a line."""

import codecs
import enum
import re
from collections.abc import Iterator
from typing import AnyStr, Generic, NoReturn

from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import RecordT
from paymentagg.domain.ports import Batch
from paymentagg.entrypoints.snapshots.byte_stream import SPACE, Unread
from paymentagg.entrypoints.snapshots.row_reader import (
    LOOKAHEAD,
    MAX_ROW_BYTES,
    Incomplete,
    Malformed,
    RowReader,
    parse,
)

_WRAPPER = "it is a single object without externalId, so no row; send the array of rows itself, without a wrapper"
_NO_UTF8 = "this is not UTF-8; save the snapshot in UTF-8"
_ROW_TOO_LARGE = f"a row is larger than {MAX_ROW_BYTES} bytes"
_NO_END = "it ends before the ] of the array; it was cut off, so send it again"
_TRAILING_COMMA = "a row must follow the comma"
_NO_COMMA = "a comma or the ] of the array must follow a row"
_AFTER_END = "nothing may follow the ] of the array"
_ARRAY_IN_LINES = "this line is an array, not a row; one JSON object a line is needed"
_TWO_IN_LINE = "something follows the row; one JSON object a line is needed"


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
_TEXT_COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")


class Array(Generic[RecordT]):
    """The rows of a JSON array."""

    def __init__(self, unread: Unread, rows: RowReader[RecordT]) -> None:
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
        self._unread.strip()  # there may be a lot
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
        used = _size(text, 0, self._walk(text, self._several(text), whole=ended and not faulty))
        # The slack lets a fault within the first MAX_ROW_BYTES be found first, however the chunks were cut.
        if self._place in _BEFORE_ROW and known - used > MAX_ROW_BYTES + 4 * LOOKAHEAD:
            self._refuse(_ROW_TOO_LARGE, used)
        if faulty:
            self._refuse(_NO_UTF8, known)
        self._unread.drop(used)
        return self._rows.take()

    def _several(self, text: str) -> int:
        """Take the rows that end within the text, if they are JSON at once; return the position behind them.

        A cut at a comma, or behind a "}", that leaves JSON is a boundary of rows, as in RowReader.quick_rows.
        """
        gap = _TEXT_COMMA if self._place is _Place.COMMA_OR_END else _TEXT_GAP
        found = gap.match(text)
        end = text.rfind("}") + 1 or text.rfind(",")
        if found is None or self._place is _Place.NOTHING or not 0 < 4 * (end - found.end()) <= MAX_ROW_BYTES:
            return 0  # one of the rows may be too large
        several = f"[{text[found.end() : end]}]"
        try:
            rows, size = parse(several, 0, whole=True)
        except Malformed:
            return 0
        if size < len(several) or not isinstance(rows, list):
            return 0  # a "]" in between is the array's end, or wrong
        for row in rows:
            self._rows.add(row)
        self._place = _Place.COMMA_OR_END
        return end

    def _walk(self, text: str, position: int, *, whole: bool) -> int:
        """Take rows, commas and the end from the position on; return the position where more text is needed."""
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


class Lines(Generic[RecordT]):
    """The rows of NDJSON, one a line."""

    def __init__(self, unread: Unread, rows: RowReader[RecordT], *, may_be_wrapper: bool) -> None:
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
            text = line.rstrip(SPACE).decode()
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
