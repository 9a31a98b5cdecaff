"""Splits NDJSON into rows."""

from collections.abc import Iterator
from typing import Generic, NoReturn

from paymentagg.domain.batches import Batch
from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import RecordT
from paymentagg.entrypoints.snapshots.byte_stream import WHITESPACE, Buffer
from paymentagg.entrypoints.snapshots.framing import (
    NOT_UTF8,
    ROW_TOO_LARGE,
    SMALL_STEP,
    SPACE,
    byte_length,
    skip,
)
from paymentagg.entrypoints.snapshots.row_reader import MAX_ROW_BYTES, Malformed, RowReader, parse

_WRAPPER = (
    "it is a single object without externalId, so it isn't a row; send the array of rows itself, without a wrapper"
)
_ARRAY_IN_LINES = "this line is an array, not a row; send one JSON object per line"
_TWO_IN_LINE = "something follows the row; send one JSON object per line"


class Lines(Generic[RecordT]):
    """The rows of NDJSON, one per line, in a buffer. The number of a row is that of its line, empty lines included.

    Args:
        may_be_wrapper: refuse a single object without ``externalId``, which may be a wrapper around an array.
    """

    def __init__(self, buffer: Buffer, rows: RowReader[RecordT], *, may_be_wrapper: bool) -> None:
        self._buffer = buffer
        self._rows: RowReader[RecordT] = rows
        self._may_be_wrapper = may_be_wrapper
        self._lines_before = 0

    def batches(self) -> Iterator[Batch[RecordT]]:
        """Yield the rows of all lines.

        Raises:
            InvalidSnapshot: a line is not one JSON value, or the lines can't be read to their end.
        """
        batch: Batch[RecordT] | None = None
        rows = 0
        self._rows.last = self._lines_before = self._buffer.skipped_lines
        while True:
            for batch in self._parse_buffered():
                rows += len(batch.numbers) + len(batch.rejections)
                yield batch
            self._buffer.skip_whitespace()  # without line ends: they were taken with their lines
            if len(self._buffer.data) > MAX_ROW_BYTES:
                self._refuse(ROW_TOO_LARGE, 0)
            if self._buffer.ended:
                break
            self._buffer.fill()
        if self._may_be_wrapper and rows == 1 and batch and _misses_external_id(batch):
            raise InvalidSnapshot(_WRAPPER, row=batch.rejections[0].row)

    def _parse_buffered(self) -> Iterator[Batch[RecordT]]:
        """Yield the rows of all complete lines; only the small steps around unusual rows take the slow path."""
        lines = self._lines(len(self._buffer.data))
        if batch := self._fast(lines):
            self._consume(lines)
            yield batch
        while lines := self._lines(SMALL_STEP):
            if batch := self._fast(lines) or self._slow(lines):
                yield batch
            self._consume(lines)

    def _consume(self, lines: bytes) -> None:
        self._buffer.consume(len(lines))
        self._lines_before += lines.count(b"\n")
        self._rows.last = self._lines_before

    def _fast(self, lines: bytes) -> Batch[RecordT] | None:
        """Return the rows of the lines, or None if they need the slow path."""
        self._rows.last = self._lines_before + lines.count(b"\n", 0, skip(SPACE, lines, 0))
        return self._rows.fast_lines(lines)

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
        number = self._lines_before
        position, start = 0, skip(SPACE, lines, 0)
        while start < len(lines):
            number += lines.count(b"\n", position, start)
            self._rows.last = number
            end = lines.find(b"\n", start)
            end = end if end >= 0 else len(lines)
            self._row(lines[start:end], start)
            position, start = end, skip(SPACE, lines, end)
        return self._rows.take_batch()

    def _row(self, line: bytes, start: int) -> None:
        if len(line) > MAX_ROW_BYTES:
            self._refuse(ROW_TOO_LARGE, start)
        try:
            text = line.rstrip(WHITESPACE).decode()
        except UnicodeDecodeError as error:
            self._refuse(NOT_UTF8, start + error.start)
        try:
            row, end = parse(text, 0, whole=True)
        except Malformed as error:
            self._refuse(error.reason, start + byte_length(text, 0, error.position))
        if end < len(text):
            self._refuse(_TWO_IN_LINE, start + byte_length(text, 0, end))
        if isinstance(row, list):
            self._refuse(_ARRAY_IN_LINES, start)
        self._rows.add(row, text)

    def _refuse(self, reason: str, position: int) -> NoReturn:
        """Raise InvalidSnapshot for the error at ``position``, in bytes from the start of the buffer."""
        raise InvalidSnapshot(reason, offset=self._buffer.offset + position, row=self._rows.last + 1)


def _misses_external_id(batch: Batch[RecordT]) -> bool:
    return any(rejection.field == "externalId" and rejection.code == "missing" for rejection in batch.rejections)
