"""From the bytes of a snapshot to batches of checked rows, lazily and in bounded memory.

A snapshot is a JSON array of rows or one row a line (NDJSON), in UTF-8, maybe gzipped. It is read whole or it is
refused: the errors come while the batches are drawn, so the rows count only when the last batch was drawn.
"""

from collections.abc import Iterator
from typing import Generic

from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import Patient, Payment, RecordT
from paymentagg.domain.ports import Batch
from paymentagg.entrypoints.snapshots.byte_stream import (
    EMPTY,
    Form,
    Readable,
    Reading,
    Repeatable,
    Unread,
    digest_of,
    expanded,
)
from paymentagg.entrypoints.snapshots.framing import Array, Lines
from paymentagg.entrypoints.snapshots.row_reader import RowReader, patient_rows, payment_rows

_NO_SNAPSHOT = (
    "it must begin with [, as a JSON array of rows, or with {, as one JSON object a line; in UTF-8, gzipped or not"
)
_NO_ARRAY = "a JSON array of rows is needed, so it must begin with ["


class SentSnapshot(Generic[RecordT]):
    """A snapshot as it was sent; see the port Snapshot.

    Raises:
        InvalidSnapshot: it can't be read whole.
        SnapshotTooLarge: it is larger than the options allow.
    """

    def __init__(self, rows: RowReader[RecordT], stream: Readable, options: Reading) -> None:
        self._rows: RowReader[RecordT] = rows
        self._stream = stream
        self._options = options

    def digest(self) -> str | None:
        if not isinstance(self._stream, Repeatable) or not self._stream.seekable():
            return None
        manner = f"{self._options.form} {self._options.gzipped} "
        digest = digest_of(self._stream, manner.encode(), self._options.max_bytes)
        self._stream.seek(0)
        return digest

    def __iter__(self) -> Iterator[Batch[RecordT]]:
        return _read(self._rows, self._stream, self._options)


def read_patients(stream: Readable, options: Reading) -> SentSnapshot[Patient]:
    """Return the snapshot of patients in a stream; nothing is read yet."""
    return SentSnapshot(patient_rows(), stream, options)


def read_payments(stream: Readable, options: Reading) -> SentSnapshot[Payment]:
    """Return the snapshot of payments in a stream; nothing is read yet."""
    return SentSnapshot(payment_rows(), stream, options)


def _read(rows: RowReader[RecordT], stream: Readable, options: Reading) -> Iterator[Batch[RecordT]]:
    unread = Unread(expanded(stream, options))
    unread.skip_mark()
    first = unread.first()
    if not first:
        raise InvalidSnapshot(EMPTY, offset=unread.offset)
    if options.form is None and first not in b"[{":
        raise InvalidSnapshot(_NO_SNAPSHOT, offset=unread.offset)
    if options.form is Form.ARRAY and first != b"[":
        raise InvalidSnapshot(_NO_ARRAY, offset=unread.offset)
    if options.form is Form.NDJSON or first == b"{":
        yield from Lines(unread, rows, may_be_wrapper=options.form is None).batches()
    else:
        yield from Array(unread, rows).batches()
