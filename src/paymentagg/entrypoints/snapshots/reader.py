"""Reads the bytes of a snapshot into batches of checked rows, lazily and in bounded memory.

A snapshot is a JSON array of rows or one row per line (NDJSON), in UTF-8, optionally gzipped. A snapshot that can't be
read to its end is refused as a whole. Errors are raised during iteration, so callers must not commit any row before
the last batch.
"""

from collections.abc import Iterator

import msgspec
from typing_extensions import override

from paymentagg.domain.batches import Batch
from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import Patient, Payment, RecordT
from paymentagg.domain.ports import Snapshot
from paymentagg.entrypoints.snapshots.byte_stream import (
    EMPTY,
    Buffer,
    Digest,
    Form,
    Readable,
    Reading,
    Repeatable,
    expanded,
)
from paymentagg.entrypoints.snapshots.framing import Array
from paymentagg.entrypoints.snapshots.lines import Lines
from paymentagg.entrypoints.snapshots.row_reader import RowReader, patient_rows, payment_rows

_NO_SNAPSHOT = "it must begin with [ (a JSON array of rows) or { (one JSON object per line), in UTF-8, gzipped or not"
_NO_ARRAY = (
    "application/json must be a JSON array of rows, so it must begin with [; send NDJSON as application/x-ndjson"
)


class SentSnapshot(Snapshot[RecordT]):
    """A snapshot in a stream; implements the port Snapshot.

    Raises:
        InvalidSnapshot: it can't be read whole.
        SnapshotTooLarge: it is larger than ``max_bytes`` of the options.
    """

    def __init__(self, rows: RowReader[RecordT], stream: Readable, options: Reading) -> None:
        self._rows: RowReader[RecordT] = rows
        self._stream = stream
        self._options = options
        self._digest = Digest(options.form)
        rows.keeps_rows = options.keep_rows

    @override
    def digest(self) -> str | None:
        if not self._digest.complete and isinstance(self._stream, Repeatable) and self._stream.seekable():
            silent = msgspec.structs.replace(self._options, on_progress=None)
            for _ in self._digest.of(expanded(self._stream, silent)):
                pass
            self._stream.seek(0)
        return str(self._digest) if self._digest.complete else None

    @override
    def __iter__(self) -> Iterator[Batch[RecordT]]:
        chunks = expanded(self._stream, self._options)
        return _read(self._rows, chunks if self._digest.complete else self._digest.of(chunks), self._options)


def read_patients(stream: Readable, options: Reading) -> SentSnapshot[Patient]:
    """Return the snapshot of patients in a stream. It is read during iteration."""
    return SentSnapshot(patient_rows(), stream, options)


def read_payments(stream: Readable, options: Reading) -> SentSnapshot[Payment]:
    """Return the snapshot of payments in a stream. It is read during iteration."""
    return SentSnapshot(payment_rows(), stream, options)


def _read(rows: RowReader[RecordT], chunks: Iterator[bytes], options: Reading) -> Iterator[Batch[RecordT]]:
    buffer = Buffer(chunks)
    buffer.skip_bom()
    first = buffer.peek()
    if not first:
        raise InvalidSnapshot(EMPTY, offset=buffer.offset)
    if options.form is None and first not in b"[{":
        raise InvalidSnapshot(_NO_SNAPSHOT, offset=buffer.offset)
    if options.form is Form.ARRAY and first != b"[":
        raise InvalidSnapshot(_NO_ARRAY, offset=buffer.offset)
    if options.form is Form.NDJSON or first == b"{":
        yield from Lines(buffer, rows, may_be_wrapper=options.form is None).batches()
    else:
        yield from Array(buffer, rows).batches()
